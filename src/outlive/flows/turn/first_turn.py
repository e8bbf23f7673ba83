"""What the first turn of a new session will be like, as far as that is known before anybody has written."""

from __future__ import annotations

from pathlib import Path

from outlive.flows.engine import Engine
from outlive.flows.turn.send_file import send_file
from outlive.flows.turn.turn_tools import TurnTools
from outlive.protocols import AgentTurn


def first_turn(engine: Engine) -> AgentTurn:
    """An order for the agent without a place and a message: this engine's profile, limits and tools.

    Tools as its first channel has them. A tenant with limits of its own, or another channel, may have another one.
    """
    quotas, tools = engine.policy.quotas, TurnTools()
    channel = next(iter(engine.channels), "console")
    return AgentTurn(
        root=Path(),
        prompt=None,
        agent_session_id=None,
        profile=engine.policy.profile,
        max_turns=quotas.max_agent_turns,
        max_usd=quotas.max_usd_per_turn,
        turn_seconds=quotas.turn_seconds,
        tools=(*tools.tools, send_file(engine, channel, tools)),
    )
