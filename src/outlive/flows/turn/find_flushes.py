"""What a dead holder left behind: the provisional packs of the turn it never committed."""

from __future__ import annotations

from outlive.core.keys import pack_prefix
from outlive.core.packs import PackName, parse_pack_name
from outlive.core.sessions import Head
from outlive.core.turns import Flush
from outlive.errors import Corrupt
from outlive.flows.engine import Engine
from outlive.flows.list_all import list_all
from outlive.flows.tenant_stores import TenantStores
from outlive.flows.turn.read_packs import pack_reader


async def find_flushes(engine: Engine, stores: TenantStores, head: Head) -> list[Flush]:
    """The newest pack of every unsettled fence that worked on the version after the head's.

    One listing, then one read per dead holder. A pack that is damaged or was cut off counts as not written. What a
    fence up to `clean_fence` left is nobody's any more: a sweep may be removing it.
    """
    prefix = f"{pack_prefix(head.session_id)}{head.version + 1:08x}-"
    newest: dict[int, PackName] = {}
    for info in await list_all(stores.objects, prefix, engine.clock):
        name = PackName(info.key.rsplit("/", 1)[-1])
        fence = parse_pack_name(name)[1]
        if fence > head.clean_fence:
            newest[fence] = name
    flushes = [await _read(engine, stores, head, name) for name in newest.values()]
    return [flush for flush in flushes if flush is not None]


async def _read(engine: Engine, stores: TenantStores, head: Head, name: PackName) -> Flush | None:
    reader = pack_reader(engine, stores, head.session_id)
    try:
        pack, ref = await reader.named(name)
    except Corrupt:
        return None
    index = pack.index
    if index["kind"] not in ("flush", "commit"):
        return None
    return Flush(
        ref=ref,
        fence=parse_pack_name(name)[1],
        message_id=index["message_id"],
        message=index.get("message", ""),
        agent_session_id=index["agent_session_id"],
        complete=index["kind"] == "commit",
        handed_over=index.get("handed_over", False),
    )
