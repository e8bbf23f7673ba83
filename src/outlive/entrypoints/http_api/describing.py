"""The OpenAPI document: the framework's own, with our errors, roles and ways to sign in."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from outlive.entrypoints.http_api.faults import WORDS, ProblemBody

ALWAYS = (400, 500, 503)
WITH_KEY = (401, 403, 404)
WITH_BODY = (409, 413)
SUMMARY = (
    "Messages to durable agent sessions, and everything an operator does. "
    "A session is named by its id or by a session key: CHAT, CHAT:THREAD, CHANNEL:CHAT:THREAD or "
    "TENANT:CHANNEL:CHAT:THREAD, percent-encoded as one path segment."
)
SECURITY = {
    "key": {"type": "http", "scheme": "bearer", "description": "An API key, or the internal token."},
    "cookie": {"type": "apiKey", "in": "cookie", "name": "outlive", "description": "What `POST /v1/sign-in` sets."},
}


def described(app: FastAPI) -> None:
    """Make the application give this document."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]


def _document(app: FastAPI) -> dict[str, Any]:
    found = get_openapi(title=app.title, version=app.version, description=SUMMARY, routes=app.routes)
    schemas = found.setdefault("components", {}).setdefault("schemas", {})
    problem = ProblemBody.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(problem.pop("$defs"), ProblemBody=problem)
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    found["components"]["securitySchemes"] = SECURITY
    for path in found["paths"].values():
        for method, operation in path.items():
            _describe(method, operation)
    return found


def _describe(method: str, operation: dict[str, Any]) -> None:
    has_key = "x-role" in operation
    if has_key:
        operation["security"] = [{"key": []}, {"cookie": []}]
    answers = operation["responses"]
    answers.pop("422", None)
    wanted = [*ALWAYS, *(WITH_KEY if has_key else ()), *(WITH_BODY if method != "get" else ())]
    for status in wanted:
        answers.setdefault(str(status), {"description": WORDS[status]})
    for status, answer in answers.items():
        if status.isdigit() and int(status) >= 400:
            answer.setdefault("description", WORDS[int(status)])
            answer["content"] = {"application/json": {"schema": {"$ref": "#/components/schemas/ProblemBody"}}}
