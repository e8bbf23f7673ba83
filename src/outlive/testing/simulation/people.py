"""People in histories with controls: who answers the agent's questions, and who sets limits and throws the switch."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from contextvars import copy_context

from outlive.core.answers import Answer, answer_text
from outlive.core.keys import SessionKey, parse_session_key
from outlive.core.messages import Inbound
from outlive.errors import OutliveError
from outlive.flows.engine import Engine
from outlive.flows.limits.change_limits import set_quotas, start_turns, stop_turns
from outlive.flows.sessions.list_approvals import open_question
from outlive.flows.turn.find_session import find_session
from outlive.protocols import Approval, Reply
from outlive.testing.clock import START
from outlive.testing.simulation.control_history import EVERYONE, STOPPED
from outlive.testing.simulation.controls import LIMIT, OPERATOR, Controls, Deed, Say, Spoken
from outlive.testing.simulation.controls_monitor import ControlsMonitor
from outlive.testing.simulation.processes import CURRENT
from outlive.testing.simulation.universe import Universe


class People:
    """All of one history."""

    def __init__(self, universe: Universe, controls: Controls, monitor: ControlsMonitor) -> None:
        self._universe, self._controls, self._monitor = universe, controls, monitor
        self._heard: dict[str, int] = {}
        """Digest of a question -> its number."""

    # -------------------------------------------------------------------------------------- answering

    def hear(self, reply: Reply) -> None:
        """A channel shows a reply; what it asks for the first time is answered, or not."""
        question = reply.question
        if question is None or question.digest in self._heard:
            return
        number = self._heard[question.digest] = len(self._heard)
        self._universe.weather.kinds["questions"] += 1
        context = copy_context()
        context.run(CURRENT.set, None)  # who answers is no part of the worker that has asked
        says = self._controls.people[number] if number < len(self._controls.people) else ()
        for place, say in enumerate(says):
            answering = self._answer(parse_session_key(reply.session_key), question, say, f"a{number}-{place}")
            self._universe.people.append(asyncio.get_running_loop().create_task(answering, context=context))

    async def _answer(self, key: SessionKey, question: Approval, say: Say, message_id: str) -> None:
        await asyncio.sleep(say.after)
        approval_id = "00000000" if say.is_wrong else question.id
        sender = say.by
        if say.by == OPERATOR:
            found = await self._looked_up(key)
            if found is None:
                return
            approval_id, sender = found.id, found.sender
        self._universe.weather.kinds[f"answer: {say.choice}"] += 1
        now = START + asyncio.get_running_loop().time()
        answer = Answer(approval_id, say.choice)
        self._monitor.spoken[message_id] = Spoken(answer, sender, now)
        is_button = message_id.endswith("1")
        given = Inbound(key, message_id, answer_text(answer), now, sender, answer if is_button else None)
        await self._universe.take_in(given)
        if say.again is not None:
            await asyncio.sleep(say.again)
            await self._universe.take_in(given)

    async def _looked_up(self, key: SessionKey) -> Approval | None:
        """The open question as `outlive approvals answer` finds it, in a process of its own; None when it fails."""
        process = self._universe.process("operator")
        engine = self._universe.engine(process)
        found: list[Approval] = []

        async def look() -> None:
            with suppress(OutliveError):
                stores = engine.stores(key.tenant)
                session_id = await find_session(engine, stores, key)
                found.append((await open_question(engine, stores, session_id)).approval)

        await self._universe.run(process, look)
        return found[0] if found else None

    # ---------------------------------------------------------------------------------------- operating

    async def do(self, deed: Deed) -> None:
        """Do it, by a process that meets the same faults as any; what was done without an error is there."""
        await asyncio.sleep(deed.at)
        universe, controls = self._universe, self._monitor.controls
        universe.weather.kinds[f"operator: {deed.what}{'' if deed.tenant else ' all'}"] += 1
        process = universe.process("operator", universe.random.choice((0.0, 0.0, -3600.0, 3600.0)))
        engine = universe.engine(process)
        names = [name for name, _ in deed.limits] if deed.what == LIMIT else [STOPPED]
        controls.fields[process.name] = frozenset(names)
        began = asyncio.get_running_loop().time()

        async def work() -> None:
            with suppress(OutliveError):
                await _do(engine, deed)
                if wrong := controls.is_missing(deed.tenant or EVERYONE, began, deed):
                    self._monitor.fail("an operator's word did not count", f"{process.name}: {deed}: {wrong}")

        await universe.run(process, work)


async def _do(engine: Engine, deed: Deed) -> None:
    stores = engine.stores(deed.tenant) if deed.tenant else None
    match deed.what:
        case "stop":
            await stop_turns(engine, stores, reason=f"at {deed.at}", by="operator")
        case "start":
            await start_turns(engine, stores)
        case _:
            await set_quotas(engine, stores, dict(deed.limits))
