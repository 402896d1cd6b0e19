"""Requests as a server hands them over: what no well-behaved client sends can be sent this way."""

from httpx import AsyncClient
from starlette.types import ASGIApp, Message


async def call(
    client: AsyncClient, path: str, *, headers: list[tuple[bytes, bytes]], body: list[Message]
) -> list[Message]:
    """Hand a request over.

    Returns:
        The messages of the answer.
    """
    sent: list[Message] = []
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST" if body else "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "server": ("test", 80),
    }
    messages = iter([*body, {"type": "http.disconnect"}])

    async def receive() -> Message:
        return next(messages)

    async def send(message: Message) -> None:
        sent.append(message)

    await application(client)(scope, receive, send)
    return sent


def application(client: AsyncClient) -> ASGIApp:
    """Return the application of the client, all middleware included."""
    return client._transport.app  # type: ignore[attr-defined,no-any-return]


def header(messages: list[Message], name: bytes) -> list[bytes]:
    """The values of a header of the answer."""
    return [value for each, value in messages[0]["headers"] if each == name]
