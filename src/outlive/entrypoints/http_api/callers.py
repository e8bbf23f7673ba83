"""Who is calling, and what they may: a key, the internal token, or a browser that has shown one of them."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, cast
from urllib.parse import urlsplit

from fastapi import Depends, Request

from outlive.core.api_keys import ApiKey, Role, digest_of, is_secret, may
from outlive.core.keys import SessionId, SessionKey, Tenant, parse_session_id, parse_session_key, parse_tenant
from outlive.entrypoints.http_api.faults import Unauthenticated
from outlive.errors import Conflict, Invalid, NotFound, Refused
from outlive.flows.access.api_keys import find_api_key, key_of_id
from outlive.flows.access.sign_in import find_sign_in
from outlive.flows.engine import Engine
from outlive.flows.limits.list_usage import DayCounts
from outlive.flows.tenant_stores import TenantStores
from outlive.flows.turn.find_session import find_head, find_session
from outlive.wiring import App

COOKIE = "outlive"
TENANT_HEADER = "outlive-tenant"
CHANNEL = "api"
"""Of session keys that name none."""
SAFE = ("GET", "HEAD", "OPTIONS")
HOW = "Send `Authorization: Bearer KEY`; `outlive tokens create` makes one."


@dataclass(slots=True)
class Api:
    """What the routes share."""

    app: App
    token: str | None = None
    """The internal one (`SDK_CLIENT_AUTH_TOKEN`): it may do everything."""
    max_streams: int = 1000
    streams: int = 0
    """Open ones."""
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the server is about to end: streams end, and their readers come back elsewhere."""
    wrong_keys: list[float] = field(default_factory=list)
    """When the last wrong ones were shown to the sign-in."""
    day_counts: dict[str, DayCounts] = field(default_factory=dict)
    """Of each tenant whose bill was asked for by day."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who may use the API."""

    api: Api
    id: str
    """The key's; empty for the internal token."""
    name: str
    role: Role
    tenant: Tenant
    """Whose things are worked on."""
    everyone: bool
    """May work for all tenants."""
    proof: str
    deed: dict[str, str] = field(default_factory=dict)
    """What the audit entry says besides the route's own name."""

    @property
    def engine(self) -> Engine:
        """For everything beside the turns."""
        return self.api.app.beside

    @property
    def stores(self) -> TenantStores:
        """Of the caller's tenant."""
        return self.engine.stores(self.tenant)

    @property
    def who(self) -> str:
        """For audit entries and ledgers."""
        return f"key:{self.id}" if self.id else "internal"

    def key(self, text: str) -> SessionKey:
        """The session key; one of another tenant is answered like one that has no session."""
        key = parse_session_key(text, tenant=self.tenant, channel=CHANNEL)
        if key.tenant != self.tenant:
            raise NotFound(f"session key {text!r} has no session.", fix="Send it a message first.")
        return key

    async def session(self, text: str) -> SessionId:
        """The session that an id or a session key names; `NotFound` without one."""
        try:
            session_id = parse_session_id(text)
        except Invalid:
            key = self.key(text)
            session_id = await find_session(self.engine, self.stores, key)
            self.deed["session_key"] = str(key)
        self.deed["session_id"] = session_id
        return session_id

    async def key_of(self, text: str) -> SessionKey:
        """The session key itself, or that of the session of this id; `Conflict` when it points at a newer one."""
        try:
            session_id = parse_session_id(text)
        except Invalid:
            key = self.key(text)
        else:
            self.deed["session_id"] = session_id
            key = parse_session_key((await find_head(self.engine, self.stores, session_id)).key)
            if await find_session(self.engine, self.stores, key) != session_id:
                raise Conflict(f"{key} has a newer session.", fix="Name the key, or fork this session under its own.")
        self.deed["session_key"] = str(key)
        return key


async def authenticated(request: Request) -> Caller:
    """The caller; `Unauthenticated` without a key that counts."""
    api = cast("Api", request.app.state.api)
    text, by_cookie = _shown(request)
    if not text:
        raise Unauthenticated("there is no API key.", fix=HOW)
    found = await (_from_cookie(api, text) if by_cookie else _from_key(api, text))
    if found is None:
        raise Unauthenticated("the API key does not count: it is wrong, revoked or expired.", fix=HOW)
    if by_cookie and request.method not in SAFE and not _is_same_origin(request):
        raise Refused("a page of another site asks for a change.", fix="Use the console itself, or an API key.")
    key, proof = found
    tenant = _tenant(api, key, request.headers)
    caller = Caller(api, key.id if key else "", key.name if key else "internal", key.role if key else "admin",
                    tenant, key is None or not key.tenant, proof)  # fmt: skip
    request.state.caller = caller
    return caller


CallerHere = Annotated[Caller, Depends(authenticated)]


def _shown(request: Request) -> tuple[str, bool]:
    """What was shown, and whether it was the cookie."""
    scheme, _, text = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return text.strip(), False
    return request.cookies.get(COOKIE, ""), True


async def _from_key(api: Api, text: str) -> tuple[ApiKey | None, str] | None:
    if api.token is not None and is_secret(digest_of(api.token), text):
        return None, digest_of(api.token)
    key = await find_api_key(api.app.beside, text)
    return (key, key.digest) if key else None


async def check_key(api: Api, text: str) -> tuple[str, str] | None:
    """Id and proof of a key or of the internal token; None when it does not count."""
    found = await _from_key(api, text)
    if found is None:
        return None
    key, proof = found
    return key.id if key else "", proof


async def _from_cookie(api: Api, cookie: str) -> tuple[ApiKey | None, str] | None:
    found = await find_sign_in(api.app.beside, cookie)
    if found is None:
        return None
    if not found.key_id:
        is_current = api.token is not None and hmac.compare_digest(digest_of(api.token), found.proof)
        return (None, found.proof) if is_current else None
    key = await key_of_id(api.app.beside, found.key_id)
    return (key, found.proof) if key and hmac.compare_digest(key.digest, found.proof) else None


def _is_same_origin(request: Request) -> bool:
    """By what browsers say of themselves and pages cannot change; one that says nothing is no current browser."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if origin is not None:
        return urlsplit(origin).netloc == request.headers.get("host") and site in {None, "same-origin"}
    return site == "same-origin"


def _tenant(api: Api, key: ApiKey | None, headers: Mapping[str, str]) -> Tenant:
    """The key's own; who may work for all names one, or gets the one of the settings."""
    asked = headers.get(TENANT_HEADER)
    if key is not None and key.tenant:
        if asked is not None and asked != key.tenant:
            raise Refused("the API key is for one tenant, and not for the one asked for.", fix="Leave the header out.")
        return Tenant(key.tenant)
    return parse_tenant(asked or api.app.settings.tenant)


def check_role(caller: Caller, needed: Role) -> None:
    """`Refused` unless the caller's role includes the one needed."""
    if not may(caller.role, needed):
        raise Refused(f"this takes the role {needed}; the key has {caller.role}.", fix="Use another key.")


def check_everyone(caller: Caller) -> None:
    """`Refused` unless the caller may work for all tenants."""
    if not caller.everyone:
        raise Refused("this concerns all tenants; the key is for one.", fix="Use a key for all tenants.")
