"""Whether a message that has left the head's window was answered: the ledger is read from its end, and not twice."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing

from outlive.core.ledger import PATH, LedgerLine, answered_in, decode_line
from outlive.core.manifests import Entry, Manifest
from outlive.core.messages import Inbound
from outlive.core.sessions import Head
from outlive.core.turns import CLOCK_MARGIN
from outlive.core.windows import chunks_between
from outlive.flows.engine import Engine
from outlive.flows.tenant_stores import TenantStores
from outlive.flows.turn.hydrate_tree import Hydrated
from outlive.flows.turn.read_packs import PackReader, pack_reader, stored_tree
from outlive.flows.turn.windowed_workspace import windowed
from outlive.protocols import Workspace

FIRST_BYTES, MOST_BYTES = 64 * 1024, 4 << 20
"""How much of a ledger is read first, and at once; each piece is twice as long as the one behind it."""


async def search_ledger(engine: Engine, stores: TenantStores, head: Head, message: Inbound) -> LedgerLine | None:
    """The line that answers the message, read from the packs; None when there is none."""
    if engine.answers.rules_out(stores.tenant, head, message.message_id, message.sent_at) or not head.packs:
        return None
    reader = pack_reader(engine, stores, head.session_id)
    newest = head.packs[-1]
    stored = await stored_tree(reader, newest, (await reader.fetch([newest]))[newest.name])
    return await _search(engine, stores, head, message, _stored(reader, stored.manifest, None))


async def search_ledger_here(
    engine: Engine, stores: TenantStores, head: Head, message: Inbound, tree: Hydrated, workspace: Workspace
) -> LedgerLine | None:
    """The same where the tree is on disk: packs are read only for what was left in them, and only if it matters."""
    if engine.answers.rules_out(stores.tenant, head, message.message_id, message.sent_at):
        return None
    return await _search(engine, stores, head, message, _on_disk(engine, stores, head, tree, workspace))


async def _search(
    engine: Engine, stores: TenantStores, head: Head, message: Inbound, pieces: AsyncGenerator[bytes, None]
) -> LedgerLine | None:
    """Look through the pieces, last ones first, as far back as the message can have been answered.

    A line was written when its turn was committed, so behind one that is older than the message by more than clocks
    differ there is nothing to be found. What was seen is remembered, unless a line could not be read.
    """
    since, seen, is_whole = message.sent_at - CLOCK_MARGIN, list[str](), True
    until = float("-inf")
    async with aclosing(_lines(pieces)) as lines:
        async for raw in lines:
            noted = answered_in(raw)
            if noted is None:
                is_whole = is_whole and not raw.strip()
                if json.dumps(message.message_id).encode() in raw:
                    return decode_line(raw)
                continue
            at, answered = noted
            if message.message_id in answered:
                return decode_line(raw)
            if at < since:
                until = since
                break
            seen += answered
    if is_whole:
        engine.answers.learn(stores.tenant, head, until, seen)
    return None


async def _lines(pieces: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    """The lines, last ones first, from pieces that are cut anywhere."""
    rest = b""
    async for piece in pieces:
        first, *others = piece.split(b"\n")
        if not others:
            rest = first + rest
            continue
        others[-1] += rest
        for line in reversed(others):
            yield line
        rest = first
    yield rest


async def _on_disk(
    engine: Engine, stores: TenantStores, head: Head, tree: Hydrated, workspace: Workspace
) -> AsyncGenerator[bytes, None]:
    manifest, window = tree.state.manifest, tree.state.windows.get(PATH)
    if PATH not in manifest.entries:
        return
    whole, begin = windowed(workspace, tree.state.windows), window.boundary if window else 0
    for start, end in _spans(begin, manifest.entries[PATH].size):
        yield await whole.read(PATH, start, end - start)
    if begin:
        reader = tree.reader or pack_reader(engine, stores, head.session_id)
        async for piece in _stored(reader, manifest, begin):
            yield piece


async def _stored(reader: PackReader, manifest: Manifest, end: int | None) -> AsyncGenerator[bytes, None]:
    entry: Entry | None = manifest.entries.get(PATH)
    if entry is None:
        return
    for chunk in reversed(chunks_between(entry, 0, entry.size if end is None else end)):
        packs = await reader.fetch([ref for ref in manifest.packs if ref.name == chunk.pack])
        data = packs[chunk.pack].data[chunk.offset : chunk.offset + chunk.length]
        for start, stop in _spans(0, len(data)):
            yield bytes(data[start:stop])


def _spans(begin: int, end: int) -> Iterator[tuple[int, int]]:
    """Parts between two places, last ones first."""
    length = FIRST_BYTES
    while end > begin:
        start = max(end - length, begin)
        yield start, end
        end, length = start, min(2 * length, MOST_BYTES)
