"""`outlive approvals answer`: allow or refuse the tool call that waits in a session."""

# ruff: noqa: PLC0415 - what a command needs is loaded when it runs

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from outlive.core.answers import Choice
from outlive.entrypoints import options
from outlive.entrypoints.terminal.output import print_json, print_text, say, say_waiting

if TYPE_CHECKING:
    from outlive.entrypoints.sending import Sent
    from outlive.wiring import App


def approvals_answer(
    session: options.Session,
    choice: Annotated[Choice, typer.Argument(help="Run the call once, always ask no more for its rule, or deny it.")],
    *,
    note: Annotated[str, typer.Option(help="With deny: words for the model.", show_default=False)] = "",
    question: Annotated[
        str | None, typer.Option(help="Only when this is the open question's id.", show_default=False)
    ] = None,
    sender: Annotated[
        str | None,
        typer.Option(help="Who answers; the one who may, unless another is named.", show_default=False),
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait until the turn goes on and ends; print the reply.")
    ] = False,
    timeout: Annotated[float, typer.Option(min=0, help="How long --wait waits, in seconds.")] = 600.0,
    data: options.Data = None,
    tenant: options.Tenant = None,
    json: options.Json = False,
) -> None:
    """Answer the tool call that waits in a session.

    The answer is queued like a message; any worker makes the call, or tells the model that it was refused.
    """
    from outlive.core.answers import Answer
    from outlive.entrypoints.deeds import deed
    from outlive.entrypoints.running import at_rest, named_session
    from outlive.entrypoints.sending import send_answer
    from outlive.flows.sessions.list_approvals import open_question

    async def answer(app: App) -> Sent:
        stores, session_id = await named_session(app, session)
        found = await open_question(app.engine, stores, session_id)
        given = Answer(question or found.approval.id, choice, note)
        who = found.approval.sender if sender is None else sender
        return await send_answer(app, found.key, given, who, timeout if wait else None)

    if wait and not json:
        say_waiting()
    sent = at_rest(answer, deed=deed("approval.answered", session, choice=choice), data=data, tenant=tenant)
    if json:
        print_json(sent)
        return
    if sent.reply is not None:
        say(f"message {sent.message_id}, turn {sent.turn}")
    else:
        say("Queued. A worker goes on with it (`outlive worker`, or `outlive serve`); `--wait` waits for the reply.")
    print_text(sent.message_id if sent.reply is None else sent.reply)
