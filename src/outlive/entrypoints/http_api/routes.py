"""How a route is declared: who may use it, what it changes, and so what the audit says and the document shows."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any
from urllib.parse import quote, unquote

from fastapi import APIRouter, Depends, Request
from fastapi.routing import APIRoute
from starlette.convertors import Convertor, register_url_convertor
from starlette.responses import Response

from outlive.core.api_keys import Role
from outlive.entrypoints.http_api.callers import Caller, CallerHere, check_everyone, check_role
from outlive.flows.delivery.audit import AuditEntry, note_deed, tenant_named

NOT_A_CHANGE = "none"
"""The deed of a route that has a body to read, or whose record is elsewhere."""


class Segment(Convertor[str]):
    """One path segment, decoded after the path was taken apart: `a%2Fb` is one name with a slash in it."""

    regex = "[^/]+"

    def convert(self, value: str) -> str:
        return unquote(value)

    def to_string(self, value: str) -> str:
        return quote(value, safe="")


register_url_convertor("segment", Segment())


class AuditedRoute(APIRoute):
    """A route that notes what was done, once it is done."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The framework's hook."""
        handle, deed = super().get_route_handler(), (self.openapi_extra or {}).get("x-deed", NOT_A_CHANGE)

        async def noted(request: Request) -> Response:
            response = await handle(request)
            caller: Caller | None = getattr(request.state, "caller", None)
            if deed != NOT_A_CHANGE and caller is not None and response.status_code < 400:
                await note(caller, deed, {name: str(value) for name, value in request.path_params.items()})
            return response

        return noted


async def note(caller: Caller, deed: str, details: dict[str, str]) -> None:
    """The audit entry, in the records of the tenant whose session it is: a key for all may name another's letter."""
    more = {**details, **caller.deed}
    key, session_id = more.pop("session_key", ""), more.pop("session_id", "")
    entry = AuditEntry(caller.engine.clock.now(), deed, key, session_id, caller.who, more)
    await note_deed(caller.engine, caller.engine.stores(tenant_named(key, caller.tenant)), entry)


def router(tag: str) -> APIRouter:
    """A router whose changes are noted."""
    return APIRouter(tags=[tag], route_class=AuditedRoute)


def needs(role: Role, deed: str = NOT_A_CHANGE, *, everyone: bool = False, model: Any = None) -> dict[str, Any]:  # noqa: ANN401
    """Keywords of a route's decorator: the role it takes, the deed it is, what it answers."""

    async def check(caller: CallerHere) -> None:
        check_role(caller, role)
        if everyone:
            check_everyone(caller)

    extra = {"x-role": role, "x-deed": deed, "x-everyone": everyone}
    return {"dependencies": [Depends(check)], "openapi_extra": extra, "response_model": model}


def is_declared(route: APIRoute) -> bool:
    """Whether it was given a role."""
    return "x-role" in (route.openapi_extra or {})
