"""What the client's errors mean, in sentences that are safe to show.

A server's own words are not: it repeats what it was sent, a password for one.
"""

import builtins
import os
import socket
import ssl
from collections.abc import Mapping
from typing import Final

from redis import exceptions

FAILURES: Final = (exceptions.RedisError, OSError)
# Of these nothing is known but how long they took: what was asked may have been done, or be done yet.
_LATE: Final = (exceptions.TimeoutError, builtins.TimeoutError)
# Answers that every change will get until somebody does something about it.
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


def is_hopeless(err: Exception) -> bool:
    """Whether others need not try: each would wait as long, or be refused as well."""
    err = _original(err)
    return isinstance(err, _LATE) or _word(err) in _REFUSALS


def explain(err: Exception, *, timeout_seconds: float) -> str:
    """The cause and, where there is one, the next step.

    Args:
        err: One of `FAILURES`.
        timeout_seconds: How long was waited for an answer.
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
    """What went wrong while connecting, where the client puts an error around it."""
    while type(err) is exceptions.ConnectionError and isinstance(err.__cause__, exceptions.RedisError):
        err = err.__cause__
    return err


def _explain_connection(cause: BaseException | None) -> str:
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"Redis's certificate is not trusted: {cause.verify_message} (REDIS_CA_FILE)."
    if isinstance(cause, socket.gaierror):
        return "Redis cannot be reached: nobody knows the host in REDIS_URL."
    if isinstance(cause, OSError) and cause.errno:
        # The system's own words: asyncio's tell addresses.
        return f"Redis cannot be reached: {os.strerror(cause.errno)}."
    return "Redis cannot be reached, or has closed the connection."


def _word(err: Exception) -> str:
    return _WORDS.get(type(err)) or str(err).partition(" ")[0]
