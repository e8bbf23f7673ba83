"""What must be true in the end, read by a process that nothing happens to."""

from __future__ import annotations

import asyncio

from outlive.core.keys import SessionId
from outlive.core.ledger import lines_of
from outlive.core.sessions import Head, decode_head
from outlive.core.transcripts import unknown_parents
from outlive.errors import OutliveError
from outlive.flows.engine import Engine
from outlive.flows.sessions.sweep_tenant import sweep_tenant
from outlive.flows.sessions.walk_history import list_packs, walk_history
from outlive.flows.tenant_stores import TenantStores
from outlive.flows.turn.hold_lease import Busy, acquire
from outlive.flows.turn.read_ledger import read_file
from outlive.testing.simulation.agent import NOTES, TRANSCRIPTS, entries_in, prompts_in
from outlive.testing.simulation.controls_monitor import ControlsMonitor
from outlive.testing.simulation.controls_verdict import check_calls, check_money, count_ends
from outlive.testing.simulation.universe import Universe

SETTLED_AFTER = 2 * 3600.0 + 60.0
"""By then no lease runs any more, whichever clock it was taken by, and a sweep may touch everything."""
TENANTS = ("acme", "umbra")


async def check_in_the_end(universe: Universe) -> None:
    """Stop the workers, let every lease run out, sweep, and compare what is stored with what was promised."""
    monitor = universe.monitor
    if monitor.violation is not None:
        return
    await _stop_workers(universe)
    process = universe.process("observer")
    engine = universe.engine(process, calm=True)

    async def look() -> None:
        _check_messages(universe)
        if isinstance(monitor, ControlsMonitor):
            count_ends(universe, monitor)
        _check_leases(universe)
        await asyncio.sleep(SETTLED_AFTER)
        for tenant in TENANTS:
            stores = engine.stores(tenant)
            if not _has_anything(universe, tenant):
                continue
            swept = await sweep_tenant(engine, stores)
            if swept.damaged or swept.held:
                monitor.fail("damaged or held in the end", f"{swept.damaged} {swept.held}")
            await _check_tenant(universe, engine, stores)

    try:
        await universe.run(process, look)
    except OutliveError as error:
        monitor.fail("cannot be read in the end", f"{type(error).__name__}: {error}")


def _has_anything(universe: Universe, tenant: str) -> bool:
    memory = universe.servers.memory
    return any(key.startswith(f"{tenant}/") for key in (*memory.rows, *memory.blobs))


async def _stop_workers(universe: Universe) -> None:
    for stop in universe.stops.values():
        stop.set()
    await asyncio.sleep(30.0)
    for process in universe.workers.values():
        process.die()


def _check_messages(universe: Universe) -> None:
    """Every accepted message has its turn, and every turn its reply."""
    monitor = universe.monitor
    for place in sorted(monitor.accepted):
        if place not in monitor.committed:
            monitor.fail("a message was lost", f"{place} was accepted and has no turn")
    for place in sorted(monitor.committed):
        if not monitor.delivered[place] and place not in monitor.given_up and place not in monitor.forgotten:
            monitor.fail("a reply was never sent", f"{place}")


def _check_leases(universe: Universe) -> None:
    """A lease that was taken when nothing went wrong has been given back."""
    for key, row in sorted(universe.servers.memory.rows.items()):
        belief = universe.monitor.sessions.get(key.rpartition("/")[-1])
        if belief and belief.taken_in_peace and row.owner is not None:
            universe.monitor.fail("a lease was not given back", f"{key} is held by {row.owner}")


async def _check_tenant(universe: Universe, engine: Engine, stores: TenantStores) -> None:
    heads = {}
    for key, row in sorted(universe.servers.memory.rows.items()):
        if key.startswith(f"{stores.tenant}/head/"):
            heads[key.rsplit("/", 1)[-1]] = decode_head(row.body, key)
    if isinstance(universe.monitor, ControlsMonitor):
        check_money(universe, universe.monitor, stores.tenant)
    for session_id, head in heads.items():
        await _check_session(universe, engine, stores, head)
        lease = await acquire(engine, stores.table, SessionId(session_id))
        if isinstance(lease, Busy):
            universe.monitor.fail("an orphan lease", f"session {session_id} cannot be taken")
        else:
            await lease.release()
    for key in universe.servers.memory.blobs:
        tenant, kind, name, *_ = key.split("/")
        if tenant == stores.tenant and kind == "sessions" and name not in heads:
            universe.monitor.fail("objects of no session", key)


async def _check_session(universe: Universe, engine: Engine, stores: TenantStores, head: Head) -> None:
    monitor, name = universe.monitor, head.session_id
    belief = monitor.sessions[name]
    if belief.erased:
        return
    ledger = await read_file(engine, stores, head, "ledger.jsonl") or b""
    answered = [line.message_id for line in lines_of(ledger)]
    if answered != belief.answered:
        monitor.fail("the ledger is not what was committed", f"session {name}: {answered}, not {belief.answered}")
    numbers = [line.turn for line in lines_of(ledger)]
    if numbers != list(range(1, len(numbers) + 1)):
        monitor.fail("turns out of order", f"session {name}: {numbers}")
    said = belief.turns[head.version]
    content = await read_file(engine, stores, head, f"{TRANSCRIPTS}{head.agent_session_id}.jsonl") or b""
    if missing := unknown_parents(content):
        monitor.fail("a hole in a transcript", f"session {name}: {missing}")
    told = tuple(prompt.split(" ")[1] for prompt in prompts_in(entries_in(content)))
    if told != said:
        monitor.fail("another conversation", f"session {name}, version {head.version}: {told}, not {said}")
    notes = await read_file(engine, stores, head, NOTES) or b""
    if notes.decode() != "\n".join(prompts_in(entries_in(content))):
        monitor.fail("files that do not fit the transcript", f"session {name}, version {head.version}")
    if isinstance(monitor, ControlsMonitor):
        await check_calls(monitor, engine, stores, head, entries_in(content))
    await _check_history(universe, engine, stores, head)


async def _check_history(universe: Universe, engine: Engine, stores: TenantStores, head: Head) -> None:
    """Every version that is to be kept can still be restored."""
    if not head.version:
        return
    packs = await list_packs(engine, stores, head.session_id)
    found = [each.number async for each in walk_history(engine, stores, head, packs)]
    if sorted(found) != list(range(1, head.version + 1)):
        universe.monitor.fail("a kept version is gone", f"session {head.session_id}: {found} of {head.version}")
