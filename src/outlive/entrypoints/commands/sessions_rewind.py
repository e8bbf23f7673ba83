"""`outlive sessions rewind`: an older version made the newest."""

# ruff: noqa: PLC0415 - what a command needs is loaded when it runs

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from outlive.entrypoints import options
from outlive.entrypoints.terminal.output import print_json, print_text


def sessions_rewind(
    session: options.Session,
    version: Annotated[int, typer.Argument(min=0, help="The version whose files the session shall have again.")],
    *,
    files_only: Annotated[
        bool, typer.Option("--files-only", help="Only the working directory; the conversation stays as it is.")
    ] = False,
    salvage: Annotated[
        bool, typer.Option("--salvage", help="Go on though newer versions are damaged, without what cannot be read.")
    ] = False,
    data: options.Data = None,
    tenant: options.Tenant = None,
    json: options.Json = False,
) -> None:
    """Take a session back to an earlier version.

    That version's tree becomes a new version: nothing is lost, and a rewind can be undone by another.
    """
    from outlive.entrypoints.deeds import deed
    from outlive.entrypoints.running import at_session
    from outlive.flows.sessions.rewind_session import rewind_session

    rewind = partial(rewind_session, version=version, salvage=salvage, files_only=files_only)
    rewound = at_session(
        session, rewind, deed=deed("session.rewound", session, version=version), data=data, tenant=tenant
    )
    if json:
        print_json(rewound)
        return
    what = "the files that" if files_only else "what"
    print_text(f"Version {rewound.after} holds {what} version {rewound.to} held; version {rewound.before} is kept.")
