"""Tasks: a caller's own id for a piece of work, and the session, the agent session and the state that belong to it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Literal, get_args

from outlive.core.keys import SessionId, quote_part
from outlive.core.sessions import SESSION_TTL
from outlive.errors import Corrupt, SchemaTooNew

SCHEMA = 1
TASKS = "tasks/"
REASON_LENGTH = 500

TaskState = Literal["running", "done", "failed", "handed over"]
"""`running` also says that a worker died: whether somebody is at work shows in the session's lease."""


@dataclass(frozen=True, slots=True)
class Task:
    """What is known of a task."""

    task_id: str
    session_key: str
    session_id: SessionId
    agent_session_id: str | None
    """The agent's own session id; None when the task failed before it was known."""
    message_id: str
    """The latest message sent with this task id."""
    state: TaskState
    created_at: float
    updated_at: float
    worker: str
    fence: int
    """The lease under which this was written: what an older one still writes counts for nothing."""
    reason: str = ""
    """Why it failed."""

    @property
    def expires_at(self) -> float:
        """When the record is to be treated as gone; it slides with the session's own end."""
        return self.updated_at + SESSION_TTL


def task_key(task_id: str) -> str:
    """Where a task's record lives, below the tenant's own prefix."""
    return TASKS + quote_part(task_id)


def encode_task(task: Task) -> bytes:
    """The task as stored."""
    return json.dumps({"schema": SCHEMA, **asdict(task)}, separators=(",", ":")).encode()


def decode_task(body: bytes, name: str) -> Task:
    """A task from its stored form; `Corrupt` or `SchemaTooNew` name the record."""
    try:
        fields = json.loads(body)
        if fields.pop("schema") > SCHEMA:
            raise SchemaTooNew(f"record {name} is newer than this outlive.", fix="Upgrade outlive on this worker.")
        task = Task(**fields)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise Corrupt(f"record {name} is not a task.", fix="Restore the table from a backup.") from error
    if task.state not in get_args(TaskState):
        raise Corrupt(f"task {name} has the unknown state {task.state!r}.", fix="Restore the table from a backup.")
    return task
