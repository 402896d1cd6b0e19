"""The contract of every backend: one test for all of them. Another one has these tests with a `backend` of its own."""

import asyncio

import pytest

from app.core.cache import CacheBackend

pytestmark = pytest.mark.anyio


@pytest.fixture
async def backend() -> CacheBackend:
    return CacheBackend(max_entries=1000)


async def test_get_returns_what_was_set_last_under_any_key(backend: CacheBackend) -> None:
    keys = ["tests:a", "tests: ", "tests:ключ", "tests:🔑", "tests:" + "x" * 600]
    for number, key in enumerate(keys):
        await backend.set(key, b"replaced", ttl=60)
        await backend.set(key, b"\x00\xff %d" % number, ttl=60)
    await backend.set("tests:empty", b"", ttl=60)

    assert [await backend.get(key) for key in keys] == [b"\x00\xff %d" % number for number in range(5)]
    assert await backend.get("tests:empty") == b"", "nothing in it is not nothing there"
    assert await backend.get("tests:missing") is None


async def test_get_returns_nothing_when_the_time_of_a_value_is_over(backend: CacheBackend) -> None:
    await backend.set("tests:a", b"1", ttl=0.1)
    await backend.set("tests:b", b"1", ttl=0.1)
    await backend.set("tests:b", b"2", ttl=60)
    await backend.set("tests:c", b"1", ttl=-1)
    assert await backend.get("tests:a") == b"1"
    await asyncio.sleep(0.15)

    assert await backend.get("tests:a") is None
    assert await backend.get("tests:c") is None
    assert await backend.get("tests:b") == b"2", "setting again replaces the time, too"


async def test_delete_takes_many_keys_and_minds_no_missing_one(backend: CacheBackend) -> None:
    for key in "abc":
        await backend.set(f"tests:{key}", b"1", ttl=60)
    await backend.delete(["tests:a", "tests:b", "tests:never"])
    await backend.delete([])
    assert [await backend.get(f"tests:{key}") for key in "abc"] == [None, None, b"1"]

    await backend.clear("tests:")
    assert await backend.get("tests:c") is None
