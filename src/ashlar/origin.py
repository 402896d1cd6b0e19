"""The template that this command came from: a checkout, or what it was installed from."""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ashlar.errors import RefusedError
from ashlar.questions import FILE_NAME

_DISTRIBUTION = "ashlar-template"
# Copier knows these without a mark.
_KNOWN = ("https://github.com/", "https://gitlab.com/")


def find_origin() -> str:
    """Return where the template is, as `copier copy` would be told and the answers file will say.

    Raises:
        RefusedError: This command was installed in a way that does not say it.
    """
    checkout = Path(__file__).resolve().parents[2]
    if (checkout / FILE_NAME).is_file() and (checkout / "template").is_dir():
        return str(checkout)
    try:
        told = metadata.distribution(_DISTRIBUTION).read_text("direct_url.json")
    except metadata.PackageNotFoundError:
        told = None
    if told is None:
        raise RefusedError(
            "This command does not know where its template is.",
            next_step="Add --template with a URL or an absolute path.",
        )
    return source_of(json.loads(told))


def source_of(told: dict[str, object]) -> str:
    """Return the template's place from an installer's note about a package (PEP 610)."""
    url = str(told["url"])
    if url.startswith("file://"):
        return unquote(urlsplit(url).path)
    return url if url.endswith(".git") or url.startswith(_KNOWN) else f"git+{url}"
