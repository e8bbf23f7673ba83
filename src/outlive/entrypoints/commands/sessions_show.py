"""`outlive sessions show`: one session and the end of its conversation."""

# ruff: noqa: PLC0415 - what a command needs is loaded when it runs

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from outlive.core.wording import counted
from outlive.entrypoints import options
from outlive.entrypoints.terminal.output import local_time, print_fields, print_json, print_text, say

if TYPE_CHECKING:
    from outlive.core.approvals import Approval
    from outlive.core.keys import SessionId
    from outlive.core.ledger import Attached, LedgerLine
    from outlive.flows.engine import Engine
    from outlive.flows.limits.inspect_limits import Left
    from outlive.flows.sessions.inspect_session import ConversationPage, SessionDetail
    from outlive.flows.tenant_stores import TenantStores


def sessions_show(
    session: options.Session,
    *,
    turns: Annotated[int, typer.Option(min=0, max=1000, help="How many turns of the conversation to print.")] = 5,
    before: Annotated[int | None, typer.Option(help="Only turns before this one.", show_default=False)] = None,
    data: options.Data = None,
    tenant: options.Tenant = None,
    json: options.Json = False,
) -> None:
    """Show a session and its last turns.

    What it holds and cost, who points at it, whether a turn runs or was interrupted, and what was said last.
    """
    from outlive.entrypoints.running import at_session
    from outlive.flows.limits.inspect_limits import what_is_left
    from outlive.flows.sessions.inspect_session import ConversationPage, inspect_session, read_conversation

    async def look(
        engine: Engine, stores: TenantStores, session_id: SessionId
    ) -> tuple[SessionDetail, ConversationPage, Left]:
        detail = await inspect_session(engine, stores, session_id)
        left = await what_is_left(engine, stores, detail.line.usd)
        if not turns:
            return detail, ConversationPage((), None), left
        return detail, await read_conversation(engine, stores, session_id, before=before, limit=turns), left

    detail, page, left = at_session(session, look, data=data, tenant=tenant)
    if json:
        print_json({"session": detail, "conversation": page, "left": left})
        return
    print_fields(_fields(detail, left))
    for line in page.turns:
        _print_turn(line)
    if page.before is not None:
        say(f"Earlier turns: outlive sessions show {session} --before {page.before}")


def _fields(detail: SessionDetail, left: Left) -> dict[str, object]:
    from outlive.entrypoints.limiting import left_text

    line = detail.line
    fields: dict[str, object] = {
        "session": line.session_id,
        "keys": ", ".join(detail.keys) or f"none (made for {line.key})",
        "title": line.title or "-",
        "version": f"{line.version}, after {counted(line.turns, 'turn')}",
        "cost": f"${line.usd:.4f}, {line.input_tokens:,} tokens in, {line.output_tokens:,} out, "
        f"{line.cache_read_tokens:,} from the prompt cache",
        "profile": detail.profile,
        "prompt version": detail.prompt_version or "-",
        "agent session": detail.agent_session_id or "-",
        "files": f"{detail.files}, {detail.tree_bytes:,} bytes",
        "stored": f"{counted(detail.stored_packs, 'pack')}, {detail.stored_bytes:,} bytes; {len(detail.packs)} live",
        "last turn": local_time(line.updated_at),
        "expires": local_time(line.expires_at),
    }
    if left_text(left):
        fields["left"] = left_text(left)
    if line.held_until:
        fields["running"] = f"a turn, its lease lasts until {local_time(line.held_until)}"
    if line.approval:
        fields["waiting"] = _waiting(line.approval)
    if detail.lifted_rules:
        fields["not asked"] = ", ".join(detail.lifted_rules)
    if detail.outbox:
        fields["outbox"] = f"{len(detail.outbox)} replies to be delivered"
    for dead in detail.undelivered:
        fields[f"not delivered, turn {dead.turn}"] = f"{dead.error} ({dead.tries} tries, {local_time(dead.at)})"
    for each in detail.interrupted:
        fields["interrupted"] = f"message {each.message_id}: its next delivery finishes it"
    return fields


def _waiting(approval: Approval) -> str:
    who = approval.sender or "anybody in the chat"
    until = local_time(approval.expires_at)
    return f"question {approval.id} to {who}, until {until}: {approval.tool}: {approval.summary}"


def _print_turn(line: LedgerLine) -> None:
    print_text(f"\nturn {line.turn}, {local_time(line.at)}, ${line.usd:.4f}")
    print_text(f"  {line.sender or 'user'}: {line.text}")
    for came in line.attached:
        print_text(f"    with {came.path} ({came.mime or 'unknown type'}, {came.size:,} bytes){_gone(came)}")
    print_text(f"  agent: {line.reply}")
    for sent in line.files:
        print_text(f"    sends {sent.path} ({sent.size:,} bytes) {sent.caption}".rstrip())


def _gone(came: Attached) -> str:
    return "" if came.digest else ", which the turn has not left there"
