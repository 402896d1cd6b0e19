"""`PasswordHasher`: off the event loop, a bounded number at a time, an unknown user's as slowly as a known one's."""

import asyncio
import threading
import time

import pytest

from app.core.security import PasswordHasher

pytestmark = pytest.mark.anyio

PASSWORD = "correct horse battery staple"
COMPOSED, DECOMPOSED = "\u00fcbergang \u00e0 gauche", "u\u0308bergang a\u0300 gauche"


def hasher(*, time_cost: int = 1, memory_kib: int = 64) -> PasswordHasher:
    return PasswordHasher(time_cost=time_cost, memory_kib=memory_kib, concurrency=2)


async def test_verify_matches_the_right_password_alone() -> None:
    stored = await hasher().hash(PASSWORD)

    assert stored.startswith("$argon2id$")
    assert await hasher().verify(PASSWORD, stored) == (True, None)
    for wrong in ("Correct horse battery staple", ""):
        assert await hasher().verify(wrong, stored) == (False, None)
    for no_hash in ("", "$2b$12$abcdefghijklmnopqrstuv", "$argon2id$v=19$m=64"):
        assert await hasher().verify(PASSWORD, no_hash) == (False, None)


@pytest.mark.parametrize("outdated", ["of other parameters", "of decomposed characters"])
async def test_verify_replaces_an_outdated_hash(outdated: str) -> None:
    stored = hasher()._hash.hash(DECOMPOSED) if "characters" in outdated else await hasher(time_cost=2).hash(COMPOSED)

    right, better = await hasher().verify(DECOMPOSED, stored)

    assert right
    assert better is not None
    assert await hasher().verify(COMPOSED, better) == (True, None)


async def test_verify_takes_as_long_for_an_unknown_user_as_for_a_known_one() -> None:
    passwords = hasher(time_cost=8, memory_kib=4096)
    stored = await passwords.hash(PASSWORD)
    await passwords.verify("warm", None)

    async def cost(stored: str | None, wrong: str) -> float:
        # This process's own time, threads included: other load on the machine is no part of it.
        began = time.process_time()
        assert await passwords.verify(wrong, stored) == (False, None)
        return time.process_time() - began

    async def takes_as_long(wrong: str) -> bool:
        # By turns, so that a machine that slows down slows both.
        costs = [(await cost(None, wrong), await cost(stored, wrong)) for _ in range(9)]
        unknown, known = map(min, zip(*costs, strict=True))
        return bool(unknown == pytest.approx(known, rel=0.5))

    for wrong in ("wrong", DECOMPOSED):
        # A busy machine disturbs even the fastest of nine, but hardly three times in a row.
        assert await takes_as_long(wrong) or await takes_as_long(wrong) or await takes_as_long(wrong)


async def test_hash_runs_two_at_a_time_in_threads_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    passwords = hasher()
    running: list[str] = []
    counts: list[int] = []
    two = threading.Barrier(2)

    def hash_slowly(password: str) -> str:
        running.append(password)
        two.wait(10)
        counts.append(len(running))
        time.sleep(0.02)
        running.remove(password)
        return threading.current_thread().name

    monkeypatch.setattr(passwords._hash, "hash", hash_slowly)
    threads = await asyncio.gather(*(passwords.hash(f"{number}") for number in range(8)))

    assert all(name.startswith("password") for name in threads)
    assert max(counts) == 2
