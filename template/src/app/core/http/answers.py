"""The answers of other services: read whole, or in pieces as they come."""

import codecs
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from app.core.exceptions import ExternalServiceError

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class HttpResponse:
    """A complete answer, decompressed; headers by lower-case names. Its repr shows nothing that could be secret."""

    service: str
    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    def parse_json(self, shape: type[T]) -> T:
        """Return the body as a value of a type, such as a model or `list[Invoice]`.

        Raises:
            ExternalServiceError: The body is no JSON, or not of that shape. The details say where, and no value.
        """
        try:
            return TypeAdapter(shape).validate_json(self.body)
        except ValidationError as err:
            problems = [f"{'.'.join(map(str, each['loc']))}: {each['type']}" for each in err.errors()]
        # Out here, without a context: pydantic's error holds the answer.
        raise ExternalServiceError(self.service, "Answered with other JSON.", details={"problems": problems})


@dataclass(frozen=True, kw_only=True)
class HttpStream:
    """An answer whose body is read once, as it comes: by its decompressed pieces, its lines or its events."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
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
