"""Highlighting: which part of a text is a keyword, a string, a comment …, as short as can be.

The page has the text, so all it wants are lengths: `K3P1F6` is a keyword of three characters, one
plain one and a name of six, counted as JavaScript counts.
"""

from __future__ import annotations

from pathlib import PurePosixPath

from pygments.lexer import Lexer
from pygments.lexers import get_lexer_for_filename
from pygments.lexers.special import TextLexer
from pygments.token import (
    Comment,
    Generic,
    Keyword,
    Literal,
    Name,
    Number,
    Operator,
    String,
    Token,
    _TokenType,
)
from pygments.util import ClassNotFound

# The first that holds a token's type counts.
_LETTERS = (
    (String.Doc, "D"),
    (Comment, "C"),
    (Keyword, "K"),
    (Operator.Word, "K"),
    (Number, "N"),
    (String, "S"),
    (Literal, "S"),
    (Name.Function, "F"),
    (Name.Class, "F"),
    (Name.Tag, "F"),
    (Name.Attribute, "F"),
    (Name.Decorator, "T"),
    (Name.Builtin, "B"),
    (Name.Exception, "B"),
    (Generic.Heading, "F"),
    (Generic.Subheading, "F"),
    (Generic.Strong, "T"),
    (Token, "P"),
)
# What pygments does not know by its name.
_LIKE = {".env.example": "x.sh", "Dockerfile": "Dockerfile", ".mako": "x.mako", ".example": "x.sh"}


def colours_of(path: str, text: str) -> str:
    """Return the letters and lengths of a text's parts, in their order."""
    parts: list[tuple[str, int]] = []
    for kind, part in _lexer(path).get_tokens(text):
        letter = _letter(kind)
        if not part.strip():
            letter = parts[-1][0] if parts else "P"
        length = len(part.encode("utf-16-le", "surrogatepass")) // 2
        if parts and parts[-1][0] == letter:
            length += parts.pop()[1]
        parts.append((letter, length))
    return "".join(f"{letter}{length}" for letter, length in parts)


def _letter(kind: _TokenType) -> str:
    return next(letter for known, letter in _LETTERS if known in kind.split())


def _lexer(path: str) -> Lexer:
    name = PurePosixPath(path).name
    like = _LIKE.get(name) or _LIKE.get(PurePosixPath(path).suffix) or name
    try:
        return get_lexer_for_filename(like, stripnl=False, ensurenl=False)
    except ClassNotFound:
        return TextLexer(stripnl=False, ensurenl=False)
