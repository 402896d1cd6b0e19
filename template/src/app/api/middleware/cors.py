"""Cross-origin access: pages of allowed origins may send and read what the routes document."""

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, Final

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

# Headers of errors, with which any route may answer.
_OF_ERRORS: Final = ("Allow", "Retry-After", "WWW-Authenticate")

Document = Mapping[str, Any]


class DocumentedCORSMiddleware(CORSMiddleware):
    """Derives methods and headers from the OpenAPI document, once, when the application starts.

    Args:
        app: The wrapped application.
        document: Returns the document.
        origins: The origins of the pages.
        credentials: Let those pages send cookies.
        request_headers: Headers that any request may carry, besides the documented ones.
        response_headers: Headers that any answer may carry, besides the documented ones.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        document: Callable[[], Document],
        origins: Collection[str],
        credentials: bool,
        request_headers: Collection[str],
        response_headers: Collection[str],
    ) -> None:
        documented = document()
        super().__init__(
            app,
            allow_origins=origins,
            allow_credentials=credentials,
            allow_methods=sorted(_methods(documented)),
            allow_headers=sorted({*request_headers, *_request_headers(documented)}),
            expose_headers=sorted({*response_headers, *_OF_ERRORS, *_response_headers(documented)}),
        )


def _operations(document: Document) -> Iterator[tuple[str, Document]]:
    for path in document["paths"].values():
        yield from path.items()


def _methods(document: Document) -> Iterator[str]:
    for method, _ in _operations(document):
        yield method.upper()
        if method == "get":
            yield "HEAD"


def _request_headers(document: Document) -> Iterator[str]:
    for _, operation in _operations(document):
        for parameter in operation.get("parameters", ()):
            if parameter["in"] == "header":
                yield parameter["name"]
    for scheme in document.get("components", {}).get("securitySchemes", {}).values():
        if scheme["type"] != "apiKey":
            yield "Authorization"
        elif scheme["in"] == "header":
            yield scheme["name"]


def _response_headers(document: Document) -> Iterator[str]:
    for _, operation in _operations(document):
        for response in operation["responses"].values():
            yield from response.get("headers", ())
