"""Ask and wait: a turn for a caller that has no queue, patient while another worker holds the session."""

from __future__ import annotations

from outlive.core.keys import SessionKey
from outlive.core.messages import Inbound
from outlive.errors import Conflict
from outlive.flows.engine import Engine
from outlive.flows.run_turn import Turn, run_turn
from outlive.flows.turn.hold_lease import Busy
from outlive.protocols import OnEvent

PAUSE = 0.25


async def ask_agent(
    engine: Engine,
    key: SessionKey,
    text: str,
    *,
    message_id: str | None = None,
    task_id: str = "",
    wait_seconds: float = 60.0,
    on_event: OnEvent | None = None,
) -> Turn:
    """Run one turn; the same `message_id` again gives the same turn, not a second one.

    With a `task_id` the session can be found and gone on with by that id; see `flows.sessions.find_tasks`.

    `Conflict` when the session was busy for `wait_seconds`; otherwise as `run_turn`.
    """
    now = engine.clock.now()
    inbound = Inbound(key, message_id or engine.new_id(), text, now, task_id=task_id)
    while True:
        turn = await run_turn(engine, inbound, profile=engine.policy.profile, on_event=on_event)
        if isinstance(turn, Turn):
            return turn
        if isinstance(turn, Busy) and engine.clock.now() > now + wait_seconds:
            raise Conflict(f"session {key} is busy: {turn.reason}.", fix="Try again later.")
        await engine.clock.sleep(PAUSE)
