"""Serving the site, on this machine alone: its page asks no other host for anything."""

from __future__ import annotations

import mimetypes
import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

from ashlar.errors import RefusedError
from ashlar.explore.site import Site

HOST = "127.0.0.1"
_HEADERS = {
    # The page says the same of itself; a frame is what only a header can forbid.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Server(ThreadingHTTPServer):
    """A server of one site."""

    daemon_threads = True

    def __init__(self, site: Site, port: int) -> None:
        """Listen on a port, or on a free one where it is 0.

        Raises:
            RefusedError: The port is taken.
        """
        self.site = site
        try:
            super().__init__((HOST, port), _Handler)
        except OSError as error:
            raise RefusedError(
                f"Port {port} cannot be used: {error.strerror}.",
                next_step="Choose another --port, or leave it out for a free one.",
            ) from error

    def handle_error(self, request: object, client_address: object) -> None:
        """Print what failed, unless it is a page that was closed while it loaded."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]

    @property
    def url(self) -> str:
        """The address of the page."""
        return f"http://{HOST}:{self.server_port}/"


class _Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer with a file of the site."""
        # A name that leads here from elsewhere is a page that wants to read this one.
        allowed = {f"{name}:{self.server.server_port}" for name in (HOST, "localhost")}
        if self.headers.get("Host") not in allowed:
            self._answer(HTTPStatus.FORBIDDEN, b"This page is for this machine.\n", "text/plain")
            return
        path = unquote(urlsplit(self.path).path).lstrip("/") or "index.html"
        content = self.server.site.file(path)
        if content is None:
            self._answer(HTTPStatus.NOT_FOUND, b"There is no such file.\n", "text/plain")
            return
        kind = mimetypes.guess_type(path)[0] or "text/plain"
        self._answer(HTTPStatus.OK, content, kind)

    def _answer(self, status: HTTPStatus, content: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing: a terminal full of requests helps no one."""
