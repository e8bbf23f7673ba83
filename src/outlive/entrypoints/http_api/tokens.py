"""API keys: handed out, listed, taken back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from outlive.core.api_keys import ApiKey, Role
from outlive.entrypoints.http_api.callers import CallerHere, check_everyone
from outlive.entrypoints.http_api.faults import shown
from outlive.entrypoints.http_api.routes import needs, router
from outlive.flows.access.api_keys import create_api_key, list_api_keys, revoke_api_key

routes = router("API keys")


class NewToken(BaseModel):
    """A key to hand out."""

    model_config = ConfigDict(extra="forbid")
    name: str = Field(min_length=1, max_length=128, description="Whose it is, or what for.")
    role: Role = "operator"
    everyone: bool = Field(default=False, description="For all tenants; takes a key for all.")
    seconds: float | None = Field(None, gt=0, le=10**9, description="How long it counts.")


@dataclass(frozen=True, slots=True)
class Token:
    """A key without its secret."""

    id: str
    name: str
    tenant: str
    """Empty for all tenants."""
    role: Role
    created_at: float
    created_by: str
    expires_at: float | None


@dataclass(frozen=True, slots=True)
class CreatedToken:
    """The key, shown this once."""

    token: Token
    key: str


@dataclass(frozen=True, slots=True)
class TokenList:
    """The keys of the tenant, or all."""

    tokens: tuple[Token, ...]


def _token(key: ApiKey) -> Token:
    return Token(key.id, key.name, key.tenant, key.role, key.created_at, key.created_by, key.expires_at)


@routes.get("/v1/tokens", **needs("admin", model=TokenList))
async def get_tokens(caller: CallerHere) -> Response:
    """The API keys: of all tenants for a key for all, otherwise of the key's own."""
    keys = await list_api_keys(caller.engine, None if caller.everyone else caller.tenant)
    return shown(TokenList(tuple(_token(key) for key in keys)))


@routes.post("/v1/tokens", **needs("admin", "token.created", model=CreatedToken), status_code=201)
async def post_token(caller: CallerHere, new: NewToken) -> Response:
    """Hand out a key for the tenant; it is shown this once, only a digest is stored."""
    if new.everyone:
        check_everyone(caller)
    whose = "" if new.everyone else caller.tenant
    key, text = await create_api_key(caller.engine, whose, new.role, name=new.name, by=caller.who, seconds=new.seconds)
    caller.deed.update(token=key.id, role=key.role, name=key.name)
    return shown(CreatedToken(_token(key), text), 201)


@routes.delete("/v1/tokens/{token:segment}", **needs("admin", "token.revoked", model=Token))
async def delete_token(caller: CallerHere, token: Annotated[str, Path(min_length=1)]) -> Response:
    """It counts no more, nor do sign-ins made with it."""
    return shown(_token(await revoke_api_key(caller.engine, token, None if caller.everyone else caller.tenant)))
