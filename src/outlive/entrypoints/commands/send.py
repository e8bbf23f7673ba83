"""`outlive send`: put a message into the queue, and wait for its reply if asked to."""

# ruff: noqa: PLC0415 - what a command needs is loaded when it runs

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from outlive.entrypoints import options
from outlive.entrypoints.terminal.output import print_json, print_text, say, say_waiting
from outlive.errors import Invalid

if TYPE_CHECKING:
    from outlive.entrypoints.sending import Sent


def send(
    key: options.Key,
    text: Annotated[str, typer.Argument(help="The message; `-` reads it from stdin.")],
    *,
    message_id: Annotated[
        str | None,
        typer.Option(
            help="Id of the message: sent twice, it is answered once. Made up by default.", show_default=False
        ),
    ] = None,
    task: Annotated[
        str | None,
        typer.Option("--task", help="Your own id for the work; find it with `task show`.", show_default=False),
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until it is answered, and print the reply.")] = False,
    timeout: Annotated[float, typer.Option(min=0, help="How long --wait waits, in seconds.")] = 600.0,
    data: options.Data = None,
    tenant: options.Tenant = None,
    json: options.Json = False,
) -> None:
    """Queue a message for a session.

    The session is made when there is none. Prints the message's id, or with --wait the reply.
    """
    from outlive.entrypoints.running import at_rest
    from outlive.entrypoints.sending import send_message

    content = read_text(text)
    patience = timeout if wait else None
    if wait and not json:
        say_waiting()
    sent = at_rest(
        lambda app: send_message(app, key, content, message_id, patience, task_id=task), data=data, tenant=tenant
    )
    show_sent(sent, json=json)


def show_sent(sent: Sent, *, json: bool) -> None:
    """The message's id, or the reply it has."""
    from outlive.entrypoints.sending import elsewhere_hint

    if json:
        print_json(sent)
        return
    if sent.duplicate:
        say(f"Nothing was queued: the queue has had message {sent.message_id} already.")
    if sent.reply is not None:
        say(f"message {sent.message_id}, turn {sent.turn}")
    elif not sent.duplicate:
        say("Queued. A worker answers it (`outlive worker`, or `outlive serve`); `--wait` waits for the reply.")
    if sent.elsewhere:
        say(elsewhere_hint(sent.session_key, sent.elsewhere))
    print_text(sent.message_id if sent.reply is None else sent.reply)
    for path in sent.files:
        say(f"file {path}")


def read_text(text: str) -> str:
    """The text itself, or for `-` what stdin holds: all of it, or enough to be refused as too large."""
    from outlive.core.messages import MAX_TEXT_BYTES

    if text != "-":
        return text
    try:
        return sys.stdin.read(MAX_TEXT_BYTES + 1)
    except UnicodeDecodeError as error:
        raise Invalid(f"stdin is not text: {error}.", fix="Send UTF-8.") from error
