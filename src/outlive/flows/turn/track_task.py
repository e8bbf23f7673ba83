"""A task's record while a turn with its id runs: written when the agent's session is known, updated by how it ends.

A message without a task id costs no request here; one with an id costs a read, a write when the agent session id is
first seen, and a write at the end.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

from outlive.core.keys import SessionId
from outlive.core.messages import Inbound
from outlive.core.tasks import REASON_LENGTH, Task, TaskState, decode_task, encode_task, task_key
from outlive.errors import AlreadyExists, Conflict, LeaseLost, OutliveError, Unavailable, VersionConflict
from outlive.flows.engine import Engine
from outlive.flows.retry import retrying
from outlive.flows.tenant_stores import TenantStores
from outlive.flows.turn.hold_lease import Lease
from outlive.protocols import Absent, At, Keep, Row


class TrackedTask:
    """The record of one message's task, as this lease's holder writes it."""

    def __init__(self, engine: Engine, stores: TenantStores, lease: Lease, inbound: Inbound) -> None:
        """Without a task id in the message every method does nothing."""
        self._engine, self._table, self._lease, self._inbound = engine, stores.table, lease, inbound
        self._row: Row | None = None
        self._task: Task | None = None

    async def begin(self) -> None:
        """Read the record; `Conflict` when the task belongs to another session: nothing is run then."""
        if self._inbound.task_id:
            await self._read()

    async def seen(self, agent_session_id: str) -> None:
        """The agent's session is known."""
        if (found := self._task) is None or not _says(found, "running", agent_session_id, self._lease.fence):
            await self._write("running", agent_session_id)

    async def ended(self, state: TaskState, agent_session_id: str | None = None, reason: str = "") -> None:
        """How the turn ended."""
        await self._write(state, agent_session_id, reason)

    async def ended_quietly(self, state: TaskState, reason: str = "") -> None:
        """The same where the turn has an error of its own to report: a table that is down must not hide it."""
        with suppress(OutliveError):
            await self._write(state, None, reason)

    async def _write(self, state: TaskState, agent_session_id: str | None, reason: str = "") -> None:
        """Replace the record, unless it says so already or a later lease has written it."""
        if not self._inbound.task_id:
            return
        while True:
            task, found = self._next(state, agent_session_id, reason), self._task
            if found and (found.fence > task.fence or replace(found, updated_at=task.updated_at) == task):
                return
            try:
                self._row, self._task = await self._put(task), task
            except (AlreadyExists, VersionConflict):  # an unanswered write of ours that landed, or somebody else's
                await self._read()
            else:
                return

    def _next(self, state: TaskState, agent_session_id: str | None, reason: str) -> Task:
        head, inbound, now, old = self._lease.head, self._inbound, self._engine.clock.now(), self._task
        known = old.agent_session_id if old else head.agent_session_id
        return Task(
            task_id=inbound.task_id,
            session_key=str(inbound.key),
            session_id=SessionId(head.session_id),
            agent_session_id=agent_session_id or known,
            message_id=inbound.message_id,
            state=state,
            created_at=old.created_at if old else now,
            updated_at=now,
            worker=self._engine.worker,
            fence=self._lease.fence,
            reason=reason[:REASON_LENGTH],
        )

    async def _put(self, task: Task) -> Row:
        key, body = task_key(task.task_id), encode_task(task)
        expected = At(self._row.version, self._row.fence) if self._row else Absent()

        async def write() -> Row:
            table = self._table
            return await table.write(key, body, expected=expected, lease=Keep(), expires_at=task.expires_at)

        return await retrying(write, self._engine.clock)

    async def _read(self) -> None:
        key = task_key(self._inbound.task_id)
        self._row = await retrying(lambda: self._table.read(key), self._engine.clock)
        found = decode_task(self._row.body, key) if self._row else None
        self._task = found if found and found.expires_at > self._engine.clock.now() else None
        if self._task and self._task.session_id != self._lease.head.session_id:
            fix = f'Choose another id, or run `outlive task send {self._task.task_id} "..."`.'
            raise Conflict(f"task {self._task.task_id!r} belongs to session {self._task.session_key}.", fix=fix)


def _says(task: Task, state: TaskState, agent_session_id: str, fence: int) -> bool:
    return (task.state, task.agent_session_id, task.fence) == (state, agent_session_id, fence)


@asynccontextmanager
async def tracked(engine: Engine, stores: TenantStores, lease: Lease, inbound: Inbound) -> AsyncIterator[TrackedTask]:
    """The message's task for the length of its turn; a turn that fails, or is stopped from outside, is written down.

    A lost lease writes nothing: the task is another worker's now.
    """
    task = TrackedTask(engine, stores, lease, inbound)
    await task.begin()
    try:
        yield task
    except LeaseLost:
        raise
    except (Unavailable, asyncio.CancelledError) as error:
        await asyncio.shield(task.ended_quietly("handed over", str(error)))
        raise
    except OutliveError as error:
        await asyncio.shield(task.ended_quietly("failed", str(error)))
        raise
