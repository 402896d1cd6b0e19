"""The connection to Redis: the one module that knows its client.

The client's own defaults are those of a program that can wait: 4 seconds for a refused connection, 20 for a server
that hangs. Here every call ends within one limit, whatever it waits for.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Final, NamedTuple, cast

from pydantic import SecretStr
from redis import exceptions
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from app.core.logging import get_logger
from app.core.redis.breaker import Breaker
from app.core.redis.errors import RedisFullError, RedisUnavailableError
from app.core.redis.failures import FAILURES, explain, is_hopeless

logger = get_logger(__name__)

# Subscriptions, and the health check, do not take requests' connections.
_EXTRA_CONNECTIONS: Final = 2
# Keys the server looks at in one step of a walk over all of them.
_PAGE: Final = 1000


class Script(NamedTuple):
    """A program for the server, run as a whole and alone.

    Attributes:
        text: In Lua, for one key.
        sha: The SHA-1 the server knows it by.
    """

    text: str
    sha: str


class RedisConnection:
    """One per process, for as long as its lifespan. Nothing is connected before the first call.

    Every call raises `RedisUnavailableError` and nothing else; a lost connection is replaced once, at once.

    Args:
        url: Where, and with which credentials.
        name: In front of every key the service uses; a server that restricts keys must allow these.
        timeout_seconds: How long a call may take, with everything that belongs to it.
        pool_size: How many calls may be under way; others wait, within the same time.
        breaker_failures: After how many failures in a row calls fail at once.
        retry_seconds: How often the server is then asked whether it is back.
        ca_file: Authorities to trust instead of the system's.
    """

    def __init__(
        self,
        url: SecretStr,
        *,
        name: str,
        timeout_seconds: float,
        pool_size: int,
        breaker_failures: int,
        retry_seconds: float,
        ca_file: str | None = None,
    ) -> None:
        self._url = url
        self._timeout_seconds = timeout_seconds
        self._ca_file = ca_file
        self._probe_key = f"{name}!probe"
        self._calls = self._pool(pool_size)
        self._others = self._pool(_EXTRA_CONNECTIONS)
        self._send = _sender(self._calls)
        self._full = False
        self._catch_up: list[Callable[[], Awaitable[None]]] = []
        self.breaker = Breaker(failures=breaker_failures, retry_seconds=retry_seconds, probe=self._probe)

    def before_return(self, catch_up: Callable[[], Awaitable[None]]) -> None:
        """Have this done when the server answers again, before anybody else may ask it anything.

        It uses the calls with `unguarded`, and is done again later if it raises `RedisUnavailableError`.
        """
        self._catch_up.append(catch_up)

    async def get(self, key: str) -> bytes | None:
        """A value."""
        return cast("bytes | None", await self._call("GET", key))

    async def set(self, key: str, value: bytes, *, ttl_ms: int) -> None:
        """Keep a value; RedisFullError where there is no room for it."""
        await self._call("SET", key, value, "PX", ttl_ms)
        self._note_room(there_is=True)

    async def unlink(self, keys: Sequence[str | bytes], *, unguarded: bool = False) -> None:
        """Forget keys; the server frees their memory in its own time."""
        await self._call("UNLINK", *keys, unguarded=unguarded)

    async def scan(self, cursor: int, pattern: str, *, unguarded: bool = False) -> tuple[int, list[bytes]]:
        """Some of the keys that match, and where to go on; 0: that was the last."""
        answer = await self._call("SCAN", cursor, "MATCH", pattern, "COUNT", _PAGE, unguarded=unguarded)
        position, keys = cast("tuple[bytes, list[bytes]]", answer)
        return int(position), keys

    async def run(self, script: Script, key: str, *arguments: str | float, unguarded: bool = False) -> int:
        """What a script returns, in one round trip; in one more where the server does not know it yet."""
        try:
            answer = await self._call("EVALSHA", script.sha, 1, key, *arguments, unguarded=unguarded)
        except exceptions.NoScriptError:
            answer = await self._call("EVAL", script.text, 1, key, *arguments, unguarded=unguarded)
        return cast("int", answer)

    async def publish(self, channel: str, message: str) -> None:
        """Tell whoever listens at this moment."""
        await self._call("PUBLISH", channel, message)

    async def ping(self) -> None:
        """Ask, whatever the breaker says: for health checks."""
        try:
            async with asyncio.timeout(self._timeout_seconds):
                await _sender(self._others)("PING")
        except FAILURES as err:
            raise RedisUnavailableError(explain(err, timeout_seconds=self._timeout_seconds)) from None

    async def messages(self, channel: str, *, quiet_seconds: float) -> AsyncGenerator[bytes | None]:
        """What is said on a channel; None whenever listening begins (anew): what was said before was missed.

        Raises:
            RedisUnavailableError: The connection is lost, or answers no more.
        """
        pubsub = Redis(connection_pool=self._others).pubsub()
        try:
            async with asyncio.timeout(self._timeout_seconds):
                await pubsub.subscribe(channel)
            answer_is_due = True
            while True:
                limit = self._timeout_seconds if answer_is_due else quiet_seconds
                message = await pubsub.get_message(timeout=limit)
                if message is None:
                    if answer_is_due:
                        raise exceptions.TimeoutError
                    async with asyncio.timeout(self._timeout_seconds):
                        await pubsub.ping()
                answer_is_due = message is None
                match message:
                    case {"type": "subscribe"}:
                        yield None
                    case {"type": "message", "data": bytes(data)}:
                        yield data
        except FAILURES as err:
            raise RedisUnavailableError(explain(err, timeout_seconds=self._timeout_seconds)) from None
        finally:
            await pubsub.aclose()  # type: ignore[no-untyped-call]

    async def close(self) -> None:
        """Stop asking, and let go of all connections."""
        await self.breaker.close()
        await self._calls.aclose()
        await self._others.aclose()

    def _pool(self, size: int) -> BlockingConnectionPool:
        url = self._url.get_secret_value()
        tls = {"ssl_ca_certs": self._ca_file} if self._ca_file and url.startswith("rediss:") else {}
        return BlockingConnectionPool.from_url(
            url,
            max_connections=size,
            # Waiting for a free one is part of a call, whose limit ends it.
            timeout=None,
            socket_connect_timeout=self._timeout_seconds,
            # Not the client's own, which writes through `asyncio.wait_for`: before Python 3.12 that is one more task
            # for each command, and now and then swallows the cancellation of the request.
            socket_timeout=None,
            # A server that restarted has closed all connections, which the next call on each finds out: one more try,
            # at once. What took its time is not tried again.
            retry=Retry(NoBackoff(), 1, (exceptions.ConnectionError,)),
            # Neither greeting nor name: each would be a round trip for every connection.
            protocol=2,
            driver_info=None,
            **tls,
        )

    async def _call(self, *command: str | bytes | float, unguarded: bool = False) -> object:
        if not unguarded:
            self.breaker.check()
        try:
            async with asyncio.timeout(self._timeout_seconds):
                answer = await self._send(*command)
        except exceptions.NoScriptError:
            raise
        except exceptions.OutOfMemoryError:
            self.breaker.succeeded()
            self._note_room(there_is=False)
            raise RedisFullError("Redis is out of memory and refuses what is new (maxmemory-policy).") from None
        except FAILURES as err:
            # The original stays out, also of tracebacks: a server repeats arguments in its errors, such as a password.
            raise self._failure(err, unguarded=unguarded) from None
        self.breaker.succeeded()
        return answer

    def _failure(self, err: Exception, *, unguarded: bool) -> RedisUnavailableError:
        reason = explain(err, timeout_seconds=self._timeout_seconds)
        if not unguarded:
            self.breaker.failed(reason, at_once=is_hopeless(err))
        return RedisUnavailableError(reason)

    def _note_room(self, *, there_is: bool) -> None:
        if there_is and self._full:
            logger.info("redis has room again")
        elif not there_is and not self._full:
            logger.warning(
                "redis is out of memory and keeps nothing new; give it more, or a maxmemory-policy that evicts"
            )
        self._full = not there_is

    async def _probe(self) -> None:
        # Connections lead to where the name pointed when they were made: after a failover, to what was the primary.
        with suppress(*FAILURES):
            await self._calls.disconnect(inuse_connections=False)
        # A change, so that a server that can only be read does not count as back.
        await self.unlink([self._probe_key], unguarded=True)
        for catch_up in self._catch_up:
            await catch_up()


def _sender(pool: BlockingConnectionPool) -> Callable[..., Awaitable[object]]:
    """Commands as they are: the client's own methods have no more to offer, and types that say less."""
    send: Callable[..., Awaitable[object]] = Redis(connection_pool=pool).execute_command
    return send
