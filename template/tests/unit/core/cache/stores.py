"""Caches to test on, and a backend that fails or lingers on demand."""

import asyncio
from collections.abc import Sequence
from typing import Any

from app.core.cache import Cache, CacheBackend, CacheUnavailableError, MemoryBackend


def make_cache(backend: CacheBackend | None = None, **arguments: Any) -> Cache:
    return Cache(
        backend or make_memory(),
        **{
            "namespace": "tests:1:",
            "default_ttl": 60,
            "ttl_jitter": 0.0,
            "max_value_bytes": 1000,
            "load_timeout": 5,
            **arguments,
        },
    )


def make_memory() -> MemoryBackend:
    return MemoryBackend(max_entries=1000, max_bytes=1_000_000)


class UnsteadyBackend(MemoryBackend):
    """Memory that can be away, takes a moment as a network would, and remembers what it was asked to keep."""

    def __init__(self) -> None:
        super().__init__(max_entries=1000, max_bytes=1_000_000)
        self.away = False
        self.kept: dict[str, tuple[bytes, float]] = {}
        self.reads = 0
        self.failures = 0

    async def get(self, key: str) -> bytes | None:
        self.reads += 1
        await self._travel()
        return await super().get(key)

    async def set(self, key: str, value: bytes, *, ttl: float) -> None:
        await self._travel()
        self.kept[key] = (value, ttl)
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
            self.failures += 1
            raise CacheUnavailableError("no answer") from ConnectionRefusedError("refused")
