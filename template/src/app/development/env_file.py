"""The development `.env`: written once, with secrets that nobody else has."""

import os
import secrets
from pathlib import Path

from app.core.config.loading import current_stage
from app.core.config.section import Environment
from app.core.exceptions import ConfigurationError

_CONTENT = """\
# Settings of this machine for development, made by the first `app` command. Not for git; .env.example has them all.
SECRET_KEY={secret_key}
"""


def ensure_env_file(folder: Path) -> bool:
    """Write a `.env` with fresh secrets if this is development and there is none yet.

    Args:
        folder: The project's folder.

    Returns:
        Whether it was written.

    Raises:
        ConfigurationError: It cannot be written.
    """
    path = folder / ".env"
    if current_stage() != Environment.DEVELOPMENT or path.exists():
        return False
    try:
        # Exclusive, so that two first commands cannot overwrite each other's; readable by its owner only.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return False
    except OSError as error:
        raise ConfigurationError(
            f".env cannot be written to {folder} ({error.strerror}).",
            next_step="Make the folder writable, or set SECRET_KEY in the environment.",
        ) from error
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(_CONTENT.format(secret_key=secrets.token_urlsafe(48)))
    return True
