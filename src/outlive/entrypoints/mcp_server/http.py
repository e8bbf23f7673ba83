"""The MCP server over streamable HTTP: an API key says which tenant is calling."""

from __future__ import annotations

from socket import AF_INET, AF_INET6, create_server, socket

import uvicorn
from mcp.server.auth.middleware.auth_context import AuthContextMiddleware, get_access_token
from mcp.server.auth.middleware.bearer_auth import BearerAuthBackend, RequireAuthMiddleware
from mcp.server.auth.provider import AccessToken
from mcp.server.streamable_http_manager import StreamableHTTPASGIApp, StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.routing import Route

from outlive.core.api_keys import ROLES, Role, may
from outlive.core.keys import Tenant
from outlive.entrypoints.mcp_server.memory import Memory
from outlive.entrypoints.mcp_server.server import memory_server
from outlive.errors import Invalid, Refused
from outlive.flows.access.api_keys import find_api_key
from outlive.flows.engine import Engine

PATH = "/mcp"
MAX_BODY = 32 << 20
"""Bytes of a request: a message of 8 MB, written as JSON."""
NEEDED: Role = "operator"
"""The tools read and write."""


class Tokens:
    """Says whose an API key is; the `mcp` package's `TokenVerifier`. One for all tenants acts for `tenant`."""

    def __init__(self, engine: Engine, tenant: Tenant) -> None:
        self._engine, self._tenant = engine, tenant

    async def verify_token(self, token: str) -> AccessToken | None:
        """The key with its tenant and the roles it includes; None for one that does not count."""
        key = await find_api_key(self._engine, token)
        if key is None:
            return None
        scopes = [role for role in ROLES if may(key.role, role)]
        return AccessToken(token=token, client_id=key.tenant or self._tenant, scopes=list(scopes))


def http_app(engine: Engine, profile: str, tenant: Tenant, *, is_local: bool) -> Starlette:
    """The ASGI application. Each request stands for itself, so any of several servers can answer it."""

    def memory() -> Memory:
        token = get_access_token()
        if token is None:
            raise Refused("the request has no API key.", fix="Send `Authorization: Bearer KEY`.")
        return Memory(engine, engine.stores(token.client_id), profile)

    manager = StreamableHTTPSessionManager(
        memory_server(memory),
        json_response=True,
        stateless=True,
        security_settings=_guard(is_local=is_local),
        max_request_body_size=MAX_BODY,
    )
    return Starlette(
        routes=[Route(PATH, RequireAuthMiddleware(StreamableHTTPASGIApp(manager), [NEEDED]))],
        middleware=[
            Middleware(AuthenticationMiddleware, backend=BearerAuthBackend(Tokens(engine, tenant))),
            Middleware(AuthContextMiddleware),
        ],
        lifespan=lambda _: manager.run(),
    )


def _guard(*, is_local: bool) -> TransportSecuritySettings:
    """On a loopback address, a web page that a browser shows must not reach it under a name of its own."""
    names = ("127.0.0.1", "localhost", "[::1]")
    return TransportSecuritySettings(
        enable_dns_rebinding_protection=is_local,
        allowed_hosts=[f"{name}:*" for name in names],
        allowed_origins=[f"http://{name}:*" for name in names],
    )


def parse_address(text: str) -> tuple[str, int]:
    """Host and port of `HOST:PORT`; `Invalid` for anything else."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise Invalid(f"{text!r} is no address.", fix="Write it as HOST:PORT, 127.0.0.1:8765 say; port 0: a free one.")
    return host.strip("[]"), int(port)


def listen(host: str, port: int) -> socket:
    """A listening socket; `Invalid` when the address cannot be had."""
    try:
        return create_server((host, port), family=AF_INET6 if ":" in host else AF_INET)
    except OSError as error:
        raise Invalid(
            f"nobody can listen on {host}:{port}: {error.strerror or error}.", fix="Choose another."
        ) from error


async def serve_http(app: Starlette, listening: socket) -> None:
    """Answer requests until SIGTERM or SIGINT; those that run are finished."""
    config = uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=10, ws="none")
    await uvicorn.Server(config).serve(sockets=[listening])
