"""A worker process in its home region: answers "one", begins "two", and never ends it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from outlive.flows.turn.ask_agent import ask_agent
from outlive.protocols import AgentEvent, AgentTurn, SessionSeen
from outlive.testing.instant_agent import InstantAgent
from outlive.wiring import open_app
from tests.engine.conftest import KEY


class HangingAgent(InstantAgent):
    """Hangs in "two", once what it was asked has been flushed."""

    async def run(self, turn: AgentTurn) -> AsyncGenerator[AgentEvent, None]:
        """As an agent that waits for its model."""
        async for event in super().run(turn):
            yield event
            if isinstance(event, SessionSeen) and turn.prompt == "two":
                await asyncio.sleep(1.5)
                print("flushed", flush=True)
                await asyncio.sleep(600)


async def main() -> None:
    """Run both."""
    async with open_app(agent=HangingAgent()) as app:
        await ask_agent(app.engine, KEY, "one", message_id="one")
        print("answered", flush=True)
        await ask_agent(app.engine, KEY, "two", message_id="two")


if __name__ == "__main__":
    asyncio.run(main())
