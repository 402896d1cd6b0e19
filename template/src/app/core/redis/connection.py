"""The connection to Redis: the one module that knows its client.

The client's own defaults are those of a program that can wait: 4 seconds for a refused connection, 20 for a server
that hangs. Here every call ends within one limit, for all that it waits for.
"""

import asyncio
import builtins
import os
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Final

from pydantic import SecretStr
from redis import exceptions
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from app.core.redis.breaker import Breaker, RedisFullError, RedisUnavailableError

_FAILURES: Final = (exceptions.RedisError, OSError)
# Of these nothing is known but how long they took: what was asked may have been done, or be done yet.
_LATE: Final = (exceptions.TimeoutError, builtins.TimeoutError)
# Answers that every change will get until an operator acts.
_REFUSALS: Final = {
    "READONLY": "Redis is a read-only replica: REDIS_URL must name the primary.",
    "NOPERM": "Redis denies its user a command or a key: see README.md for what it needs.",
    "MISCONF": "Redis takes no changes, since it cannot save them: see its log.",
    "NOREPLICAS": "Redis takes no changes, since it has too few replicas.",
    "MASTERDOWN": "Redis is a replica that has lost its primary.",
    "CLUSTERDOWN": "Redis is a cluster that is down.",
}
# The client gives some of them classes, and takes the word off.
_WORDS: Final[Mapping[type[Exception], str]] = {
    exceptions.ReadOnlyError: "READONLY",
    exceptions.NoPermissionError: "NOPERM",
}


class RedisConnection:
    """One per process, for as long as its lifespan. Nothing is connected before the first call.

    Every call raises `RedisUnavailableError` and nothing else; a lost connection is replaced once, at once.

    Args:
        url: The address, with credentials.
        name: In front of every key the service uses; a server that restricts keys must allow these.
        timeout_seconds: The longest a call may take, with all that belongs to it.
        pool_size: The most calls under way; others wait, within the same time.
        retry_seconds: The longest pause before a server that has failed is asked again.
        ca_file: Authorities to trust instead of the system's.
    """

    def __init__(
        self,
        url: SecretStr,
        *,
        name: str,
        timeout_seconds: float,
        pool_size: int,
        retry_seconds: float,
        ca_file: str | None = None,
    ) -> None:
        self._url = url
        self._timeout_seconds = timeout_seconds
        self._ca_file = ca_file
        self._probe_key = f"{name}!probe"
        self._pool = self._make_pool(pool_size)
        # Commands as they are: the client's own methods have no more to offer, and types that say less.
        self._send: Callable[..., Awaitable[object]] = Redis(connection_pool=self._pool).execute_command
        self.breaker = Breaker(retry_seconds=retry_seconds, probe=self._probe)

    async def call(self, *command: str | bytes | float) -> object:
        """Return the server's answer to a command; RedisFullError where there is no room for what it keeps."""
        self.breaker.check()
        try:
            return await self._ask(*command)
        except RedisFullError:
            raise  # It works, and can be read.
        except RedisUnavailableError as err:
            self.breaker.open(err.message)
            raise

    async def ping(self) -> None:
        """Ask, also while the breaker is open: for health checks."""
        await self._ask("PING")

    async def close(self) -> None:
        """Stop asking, and let go of all connections."""
        await self.breaker.close()
        await self._pool.aclose()

    def _make_pool(self, size: int) -> BlockingConnectionPool:
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

    async def _ask(self, *command: str | bytes | float) -> object:
        try:
            async with asyncio.timeout(self._timeout_seconds):
                return await self._send(*command)
        except exceptions.OutOfMemoryError:
            raise RedisFullError("Redis is out of memory and refuses what is new (maxmemory-policy).") from None
        except _FAILURES as err:
            # The original stays out, also of tracebacks: a server repeats arguments in its errors, such as a password.
            raise RedisUnavailableError(_explain(err, self._timeout_seconds)) from None

    async def _probe(self) -> None:
        # Connections lead to where the name pointed when they were made: after a failover, to what was the primary.
        with suppress(*_FAILURES):
            await self._pool.disconnect(inuse_connections=False)
        # A change, so that a server that can only be read does not count as back.
        await self._ask("UNLINK", self._probe_key)


def _explain(err: Exception, timeout_seconds: float) -> str:
    """Return the cause and the next step in words that are safe to show.

    A server's own words are not: it repeats what it was sent, a password for one.
    """
    err = _original(err)
    if isinstance(err, exceptions.AuthenticationError):
        return "Redis refuses the user name or the password in REDIS_URL."
    if isinstance(err, exceptions.BusyLoadingError):
        return "Redis is still loading its data."
    if isinstance(err, _LATE):
        return f"Redis does not answer within {timeout_seconds} seconds (REDIS_TIMEOUT_SECONDS)."
    if isinstance(err, exceptions.ResponseError):
        return _REFUSALS.get(_word(err), "Redis answers with an error; is it one, of version 6.2 or later?")
    if isinstance(err, exceptions.InvalidResponse):
        return "What REDIS_URL names does not speak Redis's protocol."
    return _explain_connection(err.__cause__ or err.__context__)


def _original(err: Exception) -> Exception:
    """Return the error that the client puts another around while it connects."""
    while type(err) is exceptions.ConnectionError and isinstance(err.__cause__, exceptions.RedisError):
        err = err.__cause__
    return err


def _explain_connection(cause: BaseException | None) -> str:
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"Redis's certificate is not trusted: {cause.verify_message} (REDIS_CA_FILE)."
    if isinstance(cause, socket.gaierror):
        return "Redis cannot be reached: the host in REDIS_URL is not known."
    if isinstance(cause, OSError) and cause.errno:
        # The system's own words: asyncio's tell addresses.
        return f"Redis cannot be reached: {os.strerror(cause.errno)}."
    return "Redis cannot be reached, or has closed the connection."


def _word(err: Exception) -> str:
    return _WORDS.get(type(err)) or str(err).partition(" ")[0]
