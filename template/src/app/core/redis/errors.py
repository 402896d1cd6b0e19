"""What can be wrong with Redis, without a word of what was sent to it."""

from app.core.exceptions import InfrastructureException


class RedisUnavailableError(InfrastructureException):
    """Redis did not do what it was asked; no part of the application above sees this."""

    code = "REDIS_UNAVAILABLE"


class RedisFullError(RedisUnavailableError):
    """Redis works, but has no memory left and its policy is to refuse what is new."""

    code = "REDIS_FULL"
