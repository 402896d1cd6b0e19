"""The answers of other services: read whole, or in pieces as they come."""

import codecs
import zlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeVar

from pydantic import TypeAdapter, ValidationError

from app.core.exceptions import ExternalServiceError

T = TypeVar("T")

_GZIP_WINDOW: Final = 16 + zlib.MAX_WBITS
_PIECE_BYTES: Final = 65_536
# Enough to see what changed in an answer; all of them would fill the log.
_MAX_PROBLEMS: Final = 5


class AnswerRefused(Exception):
    """Raised inside this package for an answer that it does not take. The text is the sentence of the error."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """An answer's beginning; headers by lower-case names. No repr shows what could be secret."""

    service: str
    status: int
    headers: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class HttpResponse(Answer):
    """A complete answer, its body decompressed."""

    body: bytes = field(repr=False)

    def parse_json(self, shape: type[T] | TypeAdapter[T]) -> T:
        """Return the body as a value of a type.

        Args:
            shape: A type such as a model or `list[Invoice]`; a TypeAdapter for what is no class, such as a union.

        Raises:
            ExternalServiceError: The body is no JSON, or not of that shape. The details name places and rules, and none
                of the values, which belong to customers.
        """
        adapter = shape if isinstance(shape, TypeAdapter) else TypeAdapter(shape)
        try:
            return adapter.validate_json(self.body)
        except ValidationError as err:
            problems = err.errors(include_input=False, include_url=False, include_context=False)
        found = [f"{'.'.join(map(str, each['loc'])) or 'body'}: {each['type']}" for each in problems[:_MAX_PROBLEMS]]
        details = {"status": self.status, "problems": found}
        # Out here, where it has no context: pydantic's error holds the answer.
        raise ExternalServiceError(self.service, "Answered with other JSON than was expected.", details=details)


@dataclass(frozen=True, kw_only=True)
class HttpStream(Answer):
    """An answer whose body is read once, as it comes: by its decompressed pieces, its lines or its events."""

    pieces: AsyncIterator[bytes] = field(repr=False)

    async def lines(self) -> AsyncIterator[str]:
        """Yield the body's lines, as UTF-8 and without their ends."""
        decode, rest = codecs.getincrementaldecoder("utf-8")("replace").decode, ""
        async for piece in self.pieces:
            # Not splitlines(): that ends a line at characters which JSON may hold.
            *whole, rest = (rest + decode(piece)).split("\n")
            for line in whole:
                yield line.removesuffix("\r")
        if rest:
            yield rest

    async def events(self) -> AsyncIterator[tuple[str, str]]:
        """Yield server-sent events as their type and data (WHATWG HTML, 9.2.6); one that broke off is left out."""
        kind, data = "message", list[str]()
        async for line in self.lines():
            name, _, value = line.partition(":")
            if name == "data":
                data.append(value.removeprefix(" "))
            elif name == "event":
                kind = value.removeprefix(" ")
            elif not line:
                if data:
                    yield kind, "\n".join(data)
                kind, data = "message", []


async def unpack(pieces: AsyncIterator[bytes], *, encoding: str, max_bytes: int) -> AsyncIterator[bytes]:
    """Yield a body, decompressed, in pieces of at most 64 KiB if it is gzip.

    httpx's own decoders unpack whatever arrived at once, a thousandfold for each layer.
    """
    if encoding.lower() not in {"", "identity", "gzip"}:
        raise AnswerRefused("The answer is compressed in a way that was not asked for.")
    gzip = zlib.decompressobj(wbits=_GZIP_WINDOW) if encoding.lower() == "gzip" else None
    left, complete = max_bytes, True  # An answer to HEAD names an encoding and has no body.
    async for packed in pieces:
        rest = packed
        while rest:
            piece, rest = (gzip.decompress(rest, _PIECE_BYTES), gzip.unconsumed_tail) if gzip else (rest, b"")
            left -= len(piece)
            if left < 0:
                raise AnswerRefused(f"The answer is larger than {max_bytes} bytes.")
            if piece:
                yield piece
        complete = gzip is None or (gzip.eof and not gzip.unused_data)
    if not complete:
        raise AnswerRefused("The answer's compression is damaged.")
