"""`PasswordHasher`: off the event loop, a bounded number at a time, an unknown user's as slowly as a known one's."""

import asyncio
import threading
import time

import pytest

from app.core.security import PasswordHasher

pytestmark = pytest.mark.anyio


def hasher(*, time_cost: int = 1, memory_kib: int = 64, concurrency: int = 4) -> PasswordHasher:
    return PasswordHasher(time_cost=time_cost, memory_kib=memory_kib, concurrency=concurrency)


async def test_verify_matches_the_right_password_alone() -> None:
    stored = await hasher().hash("correct horse battery staple")

    assert stored.startswith("$argon2id$")
    assert "correct" not in stored
    assert await hasher().verify("correct horse battery staple", stored) == (True, None)
    assert await hasher().verify("Correct horse battery staple", stored) == (False, None)


COMPOSED, DECOMPOSED = "\u00fcbergang \u00e0 gauche", "u\u0308bergang a\u0300 gauche"


async def test_verify_replaces_a_hash_of_decomposed_characters() -> None:
    stored = hasher()._hash.hash(DECOMPOSED)

    right, better = await hasher().verify(DECOMPOSED, stored)

    assert right
    assert better is not None
    assert await hasher().verify(COMPOSED, better) == (True, None)
    assert await hasher().verify(COMPOSED, stored) == (False, None)


async def test_verify_replaces_a_hash_of_other_parameters() -> None:
    stored = await hasher(time_cost=1).hash("correct horse battery staple")

    right, better = await hasher(time_cost=2).verify("correct horse battery staple", stored)

    assert right
    assert better is not None
    assert await hasher(time_cost=2).verify("correct horse battery staple", better) == (True, None)


@pytest.mark.parametrize("stored", ["", "x", "$2b$12$abcdefghijklmnopqrstuv", "$argon2id$v=19$m=64"])
async def test_verify_matches_nothing_that_is_no_hash(stored: str) -> None:
    assert await hasher().verify("correct horse battery staple", stored) == (False, None)


async def test_verify_takes_as_long_for_an_unknown_user_as_for_a_known_one() -> None:
    passwords = hasher(time_cost=8, memory_kib=4096)
    stored = await passwords.hash("correct horse battery staple")
    await passwords.verify("warm", None)

    async def cost(stored: str | None, wrong: str) -> float:
        spent = []
        for _ in range(5):
            # This process's own time, threads included: other load on the machine is no part of it.
            began = time.process_time()
            assert await passwords.verify(wrong, stored) == (False, None)
            spent.append(time.process_time() - began)
        return min(spent)

    assert await cost(None, "wrong") == pytest.approx(await cost(stored, "wrong"), rel=0.5)
    assert await cost(None, DECOMPOSED) == pytest.approx(await cost(stored, DECOMPOSED), rel=0.5)


async def test_hash_leaves_the_event_loop_free_and_runs_few_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    passwords = hasher(concurrency=2)
    running, most, lock = 0, 0, threading.Lock()
    slow = threading.Event()

    def hash_slowly(_password: str) -> str:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        slow.wait(0.02)
        with lock:
            running -= 1
        return "hash"

    monkeypatch.setattr(passwords._hash, "hash", hash_slowly)
    beats = 0

    async def beat() -> None:
        nonlocal beats
        while True:
            await asyncio.sleep(0.001)
            beats += 1

    heart = asyncio.create_task(beat())
    await asyncio.gather(*(passwords.hash("correct horse") for _ in range(8)))
    heart.cancel()

    assert most == 2
    assert beats > 10
