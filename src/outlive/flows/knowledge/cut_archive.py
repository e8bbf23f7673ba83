"""The old end of the audit log cut off, so that what is left still verifies."""

from __future__ import annotations

from outlive.core.audit_chain import (
    AUDIT,
    Segment,
    Tail,
    check_link,
    cut_entry,
    decode_segment,
    is_only_cuts,
    is_over,
    segment_key,
)
from outlive.flows.engine import Engine
from outlive.flows.knowledge.audit_ends import record_anchor, recorded_anchor, recorded_tail
from outlive.flows.knowledge.keep_archive import append_audit, settle_last
from outlive.flows.list_all import list_all
from outlive.flows.retry import retrying
from outlive.flows.sessions.sweep_session import remove_from
from outlive.flows.tenant_stores import TenantStores


async def cut_audit(engine: Engine, stores: TenantStores, before: float) -> int:
    """Remove the segments at the beginning whose entries are all older than `before` (epoch seconds); how many.

    First the log itself says that it is cut, and where; then the table; then they go. Killed in between, the next one
    ends it, and the log verifies at every moment. Each segment is checked before it goes: `Corrupt` names a damaged
    one, and nothing is removed.
    """
    await settle_last(engine, stores)
    anchor = await recorded_anchor(engine, stores)
    over, newest = await _over(engine, stores, anchor, before)
    if any(not is_only_cuts(segment) for segment in over):
        anchor = newest
        await append_audit(engine, stores, [cut_entry(anchor, engine.clock.now())])
        await record_anchor(engine, stores, anchor)
    listed = await list_all(stores.archive, AUDIT, engine.clock)
    names = [info.key for info in listed if info.key <= segment_key(anchor.number)]
    await remove_from(stores.archive, engine.clock, names)
    return len(names)


async def _over(engine: Engine, stores: TenantStores, anchor: Tail, before: float) -> tuple[list[Segment], Tail]:
    """The segments behind the anchor that are over, and the last of them."""
    end = (await recorded_tail(engine, stores)).number
    found: list[Segment] = []
    while anchor.number < end:
        name = segment_key(anchor.number + 1)
        raw = await retrying(lambda name=name: stores.archive.get(name), engine.clock)  # type: ignore[misc]
        segment = decode_segment(raw, name)
        if not is_over(segment, before):
            break
        anchor = check_link(raw, segment, anchor, name)
        found.append(segment)
    return found, anchor
