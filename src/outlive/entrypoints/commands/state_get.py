"""`outlive state get`: a session's state object, now or as it was."""

# ruff: noqa: PLC0415 - what a command needs is loaded when it runs

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from outlive.entrypoints import options
from outlive.entrypoints.terminal.output import print_json


def state_get(
    session: options.Session,
    *,
    version: Annotated[int | None, typer.Option(help="As it was at this state version.", show_default=False)] = None,
    follow: Annotated[bool, typer.Option("--follow", help="Large values in place of their links.")] = False,
    data: options.Data = None,
    tenant: options.Tenant = None,
    json: options.Json = False,  # noqa: ARG001 - it is JSON either way
) -> None:
    """Print the state object of a session as JSON."""
    from outlive.entrypoints.running import at_session
    from outlive.flows.knowledge.change_state import read_state

    print_json(at_session(session, partial(read_state, version=version, follow=follow), data=data, tenant=tenant))
