"""The bot's commands: each takes effect at once, round the queue, and answers in a few words."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from outlive.channels.telegram.commands import COMMANDS, FOR_OWNERS
from outlive.channels.telegram.decisions import Control
from outlive.channels.telegram.rules import CHANNEL
from outlive.core.approvals import answer_in, answer_text
from outlive.core.keys import SessionKey, mapping_key, parse_session_id
from outlive.core.messages import Inbound
from outlive.core.sessions import Head
from outlive.entrypoints.telegram.opening import Bot
from outlive.errors import NotFound, OutliveError, Refused
from outlive.flows.accept_message import accept_message
from outlive.flows.delivery.control_session import Stopping, new_session, session_status, stop_session
from outlive.flows.delivery.pair_sender import find_pairing
from outlive.flows.retry import retrying
from outlive.flows.sessions.export_session import export_session
from outlive.flows.sessions.list_sessions import list_sessions
from outlive.flows.tenant_stores import TenantStores
from outlive.flows.turn.find_session import find_head, find_mapping, find_session, point_key

LISTED = 20

Handler = Callable[["Controls", Control], Awaitable[str]]


@dataclass
class Controls:
    """Runs commands and buttons. This is the one place where a control of Telegram becomes an act of the engine."""

    bot: Bot

    async def run(self, control: Control) -> str:
        """What to answer, as Markdown; empty for nothing. `Refused` when the sender may not."""
        if control.callback_id:
            await self._release_button(control)
        if control.name in FOR_OWNERS and not await self._is_owner(control.sender):
            raise Refused(f"/{control.name} is for the bot's owners.", fix="OUTLIVE_TELEGRAM_OWNERS names them.")
        return await HANDLERS[control.name](self, control)

    async def _release_button(self, control: Control) -> None:
        """Telegram shows a spinner until then; a press that is too old needs no answer."""
        try:
            await self.bot.channel.bot.call("answerCallbackQuery", {"callback_query_id": control.callback_id})
        except NotFound:
            return
        except OutliveError as error:
            if "too old" not in error.message:
                raise

    async def _is_owner(self, sender: str) -> bool:
        if int(sender) in self.bot.rules.owners:
            return True
        app = self.bot.app
        pairing = await find_pairing(app.engine, app.stores, CHANNEL, sender)
        return pairing is not None and pairing.is_owner

    def stores(self, key: SessionKey) -> TenantStores:
        """The stores of the chat's tenant."""
        return self.bot.app.engine.stores(key.tenant)

    async def head(self, key: SessionKey) -> Head | None:
        """The head of the session behind a key; None when there is no session yet."""
        engine, stores = self.bot.app.engine, self.stores(key)
        mapping = await find_mapping(engine, stores, key)
        return await find_head(engine, stores, mapping.session_id) if mapping else None


async def _help(_controls: Controls, control: Control) -> str:
    lines = [f"/{name} - {words}" for name, words in COMMANDS.items()]
    hello = "Hello. Write to me, and I remember it here.\n\n" if control.name == "start" else ""
    return hello + "\n".join(lines)


async def _whoami(_controls: Controls, control: Control) -> str:
    topic = f", topic {control.place.thread_id}" if control.place.thread_id else ""
    return f"You are {control.sender}. This chat is {control.place.chat_id}{topic}.\nSession key: `{control.key}`"


async def _new(controls: Controls, control: Control) -> str:
    await new_session(controls.bot.app.engine, control.key)
    return "A new session begins with your next message. /sessions lists the old ones."


async def _stop(controls: Controls, control: Control) -> str:
    stopping = await stop_session(controls.bot.app.engine, control.key, by=f"{CHANNEL}:{control.sender}")
    return "Stopping." if stopping is Stopping.ASKED else "Nothing is running here."


async def _status(controls: Controls, control: Control) -> str:
    try:
        status = await session_status(controls.bot.app.engine, control.key)
    except NotFound:
        return "No session yet."
    summary = [
        f"Session `{status.session_id}`, {status.turns} turns, ${status.usd:.4f}.",
        f"{'A turn runs' if status.running else 'Nothing runs'}, {status.waiting} messages wait.",
        f"Model: {_model_name(controls)}.",
    ]
    if status.undelivered:
        summary.append(f"{status.undelivered} replies are to be sent again.")
    if status.question:
        summary.append(f"I wait for your word on {status.question.tool}: {status.question.summary}")
    return "\n".join(summary)


async def _sessions(controls: Controls, control: Control) -> str:
    lines: list[str] = []
    after: str | None = ""
    while after is not None and len(lines) < LISTED:
        page = await list_sessions(controls.bot.app.engine, controls.stores(control.key), after=after, limit=100)
        lines += [f"`{each.session_id}` {each.turns} turns" for each in page.sessions if each.key == str(control.key)]
        after = page.after
    return "\n".join(lines[:LISTED]) or "No session yet."


async def _resume(controls: Controls, control: Control) -> str:
    engine, stores, key = controls.bot.app.engine, controls.stores(control.key), control.key
    head = await find_head(engine, stores, parse_session_id(control.argument))
    if head.key != str(key):
        raise NotFound("that session is not one of this chat.", fix="/sessions lists them.")
    row = await retrying(lambda: stores.table.read(mapping_key(key)), engine.clock)
    await point_key(engine, stores, key, head.session_id, row)
    return f"Back in `{head.session_id}` with {head.summary.turns} turns."


async def _model(controls: Controls, control: Control) -> str:
    more = " It is chosen where I am started: OUTLIVE_MODEL." if control.argument else ""
    return f"Model: {_model_name(controls)}.{more}"


def _model_name(controls: Controls) -> str:
    model = controls.bot.app.model
    return model.model or ("scripted, not a language model" if model.provider == "scripted" else "the agent's own")


async def _debug(controls: Controls, control: Control) -> str:
    head = await controls.head(control.key)
    if head is None:
        return "No session yet."
    return (
        f"Session `{head.session_id}`, version {head.version}, profile {head.profile}\n"
        f"agent session `{head.agent_session_id}`\nprompt {head.prompt_version or '-'}, packs {len(head.packs)}, "
        f"ledger {head.ledger_size:,} bytes, outbox {len(head.outbox)}, region {head.last_active_region}"
    )


async def _export(controls: Controls, control: Control) -> str:
    engine, stores = controls.bot.app.engine, controls.stores(control.key)
    session_id = await find_session(engine, stores, control.key)
    with tempfile.TemporaryDirectory(prefix="outlive-") as folder:
        path = Path(folder) / f"{session_id}.tar.zst"
        await export_session(engine, stores, session_id, path)
        data = await asyncio.to_thread(path.read_bytes)
    await controls.bot.channel.send_file(control.key, path.name, data)
    return ""


async def _button(controls: Controls, control: Control) -> str:
    """The answer to a question of the agent goes through the queue: the session waits for it."""
    answer = answer_in(control.argument)
    if answer is None:
        return f"I do not know this button ({control.argument})."
    engine = controls.bot.app.engine
    text, now = answer_text(answer), engine.clock.now()
    inbound = Inbound(control.key, control.message_id, text, now, control.sender, answer)
    await accept_message(engine.queue, inbound, engine.clock, engine.telemetry)
    return ""


HANDLERS: Mapping[str, Handler] = {
    "start": _help,
    "help": _help,
    "new": _new,
    "stop": _stop,
    "status": _status,
    "sessions": _sessions,
    "resume": _resume,
    "model": _model,
    "debug": _debug,
    "export": _export,
    "whoami": _whoami,
    "button": _button,
}
