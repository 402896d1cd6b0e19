"""The stages an installation goes through."""

from enum import StrEnum


class Environment(StrEnum):
    """The stage this process runs in, from `ENVIRONMENT`."""

    DEVELOPMENT = "development"
    STAGING = "staging"
    PRODUCTION = "production"
