"""A turn becoming durable: flushed while it runs, committed at its end, adopted when its worker died in between."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from outlive.core.keys import SessionId
from outlive.core.ledger import PATH, LedgerLine, decode_line, encode_line
from outlive.core.manifests import APPEND, Entry, Window, located_chunks
from outlive.core.messages import Inbound, encode_inbound
from outlive.core.telemetry import TranscriptNotWritten, TurnNotDurable, fault_of
from outlive.core.transcripts import TRANSCRIPTS, check_chain
from outlive.core.trees import TreeState, encode_note
from outlive.core.turns import Flush, TurnResult, committed, ledger_line
from outlive.core.windows import spans_of
from outlive.errors import Conflict, Corrupt, Invalid, OutliveError, Unavailable
from outlive.flows.engine import Engine
from outlive.flows.tenant_stores import TenantStores
from outlive.flows.turn.answer_approval import left_open, with_approval
from outlive.flows.turn.capture_tree import Capture, absorb, look, seal
from outlive.flows.turn.choose_window import note_of_disk
from outlive.flows.turn.fetch_files import attached_of
from outlive.flows.turn.hold_lease import Lease
from outlive.flows.turn.outgoing_files import outgoing_of
from outlive.flows.turn.read_packs import PackReader, pack_reader, read_chunks, stored_tree
from outlive.flows.turn.turn_results import TurnResults
from outlive.protocols import Decided, FileContent, TurnDone, Workspace

LEDGER_MODE = 0o600
RECENT_BYTES = 64 * 1024


class TurnOnDisk:
    """A running turn: where it runs, and how far its bytes are stored."""

    def __init__(
        self,
        engine: Engine,
        stores: TenantStores,
        lease: Lease,
        inbound: Inbound,
        workspace: Workspace,
        state: TreeState,
        committed: Mapping[str, Entry],
    ) -> None:
        """`state` is what the tree held before the agent started; `committed` its paths as they are committed."""
        self.engine = engine
        self.stores = stores
        self.lease = lease
        self.inbound = inbound
        self.workspace = workspace
        self.state = state
        self.committed = committed
        """What needs no further check; flushes store lines without one."""
        self.packs: PackReader | None = None
        """What has been read of the session's packs, where that is kept."""
        self.tree = ""
        """What the agent is told of the tree it starts from; see `AgentTurn.tree`."""
        self.agent_session_id: str | None = None
        self.steps = 0
        """Tool calls finished so far, under this lease."""
        self.handed_over = False
        self.begun = False
        """The agent has written down what it was asked: from then on the turn can be continued."""
        self.debug_file: Path | None = None
        self.recalled = ""
        """What goes in front of the message."""
        self.began = engine.clock.now()
        self.decision: Decided | None = None
        """On the call that the session was waiting for."""
        self.has_run = False
        """The agent was asked."""
        self.flushing = asyncio.Lock()
        self.results = TurnResults(engine.tool_caches.of(stores, engine.clock, engine.tally), lease.head.profile)

    @property
    def user(self) -> str:
        """Whose preferences count: the sender's, or in a chat of one person the chat's."""
        return self.inbound.sender or self.inbound.key.chat_id

    def labels(self, *, complete: bool) -> dict[str, Any]:
        """What the index of this turn's packs says beside the manifest."""
        return {
            "kind": "commit" if complete else "flush",
            "previous": self.lease.head.packs[-1].name if self.lease.head.packs else None,
            "message_id": self.inbound.message_id,
            "agent_session_id": self.agent_session_id if complete or self.begun else None,
        } | (
            {}
            if complete
            else {"message": encode_inbound(self.inbound).decode(), "handed_over": self.handed_over}
            | note_of_disk(self.state)
        )


# -------------------------------------------------------------------------------------------- flushing


@asynccontextmanager
async def flush_while(turn: TurnOnDisk) -> AsyncIterator[None]:
    """Store what is new in every flush window while the block runs; when it fails, once more at its end."""
    flushing = asyncio.create_task(_flush_forever(turn))
    try:
        yield
    except BaseException:
        try:
            await asyncio.shield(_stop(turn, flushing))
            await asyncio.shield(flush(turn))
        except Exception as error:  # noqa: BLE001 - the turn's own error is raised; a flush only saves work
            turn.engine.telemetry.event(TranscriptNotWritten("last flush", fault_of(error)))
        raise
    await _stop(turn, flushing)


async def _flush_forever(turn: TurnOnDisk) -> None:
    """A flush that fails is repeated with the next window's bytes: nothing is skipped, nothing overtakes.

    That includes a tree which cannot be kept as it is now, or does not hold still: the agent may not be done with it.
    The commit decides.
    """
    while True:
        await turn.engine.clock.sleep(turn.engine.policy.flush_seconds)
        async with turn.flushing:
            try:
                await flush(turn)
            except (Unavailable, Invalid) as error:
                turn.engine.telemetry.event(TranscriptNotWritten("flush", fault_of(error)))


async def _stop(turn: TurnOnDisk, flushing: asyncio.Task[None]) -> None:
    """End the flushing between two flushes: one that went on behind the commit would take half of it along."""
    async with turn.flushing:
        flushing.cancel()
    with suppress(asyncio.CancelledError):
        await flushing


async def flush_last(turn: TurnOnDisk) -> None:
    """Store what is left when a turn is let go, and say so; where that fails, what was flushed before it counts."""
    turn.handed_over = True
    try:
        await flush(turn)
    except OutliveError as error:
        turn.engine.telemetry.event(TranscriptNotWritten("last flush", fault_of(error)))


async def flush(turn: TurnOnDisk) -> bool:
    """Store the new bytes as a provisional pack; False when there are none and nothing has to be said.

    False, too, while a file does not hold still: without it the lines beside it would tell of what is not there.
    """
    try:
        capture = await look(turn.state, turn.workspace, turn.lease.next_pack(), whole_lines=True)
    except Conflict:
        return False
    if not (capture.changed or (turn.handed_over and turn.begun)):
        return False
    turn.state = await _seal(turn, capture, turn.state, complete=False)
    return True


# ------------------------------------------------------------------------------------------- committing


async def commit(turn: TurnOnDisk, done: TurnDone) -> LedgerLine:
    """Write the turn's pack, then move the head; `LeaseLost` or `Unavailable` mean that nothing counts."""
    try:
        return await _commit(turn, done)
    except OutliveError as error:
        turn.engine.telemetry.event(TurnNotDurable(fault_of(error)))
        raise


async def _commit(turn: TurnOnDisk, done: TurnDone) -> LedgerLine:
    line = replace(
        _line(turn, done),
        files=await outgoing_of(turn.workspace, turn.inbound.message_id),
        attached=await attached_of(turn.inbound, turn.workspace),
    )
    encoded = encode_line(line)
    await turn.workspace.write([FileContent(PATH, APPEND, LEDGER_MODE, [encoded], append=True)])
    capture = await look(turn.state, turn.workspace, turn.lease.next_pack(), whole_lines=False)
    await _check(turn, capture)
    reader = turn.packs or pack_reader(turn.engine, turn.stores, SessionId(turn.lease.head.session_id))
    state = await absorb(capture, turn.state, turn.workspace, turn.engine.policy, reader)
    try:
        state = await _seal(turn, capture, state, complete=True)
    except OutliveError as error:
        turn.engine.telemetry.event(TranscriptNotWritten("commit", fault_of(error)))
        raise
    head = committed(
        turn.lease.head,
        line,
        fence=turn.lease.fence,
        ledger_size=turn.lease.head.ledger_size + len(encoded),
        packs=state.manifest.packs,
        region=turn.engine.policy.region,
    )
    await turn.lease.commit(head)
    turn.state = replace(state, version=head.version)
    await turn.workspace.mark_clean(encode_note(turn.state))
    return line


def _line(turn: TurnOnDisk, done: TurnDone) -> LedgerLine:
    used = done.usage
    result = TurnResult(
        text=done.text,
        agent_session_id=done.agent_session_id,
        stop_reason=done.stop_reason,
        is_error=done.is_error,
        usd=used.usd,
        input_tokens=used.input_tokens,
        output_tokens=used.output_tokens,
        cache_read_tokens=used.cache_read_tokens,
        cache_write_tokens=used.cache_write_tokens,
        prompt_version=done.prompt_version,
        agent_turns=used.agent_turns,
        seconds=round(max(turn.engine.clock.now() - turn.began, 0.0), 3),
    )
    now, worker = turn.engine.clock.now(), turn.engine.worker
    head = turn.lease.head
    line = ledger_line(head, turn.inbound, result, at=now, fence=turn.lease.fence, worker=worker)
    return (
        with_approval(line, done.deferred, head, turn.inbound, turn.engine.policy)
        if turn.has_run
        else left_open(line, head)
    )


async def _check(turn: TurnOnDisk, capture: Capture) -> None:
    """Before anything is committed: the ledger is where the head says, and no transcript has a hole."""
    before = turn.lease.head.ledger_size
    entries = turn.state.manifest.entries
    known = entries[PATH].size if PATH in entries else 0
    if known != before:
        raise Corrupt(f"ledger.jsonl has {known} bytes, the head says {before}.", fix="Rewind the session.")
    for path, entry in capture.draft.entries.items():
        checked = turn.committed.get(path)
        if entry.kind == APPEND and path.startswith(TRANSCRIPTS) and checked != entry:
            window = turn.state.windows.get(path)
            start, fresh = _first_new(checked, entry, window), capture.draft.fresh.get(path, b"")
            behind = len(fresh) - (entry.size - start)
            if behind < 0:
                behind, fresh = 0, await turn.workspace.read(path, start, entry.size - start)
            await _check_transcript(turn.workspace, path, start, (fresh[:behind], fresh[behind:]), window)


def _first_new(old: Entry | None, entry: Entry, window: Window | None) -> int:
    """Where the new bytes of a transcript begin; all that is on disk is new when it was written anew."""
    if old is not None and entry.chunks[: len(old.chunks)] == old.chunks:
        return old.size
    return window.boundary if window else 0


async def _check_transcript(
    workspace: Workspace, path: str, start: int, read: tuple[bytes, bytes], window: Window | None
) -> None:
    """New entries build on the last one before them, so more of the history is looked at only when that is not so.

    `read` are the bytes before `start` that are at hand, and the new ones.
    """
    near, content = read
    recent = max(start - RECENT_BYTES, window.boundary if window else 0)
    for more in ([(recent, start)], spans_of(window, start)):
        try:
            return check_chain(path, near, content)
        except Corrupt:
            near = b"".join([await workspace.read(path, low, high - low) for low, high in more])
    return check_chain(path, near, content)


async def _seal(turn: TurnOnDisk, capture: Capture, state: TreeState, *, complete: bool) -> TreeState:
    engine, stores = turn.engine, turn.stores
    sealed = await seal(
        capture,
        state,
        turn.workspace,
        stores.objects,
        engine.clock,
        labels=turn.labels(complete=complete),
        dictionary=await engine.dictionaries.share(stores, capture.draft.data, engine.clock),
    )
    return sealed.state


# --------------------------------------------------------------------------------------------- adopting


async def adopt(engine: Engine, stores: TenantStores, lease: Lease, flush: Flush) -> LedgerLine:
    """Commit a turn that a dead worker had finished and stored: only the head is written."""
    reader = pack_reader(engine, stores, SessionId(lease.head.session_id))
    pack, ref = await reader.named(flush.ref.name)
    stored = await stored_tree(reader, ref, pack)
    entry = stored.manifest.entries[PATH]
    used = {place.chunk.pack for place in located_chunks({PATH: entry})}
    packs = await reader.fetch([each for each in stored.manifest.packs if each.name in used])
    line = decode_line(b"".join(read_chunks(packs, entry, lease.head.ledger_size)))
    head = committed(
        lease.head,
        line,
        fence=lease.fence,
        ledger_size=entry.size,
        packs=stored.manifest.packs,
        region=engine.policy.region,
    )
    await lease.commit(head)
    return line
