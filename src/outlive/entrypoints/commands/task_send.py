"""`outlive task send`: go on with a task by its id."""

# ruff: noqa: PLC0415 - what a command needs is loaded when it runs

from __future__ import annotations

from typing import Annotated

import typer

from outlive.entrypoints import options
from outlive.entrypoints.commands.send import read_text, show_sent
from outlive.entrypoints.terminal.output import say_waiting


def task_send(
    task: options.Task,
    text: Annotated[str, typer.Argument(help="The message; `-` reads it from stdin.")],
    *,
    message_id: Annotated[
        str | None,
        typer.Option(
            help="Id of the message: sent twice, it is answered once. Made up by default.", show_default=False
        ),
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until it is answered, and print the reply.")] = False,
    timeout: Annotated[float, typer.Option(min=0, help="How long --wait waits, in seconds.")] = 600.0,
    data: options.Data = None,
    tenant: options.Tenant = None,
    json: options.Json = False,
) -> None:
    """Queue a message for a task's session.

    Whichever worker takes it has everything the task had. Prints the message's id, or with --wait the reply.
    """
    from outlive.entrypoints.running import at_rest
    from outlive.entrypoints.sending import send_to_task

    content = read_text(text)
    patience = timeout if wait else None
    if wait and not json:
        say_waiting()
    sent = at_rest(lambda app: send_to_task(app, task, content, message_id, patience), data=data, tenant=tenant)
    show_sent(sent, json=json)
