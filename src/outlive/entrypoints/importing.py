"""Imports as a command asks for them: a key may be given, and belongs to its own tenant."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from outlive.entrypoints.running import stores_of
from outlive.errors import Invalid
from outlive.flows.sessions.import_claude import ClaudeSession, import_claude_session
from outlive.flows.sessions.import_session import Imported, import_archive
from outlive.wiring import IGNORED, App


async def from_archive(
    app: App, path: Path, key: str | None, progress: Callable[[int, int], None]
) -> tuple[Imported, ...]:
    """Every session of an archive."""
    if not await asyncio.to_thread(path.is_file):
        raise Invalid(
            f"{path} is neither an archive nor the id of a Claude Code session.",
            fix="Give a file that `outlive sessions export` wrote, or a UUID.",
        )
    chosen = None if key is None else app.key(key)
    stores = stores_of(app, chosen) if chosen else app.stores
    return await import_archive(app.engine, stores, path, key=chosen, progress=progress)


async def from_claude(app: App, source: ClaudeSession, key: str | None, *, allow_holes: bool) -> tuple[Imported, ...]:
    """The one session, under the key given."""
    if key is None:
        raise Invalid("the session needs a session key.", fix="Pass --key.")
    chosen = app.key(key)
    made = await import_claude_session(
        app.engine,
        stores_of(app, chosen),
        replace(source, ignored=IGNORED),
        chosen,
        profile=app.settings.profile,
        allow_holes=allow_holes,
    )
    return (made,)
