"""Reading an answer's body without trusting its size: what it announces, what it sends, and what that unpacks to."""

import zlib
from collections.abc import AsyncIterator
from typing import Final

# The only compression that is asked for. One layer of it, unpacked step by step: httpx's own decoders unpack whatever
# arrived at once, a thousandfold per layer.
ACCEPT_ENCODING: Final = "gzip"
_GZIP_WINDOW: Final = 16 + zlib.MAX_WBITS


class BodyRefused(Exception):
    """The body is not one this client takes. The text is a sentence for the error that is made of it."""


async def read_body(chunks: AsyncIterator[bytes], *, encoding: str, max_bytes: int) -> bytes:
    """The whole body, decompressed.

    Args:
        chunks: As they came over the wire.
        encoding: The Content-Encoding; empty if there is none.
        max_bytes: How many may come out. Memory stays near that, whatever the chunks would unpack to.

    Raises:
        BodyRefused: It is larger, compressed in another way, damaged or cut off.
    """
    encoding = encoding.strip().lower()
    if encoding in {"", "identity"}:
        unpack = None
    elif encoding == ACCEPT_ENCODING:
        unpack = zlib.decompressobj(wbits=_GZIP_WINDOW)
    else:
        raise BodyRefused("The answer is compressed in a way that was not asked for.")

    body = bytearray()
    received = False
    async for chunk in chunks:
        received = received or bool(chunk)
        if unpack is None:
            body += chunk
        else:
            try:
                # One byte over the limit is enough to know; a limit of 0 would mean none.
                body += unpack.decompress(chunk, max_bytes + 1 - len(body))
            except zlib.error as err:
                raise BodyRefused("The answer's compression is damaged.") from err
        if len(body) > max_bytes:
            raise BodyRefused(f"The answer is larger than {max_bytes} bytes.")
    # An answer to HEAD names an encoding and has no body.
    if unpack is not None and received and (not unpack.eof or unpack.unused_data):
        raise BodyRefused("The answer's compression is damaged.")
    return bytes(body)
