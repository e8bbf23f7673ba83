"""Every error as the API answers it: one shape, the status by what the caller should do."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, is_dataclass
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import Response

from outlive.errors import (
    AgentFailed,
    Conflict,
    Corrupt,
    Invalid,
    NotFound,
    OutliveError,
    RateLimited,
    Refused,
    TooLarge,
    Unavailable,
)

log = logging.getLogger("outlive.http_api")

STATUS: tuple[tuple[type[OutliveError], int], ...] = (
    (TooLarge, 413),
    (Invalid, 400),
    (Refused, 403),
    (NotFound, 404),
    (Conflict, 409),
    (Corrupt, 500),
    (RateLimited, 429),
    (Unavailable, 503),
    (AgentFailed, 502),
)
"""The first that fits."""
WORDS = {
    400: "The request is not valid; `field` names what is wrong where one field is.",
    401: "There is no key, or one that does not count.",
    403: "The key's role does not allow it.",
    404: "There is no such thing, or it is another tenant's.",
    405: "The path does not know this method.",
    409: "Somebody was first, or it does not fit what is there now.",
    413: "The request is too large.",
    429: "Too much at once; `Retry-After` says when to try again, in seconds.",
    500: "Something stored is damaged, or a defect of outlive.",
    502: "The agent failed; the message is in the dead letters.",
    503: "A backend did not answer, or nobody has answered the message yet. Try again.",
}
RETRY_AFTER = "2"


class Unauthenticated(Refused):
    """There is no key, or one that does not count."""


class Problem(BaseModel):
    """What went wrong, and what to do about it."""

    type: str
    """The error's class; see the errors page."""
    message: str
    fix: str | None = None
    field: str | None = None
    """The field, parameter or header that is wrong."""


class ProblemBody(BaseModel):
    """Every error's body."""

    error: Problem


class Failed(Exception):
    """An error whose field is known."""

    def __init__(self, error: OutliveError, field: str) -> None:
        super().__init__(str(error))
        self.error = error
        self.field = field


def status_of(error: OutliveError) -> int:
    """The HTTP status."""
    if isinstance(error, Unauthenticated):
        return 401
    return next((status for kind, status in STATUS if isinstance(error, kind)), 500)


def problem(kind: str, message: str, fix: str | None = None, field: str | None = None) -> dict[str, Any]:
    """The body."""
    return {"error": {"type": kind, "message": message, "fix": fix, "field": field}}


def shown(value: object, status: int = 200) -> Response:
    """JSON of anything the flows return; ASCII, since half a character in a text must not break the answer."""
    return Response(to_json(value), status, media_type="application/json")


def to_json(value: object) -> str:
    """The same as text."""
    return json.dumps(value, default=_plain, separators=(",", ":"))


def _plain(value: object) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    return value.model_dump() if isinstance(value, BaseModel) else str(value)


def failed(error: OutliveError, field: str | None = None) -> Response:
    """An error of ours."""
    status = status_of(error)
    response = shown(problem(type(error).__name__, error.message, error.fix, field), status)
    if status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, RateLimited):
        response.headers["Retry-After"] = str(max(1, round(error.retry_after)))
    elif status == 503:
        response.headers["Retry-After"] = RETRY_AFTER
    return response


async def on_error(_request: Request, error: Exception) -> Response:
    """An `OutliveError`, or one with its field."""
    if isinstance(error, Failed):
        return failed(error.error, error.field)
    assert isinstance(error, OutliveError)  # noqa: S101 - registered for nothing else
    return failed(error)


async def on_invalid(_request: Request, error: Exception) -> Response:
    """A request that does not fit its description."""
    assert isinstance(error, RequestValidationError)  # noqa: S101
    first = error.errors()[0]
    if first["type"] == "json_invalid":
        why = first.get("ctx", {}).get("error", "it cannot be read")
        return shown(problem("Invalid", f"the body is not JSON: {why}.", "Send a JSON object.", "body"), 400)
    where = [str(part) for part in first["loc"]]
    field = ".".join(where[1:]) or where[0]
    if first["type"] == "extra_forbidden":
        fix = "Leave it out, or see what there is at /openapi.json."
        return shown(problem("Invalid", f"{field} is no field of this request.", fix, field), 400)
    message = f"{field} is not valid: {first['msg']}."
    return shown(problem("Invalid", message, "See the API's description at /openapi.json.", field), 400)


async def on_http(_request: Request, error: Exception) -> Response:
    """What the framework itself refuses: an unknown path, a wrong method, a body that is no JSON."""
    assert isinstance(error, HTTPException)  # noqa: S101
    kind = {404: "NotFound", 405: "MethodNotAllowed", 413: "TooLarge"}.get(error.status_code, "Invalid")
    body = problem(kind, f"{error.detail}.", "See the API's description at /openapi.json.")
    response = shown(body, error.status_code)
    response.headers.update(error.headers or {})
    return response


async def on_defect(request: Request, error: Exception) -> Response:
    """What we did not expect: kept in the log, told without its insides."""
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return shown(problem("Defect", "outlive met an error it does not know; its log has it.", "Open an issue."), 500)
