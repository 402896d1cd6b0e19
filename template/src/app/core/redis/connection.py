"""The connection to Redis: the one module that knows its client.

The client's own defaults are those of a program that can wait: 4 seconds for a refused connection, 20 for a server
that hangs. Here every call ends within one limit, whatever it waits for.
"""

import asyncio
import builtins
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import Any, Final, NamedTuple

from pydantic import SecretStr
from redis import exceptions
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from app.core.logging import get_logger
from app.core.redis.breaker import Breaker
from app.core.redis.errors import RedisFullError, RedisUnavailableError

logger = get_logger(__name__)

# Subscriptions, and the health check, do not take requests' connections.
_EXTRA_CONNECTIONS: Final = 2
# Answers that every write will get until somebody changes something, with what that is.
_REFUSALS: Final = {
    "READONLY": "Redis is a read-only replica: REDIS_URL must name the primary.",
    "NOPERM": "Redis denies its user a command or a key: allow what README.md lists.",
    "MISCONF": "Redis takes no changes, since it cannot save them: see its log.",
    "NOREPLICAS": "Redis takes no changes, since it has too few replicas.",
    "MASTERDOWN": "Redis is a replica that has lost its primary.",
    "CLUSTERDOWN": "Redis is a cluster that is down.",
}
# How long something took is all that is known of it: it may have been done, or be done yet.
_LATE: Final = (exceptions.TimeoutError, builtins.TimeoutError)
_FAILURES: Final = (exceptions.RedisError, OSError)


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
        self._redis: Redis = Redis(connection_pool=self._calls)
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
        found: bytes | None = await self._call("GET", key)
        return found

    async def set(self, key: str, value: bytes, *, ttl_ms: int) -> None:
        """Keep a value; RedisFullError where there is no room for it."""
        await self._call("SET", key, value, "PX", ttl_ms)
        self._note_room(True)

    async def unlink(self, keys: Sequence[str | bytes], *, unguarded: bool = False) -> None:
        """Forget keys; the server frees their memory in its own time."""
        await self._call("UNLINK", *keys, unguarded=unguarded)

    async def scan(self, cursor: int, pattern: str, *, unguarded: bool = False) -> tuple[int, list[bytes]]:
        """Some of the keys that match, and where to go on; 0: that was the last."""
        position, keys = await self._call("SCAN", cursor, "MATCH", pattern, "COUNT", 1000, unguarded=unguarded)
        return int(position), keys

    async def run(self, script: Script, key: str, *arguments: str | float) -> int:
        """What a script returns, in one round trip; in one more where the server does not know it yet."""
        try:
            result = await self._call("EVALSHA", script.sha, 1, key, *arguments)
        except exceptions.NoScriptError:
            result = await self._call("EVAL", script.text, 1, key, *arguments)
        return int(result)

    async def publish(self, channel: str, message: str) -> None:
        """Tell whoever listens at this moment."""
        await self._call("PUBLISH", channel, message)

    async def ping(self) -> None:
        """Ask, whatever the breaker says: for health checks."""
        try:
            async with asyncio.timeout(self._timeout_seconds):
                await Redis(connection_pool=self._others).execute_command("PING")
        except _FAILURES as err:
            raise RedisUnavailableError(self._explain(err)) from None

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
        except _FAILURES as err:
            raise RedisUnavailableError(self._explain(err)) from None
        finally:
            await pubsub.aclose()

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
            socket_timeout=self._timeout_seconds,
            # A server that restarted has closed all connections, which the next call on each finds out: one more try,
            # at once. What took its time is not tried again.
            retry=Retry(NoBackoff(), 1, (exceptions.ConnectionError,)),
            # Neither greeting nor name: each would be a round trip for every connection.
            protocol=2,
            driver_info=None,
            **tls,
        )

    async def _call(self, *command: str | bytes | float, unguarded: bool = False) -> Any:
        if not unguarded:
            self.breaker.check()
        try:
            async with asyncio.timeout(self._timeout_seconds):
                answer = await self._redis.execute_command(*command)
        except exceptions.NoScriptError:
            raise
        except exceptions.OutOfMemoryError:
            self.breaker.succeeded()
            self._note_room(False)
            raise RedisFullError("Redis is out of memory and refuses what is new (maxmemory-policy).") from None
        except _FAILURES as err:
            # The original stays out, also of tracebacks: a server repeats arguments in its errors, such as a password.
            raise self._failure(err, unguarded=unguarded) from None
        self.breaker.succeeded()
        return answer

    def _failure(self, err: Exception, *, unguarded: bool) -> RedisUnavailableError:
        reason = self._explain(err)
        if not unguarded:
            self.breaker.failed(reason, at_once=isinstance(err, _LATE) or reason in _REFUSALS.values())
        return RedisUnavailableError(reason)

    def _note_room(self, room: bool) -> None:
        if room and self._full:
            logger.info("redis has room again")
        elif not room and not self._full:
            logger.warning(
                "redis is out of memory and keeps nothing new; give it more, or a maxmemory-policy that evicts"
            )
        self._full = not room

    async def _probe(self) -> None:
        # Connections lead to where the name pointed when they were made: after a failover, to what was the primary.
        await self._calls.disconnect(inuse_connections=False)
        # A change, so that a server that can only be read does not count as back.
        await self.unlink([self._probe_key], unguarded=True)
        for catch_up in self._catch_up:
            await catch_up()

    def _explain(self, err: Exception) -> str:
        """The cause and the next step, from what kind of error it is: texts of the server may hold anything."""
        cause = err.__cause__ or err.__context__
        match err:
            case exceptions.AuthenticationError():
                return "Redis refuses the user name or the password: correct REDIS_URL."
            case exceptions.BusyLoadingError():
                return "Redis is still loading its data."
            case exceptions.TimeoutError() | builtins.TimeoutError():
                return f"Redis does not answer within {self._timeout_seconds} seconds (REDIS_TIMEOUT_SECONDS)."
            case exceptions.ReadOnlyError():
                return _REFUSALS["READONLY"]
            case exceptions.NoPermissionError():
                return _REFUSALS["NOPERM"]
            case exceptions.ResponseError():
                code = str(err).partition(" ")[0]
                return _REFUSALS.get(code, "Redis answers with an error; is it one, of version 6.2 or later?")
            case exceptions.InvalidResponse():
                return "What REDIS_URL names does not speak Redis's protocol."
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"Redis's certificate is not trusted: {cause.verify_message} (REDIS_CA_FILE)."
        if isinstance(cause, OSError) and cause.strerror:
            return f"Redis cannot be reached: {cause.strerror}."
        return "The connection to Redis is lost."
