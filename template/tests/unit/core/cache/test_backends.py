"""The contract of every backend: one test for all of them. A new one adds itself to `backend`."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from app.core.cache import CacheBackend
from tests.unit.core.cache.stores import make_memory

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["memory"])
async def backend(request: pytest.FixtureRequest) -> AsyncIterator[CacheBackend]:
    backend: CacheBackend = {"memory": make_memory}[request.param]()
    yield backend
    await backend.clear("tests:")
    await backend.close()


async def test_what_was_set_is_what_is_got(backend: CacheBackend) -> None:
    await backend.set("tests:a", b"\x00\xff bytes as they are", ttl=60)
    await backend.set("tests:b", b"", ttl=60)

    assert await backend.get("tests:a") == b"\x00\xff bytes as they are"
    assert await backend.get("tests:b") == b"", "nothing in it is not nothing there"
    assert await backend.get("tests:c") is None


async def test_setting_again_replaces_value_and_time(backend: CacheBackend) -> None:
    await backend.set("tests:a", b"1", ttl=0.05)
    await backend.set("tests:a", b"2", ttl=60)
    await asyncio.sleep(0.1)

    assert await backend.get("tests:a") == b"2"


async def test_a_value_goes_when_its_time_is_over(backend: CacheBackend) -> None:
    await backend.set("tests:a", b"1", ttl=0.1)
    assert await backend.get("tests:a") == b"1"
    await asyncio.sleep(0.15)

    assert await backend.get("tests:a") is None


async def test_deleting_takes_many_keys_and_minds_no_missing_one(backend: CacheBackend) -> None:
    for key in "abc":
        await backend.set(f"tests:{key}", b"1", ttl=60)
    await backend.delete(["tests:a", "tests:b", "tests:never"])

    assert [await backend.get(f"tests:{key}") for key in "abc"] == [None, None, b"1"]


async def test_clearing_stays_inside_its_prefix(backend: CacheBackend) -> None:
    names = ["tests:1:a", "tests:1:b", "tests:10:a", "tests:[1]:a", "tests:*:a"]
    for name in names:
        await backend.set(name, b"1", ttl=60)
    await backend.clear("tests:1:")
    assert [name for name in names if await backend.get(name)] == names[2:]

    await backend.clear("tests:*:")
    assert [name for name in names if await backend.get(name)] == names[2:4], "a prefix is no pattern"


async def test_odd_keys_are_keys_like_any_other(backend: CacheBackend) -> None:
    keys = ["tests: ", "tests:ключ", "tests:🔑", "tests:" + "x" * 600]
    for number, key in enumerate(keys):
        await backend.set(key, b"%d" % number, ttl=60)

    assert [await backend.get(key) for key in keys] == [b"0", b"1", b"2", b"3"]
