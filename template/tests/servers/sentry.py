"""Sentry's side of the wire: takes envelopes on a real socket, reads them, and misbehaves as told."""

import gzip
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr

from app.core.config.sentry import SentrySettings
from tests.servers.http import Answer, FaultyServer, Received, faulty_server, reply

KEY = "0123456789abcdef0123456789abcdef"
PROJECT = "42"


def dsn_of(url: str) -> SecretStr:
    """The DSN of a project at this address."""
    scheme, _, authority = url.partition("://")
    return SecretStr(f"{scheme}://{KEY}@{authority}/{PROJECT}")


def sentry_settings(url: str, **others: Any) -> SentrySettings:
    """Settings that report to this address."""
    return SentrySettings(**{"enabled": True, "dsn": dsn_of(url), "flush_seconds": 10, **others})


@dataclass(frozen=True)
class SentryServer:
    """The envelopes received, read as Sentry reads it (develop.sentry.dev, "Envelopes")."""

    http: FaultyServer

    @property
    def url(self) -> str:
        return self.http.url

    @property
    def text(self) -> str:
        """All bytes received, to look for secrets in them."""
        return "\n".join(
            f"{each.method} {each.target} {each.headers} {_body(each).decode()}" for each in self.http.requests
        )

    @property
    def events(self) -> list[dict[str, Any]]:
        return self._payloads("event")

    @property
    def event(self) -> dict[str, Any]:
        """The only one."""
        (event,) = self.events
        return event

    @property
    def transactions(self) -> list[dict[str, Any]]:
        return self._payloads("transaction")

    def _payloads(self, kind: str) -> list[dict[str, Any]]:
        return [
            payload for each in self.http.requests for found, payload in _read_envelope(_body(each)) if found == kind
        ]


@asynccontextmanager
async def sentry_server(*answers: Answer) -> AsyncIterator[SentryServer]:
    """A server for as long as the context lasts; it takes everything unless told otherwise."""
    async with faulty_server(*(answers or (reply(200, b'{"id": "0"}'),))) as http:
        yield SentryServer(http)


def _body(received: Received) -> bytes:
    assert received.target == f"/api/{PROJECT}/envelope/"
    assert f"sentry_key={KEY}" in received.headers["x-sentry-auth"]
    assert received.headers["content-type"] == "application/x-sentry-envelope"
    # The SDK takes brotli where that is installed, which it is not here.
    assert received.headers["content-encoding"] == "gzip"
    return gzip.decompress(received.body)


def _read_envelope(envelope: bytes) -> list[tuple[str, dict[str, Any]]]:
    head, _, rest = envelope.partition(b"\n")
    assert "sent_at" in json.loads(head) or json.loads(head) == {}
    read = []
    while rest:
        header, _, rest = rest.partition(b"\n")
        about = json.loads(header)
        payload, rest = rest[: about["length"]], rest[about["length"] :].removeprefix(b"\n")
        read.append((about["type"], json.loads(payload)))
    return read
