"""A cache for each test, and more where a test opens them: the last one is asked."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from app.core.cache import CacheBackend
from tests.unit.core.cache.stores import caching

OpenCache = Callable[..., Awaitable[None]]


@pytest.fixture
async def open_cache() -> AsyncIterator[OpenCache]:
    async with AsyncExitStack() as stack:

        async def open_(backend: CacheBackend | None = None, **changes: Any) -> None:
            await stack.enter_async_context(caching(backend, **changes))

        await open_()
        yield open_
