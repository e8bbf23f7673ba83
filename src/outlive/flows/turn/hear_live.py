"""The live text of other processes' turns as they tell it: an extra beside the record, which is read all the same."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress

from outlive.core.keys import SessionKey
from outlive.core.live import LiveState, live_topic
from outlive.errors import Unavailable
from outlive.flows.engine import Engine
from outlive.flows.turn.known_live import known_live
from outlive.flows.turn.tell_live import PAUSE


async def hear_live(engine: Engine, key: SessionKey) -> AsyncGenerator[LiveState, None]:
    """The states of the key's turns in other processes, until it is closed; none where nobody passes any on.

    A connection that is lost is made again after a few seconds. What was told meanwhile is in the record.
    """
    topic = live_topic(key.tenant, str(key))
    while engine.broadcast is not None:
        with suppress(Unavailable):
            async with aclosing(engine.broadcast.listen(topic)) as messages:
                async for body in messages:
                    state = known_live(engine, body, topic) if body else None  # an empty one: somebody listens now
                    if state is not None and not engine.live.runs(key, state.message_id):
                        yield state
        await engine.clock.sleep(PAUSE)
