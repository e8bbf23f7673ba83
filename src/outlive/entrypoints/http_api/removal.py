"""Erase and export: of a session, of a user, of the tenant."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from fastapi import Path as InPath
from fastapi import Query
from starlette.responses import Response, StreamingResponse

from outlive.core.keys import quote_part
from outlive.entrypoints.http_api.callers import Caller, CallerHere
from outlive.entrypoints.http_api.faults import Failed, shown
from outlive.entrypoints.http_api.parameters import MAX_NUMBER, Force, Session
from outlive.entrypoints.http_api.routes import needs, router
from outlive.errors import Invalid
from outlive.flows.sessions.erase_many import erase_tenant, erase_user
from outlive.flows.sessions.erase_session import Receipt, Tier, erase_session
from outlive.flows.sessions.export_session import export_session, export_tenant, export_user

CHUNK = 1 << 20
ZSTD = "application/zstd"

routes = router("erase and export")

User = Annotated[str, InPath(min_length=1, description="A chat id, as one percent-encoded segment.")]
Channel = Annotated[str | None, Query(min_length=1, max_length=128, description="On this channel only.")]
Export = Callable[[Path], Awaitable[object]]
ARCHIVE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A tar archive, compressed with zstd.",
        "content": {ZSTD: {"schema": {"type": "string", "format": "binary"}}},
    }
}


@dataclass(frozen=True, slots=True)
class Erased:
    """What was found in each tier, and what listing it all again found afterwards."""

    complete: bool
    """Nothing is left."""
    erased: tuple[str, ...]
    tiers: tuple[Tier, ...]
    held: tuple[str, ...]
    """Sessions that were left alone, because a turn runs in them."""
    not_covered: tuple[str, ...]


@routes.delete("/v1/sessions/{session:segment}", **needs("admin", "session.erased", model=Erased))
async def delete_session(caller: CallerHere, session: Session, force: Force = False) -> Response:  # noqa: FBT002 - a query parameter
    """Remove a session from every tier; 409 while a turn runs in it."""
    return shown(await erased(caller, session, force=force))


async def erased(caller: Caller, session: str, *, force: bool) -> Erased:
    """The session's receipt."""
    session_id = await caller.session(session)
    return _receipt(await erase_session(caller.engine, caller.stores, session_id, force=force))


@routes.delete("/v1/users/{user:segment}", **needs("admin", "user.erased", model=Erased))
async def delete_user(caller: CallerHere, user: User, channel: Channel = None, force: Force = False) -> Response:  # noqa: FBT002
    """Remove every session of a chat id; those in which a turn runs are named and left alone."""
    return shown(_receipt(await erase_user(caller.engine, caller.stores, user, channel=channel, force=force)))


@routes.delete("/v1/tenant", **needs("admin", "tenant.erased", model=Erased))
async def delete_tenant(
    caller: CallerHere,
    confirm: Annotated[str, Query(description="The tenant's name, so that nobody erases one by mistake.")],
    force: Force = False,  # noqa: FBT002
) -> Response:
    """Remove everything of the tenant; the audit entry of this is what remains."""
    if confirm != caller.tenant:
        raise Failed(Invalid("confirm is not the tenant's name.", fix="Give its name."), "confirm")
    return shown(_receipt(await erase_tenant(caller.engine, caller.stores, force=force)))


@routes.get(
    "/v1/sessions/{session:segment}/export",
    **needs("admin", "session.exported"),
    responses=ARCHIVE,
    response_class=Response,
)
async def get_session_export(
    caller: CallerHere,
    session: Session,
    version: Annotated[int | None, Query(ge=0, le=MAX_NUMBER, description="Left out: the newest.")] = None,
) -> Response:
    """A session as an archive; it can be imported again."""
    session_id = await caller.session(session)
    return await _exported(
        session_id, lambda path: export_session(caller.engine, caller.stores, session_id, path, version=version)
    )


@routes.get(
    "/v1/users/{user:segment}/export", **needs("admin", "user.exported"), responses=ARCHIVE, response_class=Response
)
async def get_user_export(caller: CallerHere, user: User, channel: Channel = None) -> Response:
    """Every session of a chat id as one archive."""
    return await _exported(
        f"user-{quote_part(user)}",
        lambda path: export_user(caller.engine, caller.stores, user, path, channel=channel),
    )


@routes.get("/v1/tenant/export", **needs("admin", "tenant.exported"), responses=ARCHIVE, response_class=Response)
async def get_tenant_export(caller: CallerHere) -> Response:
    """Every session of the tenant as one archive."""
    return await _exported(caller.tenant, lambda path: export_tenant(caller.engine, caller.stores, path))


def _receipt(receipt: Receipt) -> Erased:
    return Erased(receipt.complete, receipt.erased, receipt.tiers, receipt.held, receipt.not_covered)


async def _exported(name: str, export: Export) -> Response:
    """Written to a file first, so that an export that fails is an error and not half an archive; then streamed."""
    folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="outlive-export-"))
    path = folder / "export.tar.zst"
    try:
        await export(path)
        size = path.stat().st_size
    except BaseException:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        raise
    file_name = f"{name}.tar.zst".encode("ascii", "replace").decode()
    headers = {"content-disposition": f'attachment; filename="{file_name}"', "content-length": str(size)}
    return StreamingResponse(_chunks(folder, path), media_type=ZSTD, headers=headers)


async def _chunks(folder: Path, path: Path) -> AsyncIterator[bytes]:
    try:
        with await asyncio.to_thread(path.open, "rb") as file:
            while chunk := await asyncio.to_thread(file.read, CHUNK):
                yield chunk
    finally:
        shutil.rmtree(folder, ignore_errors=True)
