"""The development `.env`: written once, with secrets of its own."""

import os
import secrets
from pathlib import Path

from app.core.config.secrets import new_key

_CONTENT = """\
# Settings of this machine for development, made by the first `app` command. Not for git; .env.example has them all.
SECRETS_KEYS={secrets_keys}
SECRET_KEY={secret_key}
"""


def ensure_env_file(folder: Path) -> bool:
    """Write a `.env` with fresh secrets if there is none yet, and return True; OSError where it cannot be written."""
    try:
        # Exclusive, so that two first commands cannot overwrite each other's; readable by its owner only.
        with open(os.open(folder / ".env", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:  # noqa: PTH123
            file.write(_CONTENT.format(secret_key=secrets.token_urlsafe(48), secrets_keys=new_key().get_secret_value()))
    except FileExistsError:
        return False
    return True
