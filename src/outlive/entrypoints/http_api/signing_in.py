"""Sign-in of the browser console: a key is shown once, a cookie stands for it from then on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.responses import Response

from outlive.core.api_keys import SIGN_IN_TTL, Role
from outlive.entrypoints.http_api.callers import COOKIE, Api, CallerHere, check_key
from outlive.entrypoints.http_api.faults import Unauthenticated, shown
from outlive.entrypoints.http_api.routes import needs, router
from outlive.errors import RateLimited
from outlive.flows.access.sign_in import sign_in, sign_out

WRONG_KEYS = 20
"""In a minute, from everybody together: a key cannot be guessed, but trying costs table reads."""
MINUTE = 60.0
HINT = "outlive-signed-in"
"""A cookie that the console's page can read, and that opens nothing: without it, it need not ask who is there."""

open_routes = APIRouter(tags=["sign-in"])
routes = router("sign-in")


class Shown(BaseModel):
    """What a browser signs in with."""

    key: str


@dataclass(frozen=True, slots=True)
class Me:
    """Who is calling."""

    id: str
    """The key's; empty for the internal token."""
    name: str
    role: Role
    tenant: str
    everyone: bool
    """May work for all tenants, by the header `Outlive-Tenant`."""


@dataclass(frozen=True, slots=True)
class SignedIn:
    """The cookie is set."""

    seconds: float
    """How long it counts at most."""


@open_routes.post("/v1/sign-in", response_model=SignedIn, responses={401: {}, 429: {}})
async def post_sign_in(request: Request, shown_key: Shown) -> Response:
    """Show a key, get a cookie that pages cannot read and other sites cannot use."""
    api = cast("Api", request.app.state.api)
    _check_pace(api)
    found = await check_key(api, shown_key.key)
    if found is None:
        api.wrong_keys.append(api.app.beside.clock.now())
        raise Unauthenticated("the API key does not count: it is wrong, revoked or expired.", fix="Check it.")
    cookie = await sign_in(api.app.beside, *found)
    response = shown(SignedIn(SIGN_IN_TTL))
    for name, value, httponly in ((COOKIE, cookie, True), (HINT, "1", False)):
        response.set_cookie(
            name,
            value,
            max_age=int(SIGN_IN_TTL),
            httponly=httponly,
            samesite="strict",
            secure=request.url.scheme == "https",
        )
    return response


@routes.post("/v1/sign-out", **needs("viewer", model=SignedIn))
async def post_sign_out(request: Request, _caller: CallerHere) -> Response:
    """The cookie counts no more."""
    api = cast("Api", request.app.state.api)
    await sign_out(api.app.beside, request.cookies.get(COOKIE, ""))
    response = shown(SignedIn(0.0))
    response.delete_cookie(COOKIE, httponly=True, samesite="strict")
    response.delete_cookie(HINT, samesite="strict")
    return response


@routes.get("/v1/me", **needs("viewer", model=Me))
async def get_me(caller: CallerHere) -> Response:
    """Who is calling, and what they may."""
    return shown(Me(caller.id, caller.name, caller.role, caller.tenant, caller.everyone))


def _check_pace(api: Api) -> None:
    now = api.app.beside.clock.now()
    api.wrong_keys[:] = [at for at in api.wrong_keys if at + MINUTE > now]
    if len(api.wrong_keys) >= WRONG_KEYS:
        raise RateLimited("too many wrong keys were shown.", retry_after=api.wrong_keys[0] + MINUTE - now)
