"""What an operator does to sessions while they are used: sweep, rewind, fork, erase, begin anew."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from outlive.core.keys import SessionKey
from outlive.errors import OutliveError
from outlive.flows.delivery.control_session import new_session
from outlive.flows.delivery.link_sessions import create_link, redeem_link, remove_link
from outlive.flows.engine import Engine
from outlive.flows.sessions.erase_session import erase_session
from outlive.flows.sessions.fork_session import fork_session
from outlive.flows.sessions.rewind_session import rewind_session
from outlive.flows.sessions.sweep_tenant import sweep_tenant
from outlive.flows.turn.find_session import find_head, find_session
from outlive.testing.simulation.scenarios import Operation
from outlive.testing.simulation.universe import Universe


async def operate(universe: Universe, operation: Operation) -> None:
    """Do it once, by a process that meets the same faults as any."""
    await asyncio.sleep(operation.at)
    universe.weather.kinds[f"operator: {operation.what}"] += 1
    process = universe.process("operator", universe.random.choice((0.0, 0.0, 0.0, -3600.0, 3600.0)))
    engine = universe.engine(process)

    async def work() -> None:
        with suppress(OutliveError):
            await _do(universe, engine, operation.what, operation.key)

    await universe.run(process, work)


async def _do(universe: Universe, engine: Engine, what: str, key: SessionKey) -> None:
    stores = engine.stores(key.tenant)
    match what:
        case "sweep":
            await sweep_tenant(engine, stores)
        case "new":
            await new_session(engine, key)
        case "link":
            code, _ = await create_link(engine, key)
            await redeem_link(engine, universe.random.choice(_others(universe, key)), code)
        case "unlink":
            await remove_link(engine, key)
        case "fork":
            await fork_session(engine, stores, await find_session(engine, stores, key))
        case "erase":
            force = universe.random.random() < 0.5
            await erase_session(engine, stores, await find_session(engine, stores, key), force=force)
        case "rewind":
            session_id = await find_session(engine, stores, key)
            head = await find_head(engine, stores, session_id)
            version = universe.random.randint(1, max(head.version, 1))
            await rewind_session(engine, stores, session_id, version)


def _others(universe: Universe, key: SessionKey) -> list[SessionKey]:
    """Chats of the same tenant, one at least: the key itself where it is alone, and that is refused."""
    keys = {sending.key for sending in universe.scenario.sendings if sending.key.tenant == key.tenant}
    return sorted(keys - {key}, key=str) or [key]
