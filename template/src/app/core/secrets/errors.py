"""What can be wrong with a stored secret. A caller learns nothing of it but a support id (500); the log, which row."""

from app.core.exceptions import InfrastructureException


class SecretsError(InfrastructureException):
    """A stored secret cannot be read. `details` names its path and key id, never a value or a key."""

    code = "SECRET_UNREADABLE"


class UnknownKeyError(SecretsError):
    """It was encrypted with a key that the ring does not hold: taken out too early, or lost."""

    code = "SECRET_KEY_UNKNOWN"


class TamperedSecretError(SecretsError):
    """It does not authenticate: altered, moved from another path, or encrypted with another key of the same id."""

    code = "SECRET_TAMPERED"


class MalformedEnvelopeError(SecretsError):
    """It is no envelope of ours: cut off, of an unknown version, or made by something else."""

    code = "SECRET_MALFORMED"
