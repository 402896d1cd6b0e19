"""Passwords: hashed off the event loop, a bounded number at a time, nobody's as slowly as somebody's."""

import asyncio
import threading
import time

import pytest

from app.core.security import PasswordHasher

pytestmark = pytest.mark.anyio


def hasher(*, time_cost: int = 1, memory_kib: int = 64, concurrency: int = 4) -> PasswordHasher:
    return PasswordHasher(time_cost=time_cost, memory_kib=memory_kib, concurrency=concurrency)


async def test_only_the_right_password_matches() -> None:
    stored = await hasher().hash("correct horse battery staple")

    assert stored.startswith("$argon2id$")
    assert "correct" not in stored
    assert await hasher().verify("correct horse battery staple", stored) == (True, None)
    assert await hasher().verify("Correct horse battery staple", stored) == (False, None)


COMPOSED, DECOMPOSED = "\u00fcbergang \u00e0 gauche", "u\u0308bergang a\u0300 gauche"


@pytest.mark.parametrize(("stored_as", "typed"), [(COMPOSED, DECOMPOSED), (DECOMPOSED, COMPOSED)])
async def test_a_password_is_the_same_composed_and_decomposed(stored_as: str, typed: str) -> None:
    stored = await hasher().hash(stored_as)

    assert await hasher().verify(typed, stored) == (True, None)
    assert await hasher().verify(stored_as, stored) == (True, None)
    assert await hasher().verify(typed[:-1], stored) == (False, None)


async def test_a_hash_of_decomposed_characters_still_matches_and_is_replaced() -> None:
    stored = hasher()._hash.hash(DECOMPOSED)

    right, better = await hasher().verify(DECOMPOSED, stored)

    assert right
    assert better is not None
    assert await hasher().verify(COMPOSED, better) == (True, None)
    assert await hasher().verify(COMPOSED, stored) == (False, None)


async def test_the_same_password_is_stored_differently_each_time() -> None:
    assert await hasher().hash("correct horse") != await hasher().hash("correct horse")


async def test_a_hash_with_other_parameters_still_matches_and_is_replaced() -> None:
    stored = await hasher(time_cost=1).hash("correct horse battery staple")

    right, better = await hasher(time_cost=2).verify("correct horse battery staple", stored)

    assert right
    assert better is not None
    assert await hasher(time_cost=2).verify("correct horse battery staple", better) == (True, None)


@pytest.mark.parametrize("stored", ["", "x", "$2b$12$abcdefghijklmnopqrstuv", "$argon2id$v=19$m=64"])
async def test_a_stored_value_that_is_no_hash_matches_nothing(stored: str) -> None:
    assert await hasher().verify("correct horse battery staple", stored) == (False, None)


async def test_nobodys_password_takes_as_long_as_somebodys() -> None:
    passwords = hasher(time_cost=8, memory_kib=4096)
    stored = await passwords.hash("correct horse battery staple")
    await passwords.verify("warm", None)

    async def cost(stored: str | None, wrong: str) -> float:
        spent = []
        for _ in range(5):
            # This process's own time, threads included: what else the machine does is no part of it.
            began = time.process_time()
            assert await passwords.verify(wrong, stored) == (False, None)
            spent.append(time.process_time() - began)
        return min(spent)

    assert await cost(None, "wrong") == pytest.approx(await cost(stored, "wrong"), rel=0.5)
    assert await cost(None, DECOMPOSED) == pytest.approx(await cost(stored, DECOMPOSED), rel=0.5)


async def test_the_event_loop_goes_on_and_few_are_hashed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
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
