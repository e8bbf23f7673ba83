"""What must be true of approvals and money in the end."""

from __future__ import annotations

from typing import Any

from outlive.core.keys import SPENDING_KEY
from outlive.core.sessions import Head, decode_head
from outlive.core.spending import decode_spending
from outlive.flows.engine import Engine
from outlive.flows.tenant_stores import TenantStores
from outlive.flows.turn.read_ledger import read_file
from outlive.testing.simulation.asking_agent import digest_of
from outlive.testing.simulation.controls import LEAST
from outlive.testing.simulation.controls_monitor import ControlsMonitor
from outlive.testing.simulation.universe import Universe


def check_money(universe: Universe, monitor: ControlsMonitor, tenant: str) -> None:
    """What is counted, and what the record still says is to be counted, is what the turns have cost.

    Of a session that was erased nothing more can be counted.
    """
    rows = universe.servers.memory.rows
    row = rows.get(f"{tenant}/{SPENDING_KEY}")
    spending, money = decode_spending(row.body if row else None, SPENDING_KEY), monitor.of(tenant)
    left = 0.0
    for entry in spending.entries:
        head = rows.get(f"{tenant}/head/{entry.session_id}")
        if entry.fence and head is not None:
            left += max(decode_head(head.body, head.key).summary.usd - entry.counted, 0.0)
    found = sum(spending.days.values()) + left
    if not money.committed - money.gone - LEAST <= found <= money.committed + LEAST:
        monitor.fail("money was not counted", f"{tenant}: {found} of {money}")


def count_ends(universe: Universe, monitor: ControlsMonitor) -> None:
    """Add to the figures how turns have ended."""
    universe.weather.kinds.update(f"turn: {line.stop_reason}" for line in monitor.lines.values())


async def check_calls(
    monitor: ControlsMonitor, engine: Engine, stores: TenantStores, head: Head, entries: list[dict[str, Any]]
) -> None:
    """A call has one result at most; what was made was allowed, and is in the tree; what waits is what is asked."""
    results: dict[str, list[str]] = {}
    for entry in entries:
        if entry["type"] == "call":
            results[digest_of(entry["message"]["content"])] = []
        elif entry["type"] == "result":
            word, _, digest = entry["message"]["content"].partition(" ")
            results[digest].append(word)
    told = f"session {head.session_id}, version {head.version}: {results}"
    if any(len(words) > 1 for words in results.values()):
        monitor.fail("a call has two results", told)
    made = {digest for digest, words in results.items() if words == ["made"]}
    if not made <= monitor.allowed:
        monitor.fail("a call was kept that nobody allowed", told)
    for digest in results:
        is_there = await read_file(engine, stores, head, f"work/made-{digest}.txt") is not None
        if is_there is not (digest in made):
            monitor.fail("files that do not fit the calls", f"{told}: {digest}")
    waiting = [digest for digest, words in results.items() if not words]
    if head.approval is not None and waiting != [head.approval.digest]:
        monitor.fail("a question about no call", f"{told}: {head.approval}")
