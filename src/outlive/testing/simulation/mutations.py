"""Deliberate faults in the engine, each of which the simulation must find: the proof that its checks are awake."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any
from unittest.mock import patch

from outlive.core import turns
from outlive.core.packs import PackName, pack_name
from outlive.core.sessions import Head
from outlive.core.turns import New, Unsure
from outlive.errors import LeaseLost, Unavailable, VersionConflict
from outlive.flows import deliver_reply, run_turn, work_queue
from outlive.flows.delivery import retry_outbox
from outlive.flows.fresh_records import FreshRecords
from outlive.flows.retry import retrying
from outlive.flows.turn import capture_tree, commit_turn, hold_lease
from outlive.flows.turn.hold_lease import Lease
from outlive.flows.turn.hot_objects import HotObjects
from outlive.memory.table import MemoryTable
from outlive.protocols import At, Reply
from outlive.testing.simulation import control_mutations, session_mutations
from outlive.testing.simulation.disks import SimulatedWorkspace
from outlive.testing.simulation.histories import History, run_history
from outlive.testing.simulation.monitor import answer_to
from outlive.testing.simulation.scenarios import Scenario, make_controlled, make_scenario

Apply = Callable[[], AbstractContextManager[Any]]


@dataclass(frozen=True, slots=True)
class Mutation:
    """One deliberate fault."""

    name: str
    known: int
    """A seed whose history finds it, as the engine is now: tried first where time is short."""
    apply: Apply
    """The fault is there for the length of the block."""
    make: Callable[[int], Scenario] = make_scenario
    """The set of histories that is to find it."""


@dataclass(frozen=True, slots=True)
class Caught:
    """How a mutation was found, if it was."""

    mutation: str
    check: str
    """Empty when it was not found."""
    seeds: int
    """Histories it took."""
    seed: int
    """Of the history that found it."""


def hunt(mutation: Mutation, seeds: Sequence[int]) -> Caught:
    """Run histories with the fault in place, until one breaks a promise."""
    with mutation.apply():
        for number, seed in enumerate(seeds, start=1):
            found: History = run_history(mutation.make(seed))
            if found.violation:
                return Caught(mutation.name, found.violation.check, number, seed)
    return Caught(mutation.name, "", len(seeds), -1)


# ---------------------------------------------------------------------------------- lease and commit


def _no_fence_check() -> AbstractContextManager[Any]:
    real = MemoryTable._believed

    def believe(self: MemoryTable, key: str, expected: Any) -> Any:
        row = self._server.rows.get(key)
        return row if isinstance(expected, At) and row is not None else real(self, key, expected)

    return patch.object(MemoryTable, "_believed", believe)


def _version_not_checked() -> AbstractContextManager[Any]:
    async def write(table: Any, row: Any, body: bytes, lease: Any, expires_at: Any, clock: Any) -> Any:
        now = await table.read(row.key)
        if now is None:
            raise LeaseLost
        return await hold_lease_write(table, now, body, lease, expires_at, clock)

    hold_lease_write = hold_lease.write_settled
    return patch.object(hold_lease, "write_settled", write)


def _same_fence() -> AbstractContextManager[Any]:
    real = MemoryTable.acquire

    async def acquire(self: MemoryTable, key: str, owner: str, *, now: float, until: float) -> Any:
        row = await real(self, key, owner, now=now, until=until)
        if row is None:
            return None
        kept = replace(row, version=row.version - 1, fence=row.fence - 1)
        self._server.rows[key] = kept
        return kept

    return patch.object(MemoryTable, "acquire", acquire)


def _released_early() -> AbstractContextManager[Any]:
    real = commit_turn.commit

    async def commit(turn: Any, done: Any) -> Any:
        await turn.lease.release()
        return await real(turn, done)

    return patch.object(run_turn, "commit", commit)


def _never_released() -> AbstractContextManager[Any]:
    async def release(self: Lease, head: Head | None = None) -> None:
        if head is not None:
            await self.commit(head)

    return patch.object(Lease, "release", release)


def _stale_renewal() -> AbstractContextManager[Any]:
    real = Lease._write

    async def write(self: Any, change: Any, lease: Any) -> None:
        head = change(self.head)
        await real(self, lambda _: head, lease)

    return patch.object(Lease, "_write", write)


def _unanswered_commit_is_done() -> AbstractContextManager[Any]:
    async def write(table: Any, row: Any, body: bytes, lease: Any, expires_at: Any, clock: Any) -> Any:  # noqa: ARG001
        expected = At(row.version, row.fence)
        try:
            return await table.write(row.key, body, expected=expected, lease=lease, expires_at=expires_at)
        except Unavailable:
            return replace(row, body=body, version=row.version + 1)
        except VersionConflict as error:
            raise LeaseLost from error

    return patch.object(hold_lease, "write_settled", write)


def _no_read_back() -> AbstractContextManager[Any]:
    async def write(table: Any, row: Any, body: bytes, lease: Any, expires_at: Any, clock: Any) -> Any:
        expected = At(row.version, row.fence)

        async def attempt() -> Any:
            try:
                return await table.write(row.key, body, expected=expected, lease=lease, expires_at=expires_at)
            except VersionConflict as error:
                raise LeaseLost(f"session {row.key} has passed to another worker.") from error

        return await retrying(attempt, clock)

    return patch.object(hold_lease, "write_settled", write)


def _landed_writes_not_known() -> AbstractContextManager[Any]:
    async def has_landed(_lease: Lease) -> bool:
        return False

    return patch.object(Lease, "_has_landed", has_landed)


def _made_anew_as_before() -> AbstractContextManager[Any]:
    async def write(self: Any, key: str, body: bytes, **rest: Any) -> Any:
        return await self._table.write(key, body, **rest)

    return patch.object(FreshRecords, "write", write)


# ---------------------------------------------------------------------------------- packs and objects


def _unanswered_pack_is_stored() -> AbstractContextManager[Any]:
    async def put(objects: Any, key: str, data: bytes, clock: Any) -> None:  # noqa: ARG001
        with suppress(Unavailable):
            await objects.put(key, data)

    return patch.object(capture_tree, "put_once", put)


def _pack_name_reused() -> AbstractContextManager[Any]:
    def next_pack(self: Lease) -> PackName:
        return pack_name(self.head.version + 1, self.fence, 1)

    return patch.object(Lease, "next_pack", next_pack)


def _named_by_clock() -> AbstractContextManager[Any]:
    def next_pack(self: Any) -> PackName:
        return pack_name(self.head.version + 1, int(self._engine.clock.now()), 1)

    return patch.object(Lease, "next_pack", next_pack)


def _hot_tier_trusted() -> AbstractContextManager[Any]:
    async def copy(self: Any, key: str) -> bytes | None:
        stored = await self._cache.get(key)
        return None if stored is None else stored[16:]

    return patch.object(HotObjects, "_copy", copy)


def _holes_not_looked_for() -> AbstractContextManager[Any]:
    async def check(*_given: object) -> None:
        return None

    return patch.object(commit_turn, "_check_transcript", check)


def _flushes_not_checked() -> AbstractContextManager[Any]:
    real = commit_turn._check

    async def check(turn: Any, capture: Any) -> None:
        turn.committed = turn.state.manifest.entries
        await real(turn, capture)

    return patch.object(commit_turn, "_check", check)


# ------------------------------------------------------------------------------------- once and only once


def _acknowledged_first() -> AbstractContextManager[Any]:
    real = work_queue.work_one

    async def work_one(given: Any, delivery: Any, *rest: Any) -> None:
        with suppress(Unavailable):
            await given.queue.ack(delivery)
        await real(given, delivery, *rest)

    return patch.object(work_queue, "work_one", work_one)


def _repeats_not_known() -> AbstractContextManager[Any]:
    return patch.object(run_turn, "look_up", lambda *_given: New())


def _ledger_not_asked() -> AbstractContextManager[Any]:
    real = turns.look_up

    def look_up(*given: Any) -> Any:
        found = real(*given)
        return New() if isinstance(found, Unsure) else found

    return patch.object(run_turn, "look_up", look_up)


def _foreign_flush() -> AbstractContextManager[Any]:
    real = turns.after_crash

    def after_crash(flushes: Any, message_id: str, policy: Any) -> Any:
        return real([replace(each, message_id=message_id) for each in flushes], message_id, policy)

    return patch.object(run_turn, "after_crash", after_crash)


def _dirty_tree_trusted() -> AbstractContextManager[Any]:
    async def mark_dirty(self: SimulatedWorkspace) -> None:
        """Nothing is said."""

    return patch.object(SimulatedWorkspace, "mark_dirty", mark_dirty)


# -------------------------------------------------------------------------------------------- replies


@contextmanager
def _outbox_cleared_first() -> Iterator[None]:
    async def deliver(given: Any, stores: Any, head: Head, *, known: Any) -> Head:  # noqa: ARG001
        return replace(head, outbox=())

    with patch.object(run_turn, "deliver_pending", deliver), patch.object(retry_outbox, "deliver_pending", deliver):
        yield


def _answered_before_commit() -> AbstractContextManager[Any]:
    real = commit_turn.commit

    async def commit(turn: Any, done: Any) -> Any:
        given = turn.inbound
        key = str(given.key)
        with suppress(Unavailable):
            await turn.engine.channels["chat"].deliver(
                Reply(key, given.message_id, 1, answer_to(key, given.message_id))
            )
        return await real(turn, done)

    return patch.object(run_turn, "commit", commit)


def _waiting_replies_forgotten() -> AbstractContextManager[Any]:
    async def forget(*_given: object) -> None:
        return None

    return patch.object(deliver_reply, "remember_outbox", forget)


MUTATIONS: Sequence[Mutation] = (
    Mutation("the fence is not checked", 16, _no_fence_check),
    Mutation("the head is written without a version check", 14, _version_not_checked),
    Mutation("the lease passes under the same fence", 1, _same_fence),
    Mutation("the lease is released before the commit", 0, _released_early),
    Mutation("the lease is never released", 0, _never_released),
    Mutation("a renewal writes the head from before a commit", 1503, _stale_renewal),
    Mutation("an unanswered commit counts as done", 45, _unanswered_commit_is_done),
    Mutation("an unanswered commit is not read back", 29, _no_read_back),
    Mutation("an own write that landed unseen is not recognised", 28, _landed_writes_not_known),
    Mutation("a record made anew begins as the old one did", 14, _made_anew_as_before),
    Mutation("an unanswered pack counts as stored", 8, _unanswered_pack_is_stored),
    Mutation("a pack's name is used twice", 2, _pack_name_reused),
    Mutation("packs are named by the clock", 14, _named_by_clock),
    Mutation("the hot tier is trusted", 4, _hot_tier_trusted),
    Mutation("parentUuid is not checked", 53, _holes_not_looked_for),
    Mutation("parentUuid is not checked in what was flushed", 85, _flushes_not_checked),
    Mutation("a message is acknowledged before its commit", 0, _acknowledged_first),
    Mutation("repeats are not recognised", 0, _repeats_not_known),
    Mutation("repeats older than the head's window are not looked up", 34, _ledger_not_asked),
    Mutation("a session that its key has left is not closed to it", 2157, session_mutations.former_not_closed),
    Mutation("a session that its key has left is not looked into", 17, session_mutations.former_not_asked),
    Mutation("another message's flush is continued", 44, _foreign_flush),
    Mutation("a dirty tree is trusted", 2, _dirty_tree_trusted),
    Mutation("the outbox is cleared before the reply is sent", 0, _outbox_cleared_first),
    Mutation("the reply is sent before the commit", 0, _answered_before_commit),
    Mutation("a waiting reply is not noted for the retry loop", 4, _waiting_replies_forgotten),
    Mutation(
        "a sweep takes what is not committed yet, without grace or lease", 1, session_mutations.sweep_without_grace
    ),
    Mutation("a sweep keeps only the newest pack", 0, session_mutations.sweep_keeps_only_newest),
    Mutation("an erase removes packs before it empties the head", 8, session_mutations.erase_in_the_wrong_order),
    Mutation("a rewind takes the ledger back, too", 320, session_mutations.rewind_takes_the_ledger_back),
    Mutation("a read error passes for an absent session", 17, session_mutations.read_error_is_absence),
    Mutation("tenants share their keys", 0, session_mutations.tenants_share),
    Mutation("an erase writes without the lease", 9, session_mutations.force_does_not_wait),
    *(Mutation(name, known, apply, make_controlled) for name, known, apply in control_mutations.FAULTS),
)
