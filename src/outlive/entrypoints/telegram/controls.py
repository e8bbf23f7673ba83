"""The bot's commands: each takes effect at once, round the queue, and answers in a few words."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from outlive.channels.telegram.commands import COMMANDS, FOR_OWNERS
from outlive.channels.telegram.decisions import Control
from outlive.channels.telegram.rules import CHANNEL
from outlive.core.answers import answer_in, answer_text
from outlive.core.messages import Inbound
from outlive.core.wording import counted
from outlive.entrypoints import chat_commands
from outlive.entrypoints.chat_commands import Said, counted_waiting, exported, model_of, run_command
from outlive.entrypoints.telegram.opening import Bot
from outlive.errors import NotFound, OutliveError, Refused
from outlive.flows.accept_message import accept_message
from outlive.flows.delivery.control_session import Stopping, new_session, session_status, stop_session
from outlive.flows.delivery.pair_sender import find_pairing

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
        f"Session `{status.session_id}`, {counted(status.turns, 'turn')}, ${status.usd:.4f}.",
        f"{'A turn runs' if status.running else 'Nothing runs'}, {counted_waiting(status.waiting)}.",
        f"Model: {await model_of(controls.bot.app, control.key)}.",
    ]
    if status.undelivered:
        summary.append(f"{status.undelivered} of my replies could not be sent yet; I try again.")
    if status.question:
        summary.append(f"I wait for your word on {status.question.tool}: {status.question.summary}")
    return "\n".join(summary)


async def _shared(controls: Controls, control: Control) -> str:
    """What means the same in every chat."""
    said = Said(controls.bot.app, control.key, control.argument, f"{CHANNEL}:{control.sender}")
    return await run_command(control.name, said)


async def _export(controls: Controls, control: Control) -> str:
    name, data = await exported(controls.bot.app, control.key)
    await controls.bot.channel.send_file(control.key, name, data)
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
    **dict.fromkeys(chat_commands.COMMANDS, _shared),
    "start": _help,
    "help": _help,
    "new": _new,
    "stop": _stop,
    "status": _status,
    "export": _export,
    "whoami": _whoami,
    "button": _button,
}
