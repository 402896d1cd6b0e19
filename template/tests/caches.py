"""Caches to test on, and a backend that is away or lingers on demand."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from app.core.cache import Cache, CacheBackend, CacheUnavailableError
from app.core.process import open_process


@asynccontextmanager
async def caching(backend: CacheBackend | None = None, **changes: Any) -> AsyncIterator[None]:
    """Have `app.core.cache` lead to a cache of the test's own."""
    usual = {"namespace": "tests:1:", "default_ttl": 60, "ttl_jitter": 0.0}
    async with open_process() as process:
        process.add(Cache(**{"backend": backend or CacheBackend(max_entries=1000), **usual, **changes}))
        yield


class UnsteadyBackend(CacheBackend):
    """Memory that can be away, takes a moment as a network would, and remembers the times that it was given."""

    def __init__(self) -> None:
        super().__init__(max_entries=1000)
        self.away = False
        self.ttls: list[float] = []

    async def get(self, key: str) -> bytes | None:
        await self._travel()
        return await super().get(key)

    async def set(self, key: str, value: bytes, *, ttl: float) -> None:
        await self._travel()
        self.ttls.append(ttl)
        await super().set(key, value, ttl=ttl)

    async def delete(self, keys: Sequence[str]) -> None:
        await self._travel()
        await super().delete(keys)

    async def clear(self, prefix: str) -> None:
        await self._travel()
        await super().clear(prefix)

    async def _travel(self) -> None:
        await asyncio.sleep(0)
        if self.away:
            raise CacheUnavailableError("no answer") from ConnectionRefusedError("refused")
