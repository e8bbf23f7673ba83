"""Commands of a WeChat chat: each takes effect at once, round the queue, and answers in a few words."""

from __future__ import annotations

from outlive.channels.wechat.decisions import COMMANDS, Control
from outlive.errors import NotFound, OutliveError, Unavailable
from outlive.flows.delivery.control_session import Stopping, new_session, session_status, stop_session
from outlive.flows.engine import Engine


async def run_control(engine: Engine, control: Control) -> str:
    """What to answer. `Unavailable` when the stores do not answer: the vendor sends the command again."""
    try:
        return await _answer(engine, control)
    except Unavailable:
        raise
    except OutliveError as error:
        return f"That did not work: {error}"


async def _answer(engine: Engine, control: Control) -> str:
    match control.name:
        case "stop":
            stopping = await stop_session(engine, control.key, by=f"{control.key.channel}:{control.sender}")
            return "Stopping." if stopping is Stopping.ASKED else "Nothing is running here."
        case "new":
            await new_session(engine, control.key)
            return "A new session begins with your next message."
        case "status":
            return await _status(engine, control)
        case "whoami":
            return f"You are {control.sender}.\nSession key: {control.key}"
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
        f"Session {status.session_id}, {status.turns} turns, ${status.usd:.4f}.\n"
        f"{running}, {status.waiting} messages wait.{asks}"
    )
