"""Cross-origin access: pages of allowed origins may send and read what the routes document."""

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, Final

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from app.api.middleware.context import REQUEST_ID_HEADER

# Headers of answers from any route.
_ALWAYS: Final = ("Allow", "Retry-After", "WWW-Authenticate", REQUEST_ID_HEADER)

Document = Mapping[str, Any]


class DocumentedCORSMiddleware(CORSMiddleware):
    """Starlette's, which takes the headers from the OpenAPI document, once, when the application starts.

    Args:
        app: The wrapped application.
        document: Returns the document.
        allow_origins: The origins of the pages.
        allow_credentials: Let those pages send cookies.
        allow_headers: Headers that any request may carry, besides the documented ones.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        document: Callable[[], Document],
        allow_origins: Collection[str],
        allow_credentials: bool,
        allow_headers: Collection[str],
    ) -> None:
        documented = document()
        super().__init__(
            app,
            allow_origins=allow_origins,
            allow_credentials=allow_credentials,
            allow_methods=["*"],
            allow_headers=sorted({REQUEST_ID_HEADER, *allow_headers, *_request_headers(documented)}),
            expose_headers=sorted({*_ALWAYS, *_response_headers(documented)}),
        )


def _operations(document: Document) -> Iterator[Document]:
    return (operation for path in document["paths"].values() for operation in path.values())


def _request_headers(document: Document) -> Iterator[str]:
    for operation in _operations(document):
        yield from (each["name"] for each in operation.get("parameters", ()) if each["in"] == "header")
    for scheme in document.get("components", {}).get("securitySchemes", {}).values():
        yield scheme["name"] if scheme["type"] == "apiKey" else "Authorization"


def _response_headers(document: Document) -> Iterator[str]:
    for operation in _operations(document):
        for response in operation["responses"].values():
            yield from response.get("headers", ())
