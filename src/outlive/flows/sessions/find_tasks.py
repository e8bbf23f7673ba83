"""Tasks looked up: one by its id, a page of them, and those of one session."""

from __future__ import annotations

from dataclasses import dataclass

from outlive.core.keys import MAX_MESSAGE_ID_BYTES, SessionId, check_part
from outlive.core.tasks import TASKS, Task, decode_task, task_key
from outlive.core.turns import CLOCK_MARGIN
from outlive.errors import Corrupt, Invalid, NotFound
from outlive.flows.engine import Engine
from outlive.flows.list_all import scan_all
from outlive.flows.retry import retrying
from outlive.flows.tenant_stores import TenantStores
from outlive.protocols import Row

MAX_PAGE = 1000


@dataclass(frozen=True, slots=True)
class TaskPage:
    """Some tasks, in order of their ids' stored form."""

    tasks: tuple[Task, ...]
    damaged: tuple[str, ...]
    """What is wrong with records on this page that cannot be read."""
    after: str | None
    """Give it back for the next page; None when this one is empty, and so the last."""


async def find_task(engine: Engine, stores: TenantStores, task_id: str) -> Task:
    """The task; `NotFound` when there is none or its time is over."""
    check_part("task_id", task_id, MAX_MESSAGE_ID_BYTES)
    key = task_key(task_id)
    row = await retrying(lambda: stores.table.read(key), engine.clock)
    task = decode_task(row.body, row.key) if row else None
    if task is None or task.expires_at <= engine.clock.now():
        raise NotFound(
            f"there is no task {task_id!r}.", fix="See `outlive task list`; a task is known once its agent has started."
        )
    return task


async def list_tasks(engine: Engine, stores: TenantStores, *, after: str = "", limit: int = 50) -> TaskPage:
    """The tasks that have not expired, `limit` at most; a page may be shorter and still not be the last."""
    if not 1 <= limit <= MAX_PAGE:
        raise Invalid(f"limit is {limit}.", fix=f"Ask for 1 to {MAX_PAGE} tasks.")
    start = TASKS + after if after else ""
    rows = await retrying(lambda: stores.table.scan(TASKS, after=start, limit=limit), engine.clock)
    tasks: list[Task] = []
    damaged: list[str] = []
    for row in rows:
        try:
            task = decode_task(row.body, row.key)
        except Corrupt as error:
            damaged.append(str(error))
        else:
            tasks += [task] if task.expires_at > engine.clock.now() else []
    return TaskPage(tuple(tasks), tuple(damaged), rows[-1].key.removeprefix(TASKS) if rows else None)


async def tasks_of(engine: Engine, stores: TenantStores, session_id: SessionId) -> list[Row]:
    """The records of the session's tasks; one that cannot be read is nobody's, and goes with the tenant."""
    rows = await scan_all(stores.table, TASKS, engine.clock)
    return [row for row in rows if _session_of(row) == session_id]


async def expired_tasks(engine: Engine, stores: TenantStores) -> list[Row]:
    """The records whose time has been over for a while."""
    until = engine.clock.now() - CLOCK_MARGIN
    return [row for row in await scan_all(stores.table, TASKS, engine.clock) if (row.expires_at or until + 1) <= until]


def _session_of(row: Row) -> SessionId | None:
    try:
        return decode_task(row.body, row.key).session_id
    except Corrupt:
        return None
