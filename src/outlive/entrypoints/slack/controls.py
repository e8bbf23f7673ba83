"""The app's commands: each takes effect at once, round the queue, and answers in a few words."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from outlive.channels.slack.commands import COMMANDS, FOR_OWNERS, SLASH
from outlive.channels.slack.decisions import Control
from outlive.channels.slack.rules import CHANNEL
from outlive.core.keys import SessionKey, parse_session_key
from outlive.core.wording import counted
from outlive.entrypoints import chat_commands
from outlive.entrypoints.chat_commands import Said, counted_waiting, exported, run_command
from outlive.entrypoints.slack.opening import Bot
from outlive.errors import NotFound, Refused
from outlive.flows.delivery.control_session import Stopping, new_session, session_status, stop_session
from outlive.flows.delivery.pair_sender import find_pairing
from outlive.flows.sessions.list_sessions import MAX_PAGE, list_sessions

ANYWHERE = frozenset({"help", "stop", "whoami"})
"""Commands that need no thread to be about."""

Handler = Callable[["Controls", Control], Awaitable[str]]


@dataclass
class Controls:
    """Runs commands and Stop buttons. This is the one place where a control of Slack becomes an act of the engine."""

    bot: Bot

    async def run(self, control: Control) -> str:
        """What to answer, as Markdown; empty for nothing. `Refused` when the sender may not."""
        if control.name in FOR_OWNERS and not await self._is_owner(control.sender):
            raise Refused(f"{control.name} is for the app's owners.", fix="OUTLIVE_SLACK_OWNERS names them.")
        if control.response_url and not control.place.is_private and control.name in COMMANDS.keys() - ANYWHERE:
            return f"Write `!{control.name}` in the thread that it is about: slash commands know no threads."
        return await HANDLERS.get(control.name, _help)(self, control)

    async def _is_owner(self, sender: str) -> bool:
        if sender in self.bot.rules.owners:
            return True
        app = self.bot.app
        pairing = await find_pairing(app.engine, app.stores, CHANNEL, sender)
        return pairing is not None and pairing.is_owner

    async def running(self, key: SessionKey) -> list[SessionKey]:
        """The sessions of the key's channel that run a turn now."""
        engine, found = self.bot.app.engine, []
        after: str | None = ""
        while after is not None:
            page = await list_sessions(engine, engine.stores(key.tenant), after=after, limit=MAX_PAGE)
            keys = [parse_session_key(each.key) for each in page.sessions if each.held_until]
            found += [each for each in keys if (each.channel, each.chat_id) == (key.channel, key.chat_id)]
            after = page.after
        return found


async def _help(_controls: Controls, _control: Control) -> str:
    lines = [f"`!{name}` {words}" for name, words in COMMANDS.items()]
    return "\n".join([*lines, "", f"Slack knows them as `{SLASH} COMMAND`, too, but not in threads."])


async def _whoami(_controls: Controls, control: Control) -> str:
    return f"You are `{control.sender}`. This is `{control.place.channel}`.\nSession key: `{control.key}`"


async def _new(controls: Controls, control: Control) -> str:
    await new_session(controls.bot.app.engine, control.key)
    return "A new session begins with your next message here. The old one is kept."


async def _stop(controls: Controls, control: Control) -> str:
    """A slash command knows no thread: it stops whatever runs in its channel."""
    engine, by = controls.bot.app.engine, control.sender
    keys = await controls.running(control.key) if control.response_url else [control.key]
    done = [await stop_session(engine, key, by=by) for key in keys]
    return str((Stopping.ASKED if Stopping.ASKED in done else Stopping.IDLE).value)


async def _status(controls: Controls, control: Control) -> str:
    try:
        status = await session_status(controls.bot.app.engine, control.key)
    except NotFound:
        return "No session here yet."
    asked = f"\nIt waits for an answer: may it use {status.question.tool}?" if status.question else ""
    doing = "A turn is running." if status.running else "Nothing is running."
    which = f"Session `{status.session_id}`, {counted(status.turns, 'turn')}, ${status.usd:.4f}."
    return f"{which}\n{doing} {counted_waiting(status.waiting).capitalize()}.{asked}"


async def _shared(controls: Controls, control: Control) -> str:
    """What means the same in every chat."""
    said = Said(controls.bot.app, control.key, control.argument, f"{CHANNEL}:{control.sender}", "!")
    return await run_command(control.name, said)


async def _export(controls: Controls, control: Control) -> str:
    name, data = await exported(controls.bot.app, control.key)
    await controls.bot.channel.send_file(control.key, name, data)
    return ""


HANDLERS: Mapping[str, Handler] = {
    **dict.fromkeys(chat_commands.COMMANDS, _shared),
    "help": _help,
    "new": _new,
    "stop": _stop,
    "status": _status,
    "whoami": _whoami,
    "export": _export,
}
