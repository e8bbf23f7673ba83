"""`outlive sessions fork`: a second session that starts where the first was."""

# ruff: noqa: PLC0415 - what a command needs is loaded when it runs

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from outlive.core.wording import counted
from outlive.entrypoints import options
from outlive.entrypoints.terminal.output import print_json, print_text, say

if TYPE_CHECKING:
    from outlive.flows.sessions.fork_session import Forked
    from outlive.wiring import App


def sessions_fork(
    session: options.Session,
    *,
    version: Annotated[int | None, typer.Option(min=1, help="From this version; the newest by default.")] = None,
    key: Annotated[
        str | None, typer.Option(help="Session key of the fork; a thread of its own by default.", show_default=False)
    ] = None,
    data: options.Data = None,
    tenant: options.Tenant = None,
    json: options.Json = False,
) -> None:
    """Copy a session into a new one.

    From any kept version; the first session stays as it is. Prints the new session's key.
    """
    from outlive.entrypoints.deeds import deed
    from outlive.entrypoints.running import at_rest, named_session
    from outlive.flows.sessions.fork_session import fork_session

    async def fork(app: App) -> Forked:
        stores, session_id = await named_session(app, session)
        return await fork_session(
            app.engine, stores, session_id, version=version, key=None if key is None else app.key(key)
        )

    forked = at_rest(fork, deed=deed("session.forked", session, version=version, key=key), data=data, tenant=tenant)
    if json:
        print_json(forked)
        return
    say(
        f"Forked version {forked.source_version} with {counted(forked.files, 'file')} into session {forked.session_id}."
    )
    print_text(forked.key)
