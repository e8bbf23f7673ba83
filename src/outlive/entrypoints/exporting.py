"""Exports and erases as a command asks for them: of one session, of a user, of a tenant."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from outlive.entrypoints.running import named_session
from outlive.entrypoints.targets import Target
from outlive.errors import Invalid
from outlive.flows.sessions.erase_many import erase_tenant, erase_user
from outlive.flows.sessions.erase_session import Receipt, erase_session
from outlive.flows.sessions.export_session import Exported, export_session, export_tenant, export_user
from outlive.wiring import App

Progress = Callable[[int, int], None]


async def export(
    app: App,
    target: Target,
    path: Path,
    *,
    version: int | None,
    manifests: bool,
    overwrite: bool,
    progress: Progress,
) -> Exported:
    """Write the target's sessions to `path`; `version` is for a single session."""
    engine, stores = app.engine, app.stores
    if version is not None and target.session is None:
        raise Invalid("--version is for one session.", fix="Leave it out, or give the session.")
    if target.session is not None:
        stores, session_id = await named_session(app, target.session)
        return await export_session(
            engine,
            stores,
            session_id,
            path,
            version=version,
            manifests=manifests,
            overwrite=overwrite,
            progress=progress,
        )
    if target.user is None:
        return await export_tenant(engine, stores, path, manifests=manifests, overwrite=overwrite, progress=progress)
    return await export_user(
        engine,
        stores,
        target.user,
        path,
        channel=target.channel,
        manifests=manifests,
        overwrite=overwrite,
        progress=progress,
    )


async def erase(app: App, target: Target, *, force: bool, progress: Progress) -> Receipt:
    """Remove the target's sessions from every tier."""
    engine, stores = app.engine, app.stores
    if target.session is not None:
        stores, session_id = await named_session(app, target.session)
        return await erase_session(engine, stores, session_id, force=force, progress=progress)
    if target.user is None:
        return await erase_tenant(engine, stores, force=force, progress=progress)
    return await erase_user(engine, stores, target.user, channel=target.channel, force=force, progress=progress)
