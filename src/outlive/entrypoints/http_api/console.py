"""The web console: a page, a script and a style sheet from the package, which ask nobody but this server."""

from __future__ import annotations

from hashlib import sha256
from importlib.resources import files
from importlib.resources.abc import Traversable

from fastapi import FastAPI, Request
from starlette.responses import Response

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "font-src 'none'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""What the page may load: its own files, and images that it has fetched itself (`blob:`)."""
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
PAGE = "index.html"


def add_to(served: FastAPI) -> None:
    """Answer `/` and `/console/FILE`. They are no part of the API's description, and open: they hold no secret."""
    for path, file in _built():
        served.add_route(path, _answering(file), methods=["GET"], include_in_schema=False)


def _built() -> list[tuple[str, Traversable]]:
    folder = files("outlive.entrypoints.http_api") / "console_files"
    kept = [file for file in folder.iterdir() if _suffix(file) in TYPES]
    return [("/" if file.name == PAGE else f"/console/{file.name}", file) for file in kept]


def _suffix(file: Traversable) -> str:
    return "." + file.name.rpartition(".")[2]


def _answering(file: Traversable):  # type: ignore[no-untyped-def]  # noqa: ANN202 - what the framework takes
    content = file.read_bytes()
    headers = {
        "content-security-policy": POLICY,
        "cross-origin-opener-policy": "same-origin",
        "etag": f'"{sha256(content).hexdigest()[:32]}"',
        "cache-control": "no-cache",
    }

    async def answer(request: Request) -> Response:
        if request.headers.get("if-none-match") == headers["etag"]:
            return Response(status_code=304, headers=headers)
        return Response(content, media_type=TYPES[_suffix(file)], headers=headers)

    return answer
