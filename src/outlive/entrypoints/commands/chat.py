"""`outlive chat`: talk to an agent in the terminal."""

# ruff: noqa: PLC0415 - what a command needs is loaded when it runs

from __future__ import annotations

from typing import Annotated

import typer

from outlive.entrypoints import options


def chat(
    *,
    session: Annotated[str, typer.Option("--session", help="Session key of the conversation.")] = "chat",
    data: options.Data = None,
    model: options.Model = None,
    profile: options.Profile = None,
    tenant: options.Tenant = None,
    json: options.Json = False,
) -> int:
    """Talk to an agent in the terminal.

    Every line is a message; /help lists the commands. Ctrl-C interrupts the running turn, twice it leaves (exit 130).
    A turn that was cut off the last time is finished first. Without a key the scripted model stands in, which is not
    a language model. From a file or a pipe the exit code is that of the last message that failed.
    """
    import asyncio

    from outlive.entrypoints.terminal.chatting import converse
    from outlive.settings import load_settings

    settings = load_settings(data=data, model=model, profile=profile, tenant=tenant)
    return asyncio.run(converse(settings, session, as_json=json))
