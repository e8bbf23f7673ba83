"""`outlive task show`: a task, and the session that belongs to it."""

# ruff: noqa: PLC0415 - what a command needs is loaded when it runs

from __future__ import annotations

from functools import partial

from outlive.entrypoints import options
from outlive.entrypoints.terminal.output import local_time, print_fields, print_json


def task_show(
    task: options.Task,
    *,
    data: options.Data = None,
    tenant: options.Tenant = None,
    json: options.Json = False,
) -> None:
    """Show a task.

    Its session, the agent's own session, the latest message, the state, and the worker that wrote it.
    """
    from outlive.entrypoints.running import at_tenant
    from outlive.flows.sessions.find_tasks import find_task

    found = at_tenant(partial(find_task, task_id=task), data=data, tenant=tenant)
    if json:
        print_json(found)
        return
    fields: dict[str, object] = {
        "task": found.task_id,
        "state": f"{found.state}{f': {found.reason}' if found.reason else ''}",
        "session key": found.session_key,
        "session": found.session_id,
        "agent session": found.agent_session_id or "-",
        "latest message": found.message_id,
        "created": local_time(found.created_at),
        "updated": local_time(found.updated_at),
        "worker": found.worker,
    }
    print_fields(fields)
