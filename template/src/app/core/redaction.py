"""Taking secrets out of anything that is about to leave the process: log lines, error answers, reports.

Values under a telling key are replaced whole, and text of any kind is searched for the shapes that credentials have.
"""

import math
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

REDACTED: Final = "[redacted]"

# Deeper structures are cut off rather than walked: a log line is no place for them, and a cycle must end.
_MAX_DEPTH: Final = 8

_SENSITIVE_KEY: Final = re.compile(
    r"pass(?:word|wd|phrase)|pwd|secret(?!ar)|token|(?:api|private|access|signing|encryption)[_-]?key"
    r"|authori[sz]ation|cookie|credential|dsn(?![a-z])|signature|database_url",
    re.IGNORECASE,
)
# Names that say "token" and mean a number or a kind.
_NO_SECRET: Final = re.compile(
    r"(?:max|min|total|prompt|completion|input|output|cached|reasoning)[_-]?tokens"
    r"|tokens?[_-]?(?:type|used|count|limit|expire)",
    re.IGNORECASE,
)

# Every repetition ends at a character that cannot begin it again, or is bounded: no text makes the search slow.
_SENSITIVE_TEXT: Final = re.compile(
    r"""
      # Credentials in a URL, DSNs included, but not the words that stand for them where one is explained. The second
      # form is a password with an unescaped / or ?; a number before the slash is a port.
      (?P<url>://)(?!(?-i:USER:PASSWORD|KEY)@)(?:[^\s/?\#"']{1,300}|[^\s:/?\#@"']{0,100}:(?!\d+[/?\#])[^\s"']{1,300})(?=@)
      # What is assigned to a telling name, in settings, headers, JSON, queries and the text forms of objects.
    | (?P<assignment>(?:pass(?:word|wd|phrase)|pwd|secret(?:[_-]?key)?|token|authorization
        |(?:api|private|access|signing|encryption)[_-]?key)\\?["']?\s*[=:]\s*(?:\\?["'])?+)(?!\[redacted\])
        (?:(?<=")(?:[^"\\\n]|\\.){1,2000}(?=")|(?<=')(?:[^'\\\n]|\\.){1,2000}(?=')
        |(?:(?:bearer|basic|token|digest)\s+)?[^\s"'&,;)}\]]+)
      # An Authorization header's value. One base64 letter in the usual mixture tells it from "basic authentication".
    | (?P<scheme>\bbearer\s+)[a-z0-9._~+/=-]{8,}
    | (?P<basic>\bbasic\s+)(?=(?-i:[a-z]*[A-Z0-9+/=]))[a-z0-9+/=_-]{8,}
      # JSON Web Tokens, and keys that carry their provider's prefix.
    | (?<![\w-])eyJ[\w-]{4,}\.[\w-]+(?:\.[\w-]*)*
    | \b(?:[rs]k_(?:live|test)_|whsec_|gh[opsur]_|github_pat_|glpat-|xox[abeoprs]-)[\w-]{8,}
    | \bsk-[\w-]{20,}
    | (?-i:\bAKIA[0-9A-Z]{16})
    """,
    re.IGNORECASE | re.VERBOSE,
)


@lru_cache(maxsize=1024)
def is_sensitive(key: str) -> bool:
    """Return True for a name that says by itself that its value is a secret."""
    return _SENSITIVE_KEY.search(_NO_SECRET.sub("", key)) is not None


# One of these is in every text that the search above could find something in. Looking for them first is ten times as
# fast, and every value of every line of the log comes through here.
_TRACES: Final = (
    *("=", ":", "bearer", "basic", "eyj", "k_live_", "k_test_", "whsec_", "gho_", "ghp_", "ghs_", "ghu_", "ghr_"),
    *("github_pat_", "glpat-", "xox", "sk-", "akia"),
)


def redact_text(text: str) -> str:
    """Return a text with everything that has the shape of a credential replaced; what precedes it stays readable.

    Halves of characters, which JSON can spell and UTF-8 cannot, become escapes: the text can be written anywhere.
    """
    if not text.isascii():
        text = text.encode(errors="backslashreplace").decode()
    lower = text.lower()
    for trace in _TRACES:
        if trace in lower:
            return _SENSITIVE_TEXT.sub(lambda it: f"{it[it.lastgroup] if it.lastgroup else ''}{REDACTED}", text)
    return text


def redact(value: object, *, depth: int = 0) -> object:
    """Return a copy of a structure of dicts, lists and scalars that is safe to show; other objects become text.

    Numbers, booleans and None are kept as they are unless their key is telling; infinities and NaN, which JSON does
    not have, become text. Structures nested deeper than eight levels are replaced by "…".
    """
    if isinstance(value, str):
        return redact_text(value)
    if value is None or isinstance(value, (int, float)):
        return str(value) if isinstance(value, float) and not math.isfinite(value) else value
    if depth >= _MAX_DEPTH:
        return "…"
    if isinstance(value, Mapping):
        return {
            key: REDACTED if item is not None and is_sensitive(key) else redact(item, depth=depth + 1)
            for key, item in ((redact_text(_text(key)), item) for key, item in value.items())
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [redact(item, depth=depth + 1) for item in value]
    return redact_text(_text(value))


def _text(value: object) -> str:
    try:
        return str(value)
    except Exception:  # noqa: BLE001 — whatever is wrong with it, a log line must not fail for it
        return f"<{type(value).__name__}>"
