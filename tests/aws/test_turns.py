"""What the agent function makes of a delivery, inside one process."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from outlive.aws.envelope import Envelope, pack
from outlive.core.messages import encode_inbound
from outlive.core.queued import Message
from outlive.entrypoints.aws_lambda.turns import _is_done
from outlive.protocols import AgentEvent, AgentTurn
from outlive.testing.instant_agent import InstantAgent
from tests.engine.conftest import KEY, World


async def test_a_function_that_dies_at_once_is_missed_soon(tmp_path: Path) -> None:
    """A message that Lambda took for 900 s is held only as long as any worker holds one when the agent begins."""
    world, held = World(tmp_path), list[float]()

    class Looking(InstantAgent):
        async def run(self, turn: AgentTurn) -> AsyncGenerator[AgentEvent, None]:
            held.append(world.server.waiting[0].visible_at - world.clock.now())
            async for event in super().run(turn):
                yield event

    world.agent = Looking()
    engine: Any = world.worker(visibility_seconds=120.0)
    await engine.queue.send(Message(str(KEY), "m1", encode_inbound(world.message("hello", "m1"))))
    taken = await engine.queue.receive(visibility=900, wait=0)
    record = {"messageId": taken.id, "receiptHandle": taken.receipt, "attributes": {"ApproximateReceiveCount": "1"}}
    app: Any = SimpleNamespace(engine=engine)
    assert await _is_done(app, record | {"body": pack(Envelope(taken.message, taken.sent_at))}, 900.0)
    assert 0 < held[0] <= 120
