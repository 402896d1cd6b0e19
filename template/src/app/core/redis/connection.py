"""The connection to Redis: the one module that knows its client, and when to leave the server alone.

The client's own defaults are those of a program that can wait: 4 seconds for a refused connection, 20 for a server
that hangs. Here every call ends within one limit, for all that it waits for.
"""

import asyncio
import builtins
import os
import socket
import ssl
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from pydantic import SecretStr
from redis import exceptions
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from app.core.exceptions import InfrastructureException
from app.core.logging import get_logger
from app.core.monitoring import monitor

_FAILURES: Final = (exceptions.RedisError, OSError)

logger = get_logger(__name__)


class RedisUnavailableError(InfrastructureException):
    """Raised when Redis did not do what it was asked. No part of the application above sees this."""

    code = "REDIS_UNAVAILABLE"


class RedisConnection:
    """One per process, for as long as its lifespan. Nothing is connected before the first call.

    Every call raises `RedisUnavailableError` and nothing else; a lost connection is replaced once, at once. After a
    failure, calls fail at once for a while; then one is let through, and finds out for all others.

    Args:
        url: The address, with credentials.
        name: In front of every key the service uses; a server that restricts keys must allow these.
        timeout_seconds: The longest a call may take, with all that belongs to it.
        pool_size: The most calls under way; others wait, within the same time.
        retry_seconds: The pause before a server that has failed is asked again.
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
        self.is_away = False
        self._reason = ""
        self._next_try = 0.0
        self._timeout_seconds = timeout_seconds
        self._retry_seconds = retry_seconds
        self._probe_key = f"{name}!probe"
        address = url.get_secret_value()
        tls = {"ssl_ca_certs": ca_file} if ca_file and address.startswith("rediss:") else {}
        self._pool = BlockingConnectionPool.from_url(
            address,
            max_connections=pool_size,
            # Waiting for a free one is part of a call, whose limit ends it.
            timeout=None,
            socket_connect_timeout=timeout_seconds,
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
        # Commands as they are: the client's own methods have no more to offer, and types that say less.
        self._send: Callable[..., Awaitable[object]] = Redis(connection_pool=self._pool).execute_command

    async def call(self, *command: str | bytes | float) -> object:
        """Return the server's answer to a command."""
        if self.is_away and time.monotonic() < self._next_try:
            raise RedisUnavailableError(self._reason)
        try:
            if self.is_away:
                await self._find_again()
            return await self._ask(*command)
        except RedisUnavailableError as err:
            if not self.is_away:
                reason = {"reason": err.message}
                monitor.capture_message("redis is away; going on without it", "warning", context=reason)
            self.is_away, self._reason = True, err.message
            self._next_try = time.monotonic() + self._retry_seconds
            raise

    async def ping(self) -> None:
        """Ask, also while calls fail at once: for health checks."""
        await self._ask("PING")

    async def close(self) -> None:
        """Let go of all connections."""
        await self._pool.aclose()

    async def _find_again(self) -> None:
        self._next_try = time.monotonic() + self._retry_seconds
        # Connections lead to where the name pointed when they were made: after a failover, to what was the primary.
        with suppress(*_FAILURES):
            await self._pool.disconnect(inuse_connections=False)
        # A change, so that a server that can only be read, or is full, does not count as back.
        await self._ask("SET", self._probe_key, 1, "PX", 1)
        self.is_away = False
        logger.info("redis is back")

    async def _ask(self, *command: str | bytes | float) -> object:
        try:
            async with asyncio.timeout(self._timeout_seconds):
                return await self._send(*command)
        except _FAILURES as err:
            # The original stays out, also of tracebacks: a server repeats arguments in its errors, such as a password.
            raise RedisUnavailableError(self._explain(err)) from None

    def _explain(self, err: Exception) -> str:
        """Return the cause in words that are safe to show: a server's own repeat what it was sent."""
        # While it connects, the client puts another error around the one that counts.
        while type(err) is exceptions.ConnectionError and isinstance(err.__cause__, exceptions.RedisError):
            err = err.__cause__
        cause = err.__cause__ or err.__context__
        if isinstance(err, exceptions.AuthenticationError):
            return "Redis refuses the user name or the password in REDIS_URL."
        if isinstance(err, exceptions.TimeoutError | builtins.TimeoutError):
            return f"Redis does not answer within {self._timeout_seconds} seconds (REDIS_TIMEOUT_SECONDS)."
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"Redis's certificate is not trusted: {cause.verify_message} (REDIS_CA_FILE)."
        if isinstance(cause, socket.gaierror):
            return "Redis cannot be reached: the host in REDIS_URL is not known."
        if isinstance(cause, OSError) and cause.errno:
            # The system's own words: asyncio's tell addresses.
            return f"Redis cannot be reached: {os.strerror(cause.errno)}."
        # The server's first word is a code, such as MISCONF, unless the client has made a class of it.
        word = str(err).partition(" ")[0]
        code = word if word.isupper() else type(err).__name__
        return f"Redis fails with {code}: see its log; REDIS_URL must name a primary of version 6.2 or later."
