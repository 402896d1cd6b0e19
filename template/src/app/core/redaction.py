"""Taking secrets out of anything that is about to leave the process: log lines, error answers, reports.

Two nets, since either alone has holes: values under a telling key are replaced whole, and text of any kind is
searched for the shapes that credentials have (URLs with a password, bearer tokens, JSON Web Tokens, provider keys).
"""

import re
from collections.abc import Mapping
from typing import Final

REDACTED: Final = "[redacted]"

# Deeper structures are cut off rather than walked: a log line is no place for them, and a cycle must end.
_MAX_DEPTH: Final = 8

_SENSITIVE_KEY: Final = re.compile(
    r"pass(word|wd|phrase)|secret|token(?!_type|s_used)|api_?key|private_?key|authori[sz]ation|cookie|credential"
    r"|\bdsn\b|_dsn|signature|database_url|redis_url",
    re.IGNORECASE,
)

_SENSITIVE_TEXT: Final = re.compile(
    r"""
      (?P<url>[a-z][a-z0-9+.-]*://)[^\s/?\#@"']+@                          # credentials in a URL, DSNs included
    | (?P<scheme>\b(?:bearer|basic)\s+)[a-z0-9._~+/=-]{8,}                 # an Authorization header's value
    | \beyJ[a-z0-9_-]+\.[a-z0-9_-]+(?:\.[a-z0-9_-]*)?                      # a JSON Web Token
    | \b(?:sk|rk|pk|whsec|ghp|gho|xox[abp])[-_][a-z0-9_-]{8,}              # keys that carry their provider's prefix
    | (?P<assignment>(?:pass(?:word|wd|phrase)|secret(?:_?key)?|token|api_?key)["']?\s*[=:]\s*["']?)[^\s"'&,;)}\]]+
    """,
    re.IGNORECASE | re.VERBOSE,
)


def is_sensitive(key: str) -> bool:
    """Whether a value under this name is a secret by its name alone."""
    return _SENSITIVE_KEY.search(key) is not None


def redact_text(text: str) -> str:
    """The text with everything that has the shape of a credential replaced; what precedes it stays readable."""
    return _SENSITIVE_TEXT.sub(_replacement, text)


def redact(value: object, *, depth: int = 0) -> object:
    """A copy of a structure of dicts, lists and scalars that is safe to show; other objects become redacted text.

    Numbers, booleans and None are kept as they are unless their key is telling. Structures nested deeper than
    eight levels are replaced by "…".
    """
    if isinstance(value, str):
        return redact_text(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    if depth >= _MAX_DEPTH:
        return "…"
    if isinstance(value, Mapping):
        return {
            str(key): REDACTED if item is not None and is_sensitive(str(key)) else redact(item, depth=depth + 1)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [redact(item, depth=depth + 1) for item in value]
    return redact_text(str(value))


def _replacement(match: re.Match[str]) -> str:
    if match["url"]:
        return f"{match['url']}{REDACTED}@"
    return f"{match['scheme'] or match['assignment'] or ''}{REDACTED}"
