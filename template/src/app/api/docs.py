"""`/docs`: the API's documentation as a page, on which a person logs in and tries requests out."""

from pathlib import Path
from typing import Final

from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, Response
from fastapi.staticfiles import StaticFiles

_FOLDER: Final = Path(__file__).parents[1] / "templates" / "docs"
# Swagger UI and this page alone; its own styles are in attributes.
_POLICY: Final = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'"


def install_docs(app: FastAPI) -> None:
    """Add the page and what it loads: nothing comes from another machine, and no address depends on a prefix."""

    async def read_page(_: Request) -> Response:
        return FileResponse(_FOLDER / "page.html", headers={"Content-Security-Policy": _POLICY})

    app.add_route("/docs", read_page, include_in_schema=False)
    # The package follows Swagger UI's releases. Its folder of files is all of it that is used; nothing is imported.
    app.mount("/docs/assets", StaticFiles(directory=_FOLDER / "assets", packages=[("fastapi_offline", "static")]))
