"""Keys: the rule for one, and making one of values that may look like anything."""

import inspect
import re
from collections.abc import Callable
from datetime import date
from enum import Enum
from hashlib import blake2b
from string import Formatter
from typing import Final
from urllib.parse import quote
from uuid import UUID

from app.core.exceptions import CacheException

# The types of a key's parts.
KeyPart = str | int | bool | float | UUID | date | Enum | None

MAX_KEY_LENGTH: Final = 512
# Characters of an over-long key that stay readable in front of its hash.
_READABLE: Final = 96
# Control characters, line separators, halves of surrogate pairs.
_FORBIDDEN: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_SEPARATOR: Final = ":"


def check_key(key: str) -> str:
    """Return the key if it may be one: 1 to 512 characters, none of them a control character.

    Raises:
        CacheException: It may not be one. The message does not hold it: it may be confidential.
    """
    if not isinstance(key, str):
        raise CacheException(f"A cache key must be a string, not {type(key).__name__}: make one with make_key().")
    if not 0 < len(key) <= MAX_KEY_LENGTH:
        raise CacheException(
            f"A cache key has 1 to {MAX_KEY_LENGTH} characters, not {len(key)}: make_key() shortens with a hash."
        )
    if _FORBIDDEN.search(key):
        raise CacheException("A cache key has no control characters: make_key() makes a valid key of any text.")
    return key


def make_key(*parts: KeyPart) -> str:
    """Return a key of any values, a caller's input included; different values make different keys.

    Text is percent-encoded, everything else is marked by `!`, so that neither a separator inside of a part nor the
    text "None" can make two keys the same. A key that would be too long ends in a hash instead.

    Raises:
        CacheException: A part is of a type that does not identify anything, such as a session.
    """
    return _bounded(_SEPARATOR.join(_quote(part) for part in parts))


def parse_template(template: str, function: Callable[..., object]) -> Callable[..., str]:
    """Return a function that makes a key of a call's arguments, by a template such as `"profile:{user_id}"`.

    Raises:
        ValueError: A field is not the name of a parameter, or two fields have no ":" between them.
    """
    signature = inspect.signature(function)
    literals: list[str] = []
    names: list[str] = []
    for literal, name, spec, conversion in Formatter().parse(template):
        literals.append(literal)
        if name is None:
            continue
        if name not in signature.parameters or spec or conversion:
            raise ValueError(f"a field of a key template is the name of a parameter and nothing else, not {name!r}")
        # Only a separator that is quoted inside of values keeps ("a", "b-c") and ("a-b", "c") apart.
        if names and _SEPARATOR not in literal:
            raise ValueError("two fields of a key template need a ':' between them")
        names.append(name)

    def make(*args: object, **kwargs: object) -> str:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        quoted = [_quote(bound.arguments[name]) for name in names]
        return _bounded("".join(text + part for text, part in zip(literals, [*quoted, ""], strict=False)))

    return make


def _quote(part: object) -> str:
    if isinstance(part, Enum):
        part = part.value
    if isinstance(part, str):
        return quote(part, safe="", errors="surrogatepass")
    if part is None or isinstance(part, bool | int | float | UUID | date):
        return f"!{part}"
    raise CacheException(
        f"A {type(part).__name__} cannot be part of a cache key: use an identifier of it, or a key function."
    )


def _bounded(key: str) -> str:
    if len(key) <= MAX_KEY_LENGTH:
        return key
    return f"{key[:_READABLE]}#{blake2b(key.encode(), digest_size=32).hexdigest()}"
