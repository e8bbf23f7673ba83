"""`outlive sessions options`: what is chosen for one session in place of the settings."""

# ruff: noqa: PLC0415 - what a command needs is loaded when it runs

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from outlive.entrypoints import options
from outlive.entrypoints.terminal.output import print_fields, print_json

if TYPE_CHECKING:
    from outlive.core.session_options import SessionOptions
    from outlive.wiring import App


def sessions_options(
    key: options.Key,
    *,
    use_model: Annotated[
        str | None,
        typer.Option("--use-model", help="One of OUTLIVE_MODELS, or `default`.", show_default=False),
    ] = None,
    while_busy: Annotated[
        str | None,
        typer.Option("--while-busy", help="queue, collect, steer, interrupt, or `default`.", show_default=False),
    ] = None,
    data: options.Data = None,
    tenant: options.Tenant = None,
    json: options.Json = False,
) -> None:
    """Show or change a session's own model and its rule while busy.

    A change counts from the next turn on, and is refused while a turn runs.
    """
    from outlive.entrypoints.deeds import deed
    from outlive.entrypoints.running import at_rest
    from outlive.flows.sessions.change_options import change_options, read_options

    async def work(app: App) -> SessionOptions:
        if use_model is None and while_busy is None:
            return await read_options(app.engine, app.key(key))
        return await change_options(app.engine, app.key(key), model=use_model, while_busy=while_busy)

    is_change = use_model is not None or while_busy is not None
    done = deed("session.options", key, model=use_model, while_busy=while_busy) if is_change else None
    found = at_rest(work, deed=done, data=data, tenant=tenant)
    if json:
        print_json(found)
        return
    mode = found.while_busy.value if found.while_busy else "as the settings say"
    print_fields({"model": found.model or "as the settings say", "while busy": mode})
