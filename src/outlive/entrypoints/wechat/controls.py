"""Commands of a WeChat chat: each takes effect at once, round the queue, and answers in a few words."""

from __future__ import annotations

from outlive.channels.wechat.decisions import COMMANDS, FOR_OWNERS, Control
from outlive.core.wording import counted
from outlive.entrypoints import chat_commands
from outlive.entrypoints.chat_commands import Said, counted_waiting, run_command
from outlive.entrypoints.wechat.opening import Desk
from outlive.errors import NotFound, OutliveError, Refused, Unavailable
from outlive.flows.delivery.control_session import Stopping, new_session, session_status, stop_session
from outlive.flows.delivery.pair_sender import find_pairing
from outlive.flows.engine import Engine
from outlive.wiring import App


async def run_control(desk: Desk, control: Control) -> str:
    """What to answer. `Unavailable` when the stores do not answer: the vendor sends the command again."""
    try:
        if control.name in FOR_OWNERS and not await _is_owner(desk, control):
            raise Refused(f"/{control.name} is for owners.", fix="OUTLIVE_WECHAT_OWNERS names them.")
        return (await _answer(desk.app, control)).replace("`", "")
    except Unavailable:
        raise
    except OutliveError as error:
        return f"That did not work: {error}"


async def _is_owner(desk: Desk, control: Control) -> bool:
    if control.sender in desk.rules.owners:
        return True
    pairing = await find_pairing(desk.app.engine, desk.app.stores, control.key.channel, control.sender)
    return pairing is not None and pairing.is_owner


async def _answer(app: App, control: Control) -> str:
    engine, by = app.engine, f"{control.key.channel}:{control.sender}"
    match control.name:
        case "stop":
            stopping = await stop_session(engine, control.key, by=by)
            return "Stopping." if stopping is Stopping.ASKED else "Nothing is running here."
        case "new":
            await new_session(engine, control.key)
            return "A new session begins with your next message."
        case "status":
            return await _status(engine, control)
        case "whoami":
            return f"You are {control.sender}.\nSession key: {control.key}"
        case name if name in chat_commands.COMMANDS:
            return await run_command(name, Said(app, control.key, control.argument, by))
        case _:
            return "\n".join(f"/{name} - {words}" for name, words in COMMANDS.items())


async def _status(engine: Engine, control: Control) -> str:
    try:
        status = await session_status(engine, control.key)
    except NotFound:
        return "No session yet."
    asks = f"\nI wait for your word on {status.question.tool}: {status.question.summary}" if status.question else ""
    running = "A turn runs" if status.running else "Nothing runs"
    return (
        f"Session {status.session_id}, {counted(status.turns, 'turn')}, ${status.usd:.4f}.\n"
        f"{running}, {counted_waiting(status.waiting)}.{asks}"
    )
