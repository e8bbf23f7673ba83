"""What `outlive doctor` looks at, in order: the machine, the agent, the stores, the sessions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial

from outlive.entrypoints.doctor import agent_checks, aws_checks, channel_checks, machine_checks, outside_checks
from outlive.entrypoints.doctor.findings import Check, Found, awaited, checked
from outlive.entrypoints.doctor.store_checks import Sessions, archive, ping, queue_depth
from outlive.errors import OutliveError
from outlive.settings import Settings
from outlive.wiring import App, open_at_rest

OFFLINE: dict[str, Callable[[Settings], Found]] = {
    "data folder": machine_checks.data_folder,
    "disk space": machine_checks.disk_space,
    "clock": machine_checks.clock,
    "database": machine_checks.database,
    "workspaces": machine_checks.workspaces,
    "leftovers": machine_checks.leftovers,
    "model": agent_checks.model,
    "profile": agent_checks.profile,
    "agent program": agent_checks.program,
    "isolation": agent_checks.isolation,
}


async def check_all(settings: Settings) -> list[Check]:
    """Every check; one that cannot be made is a failed one, and keeps no other from being made."""
    checks = [await checked(name, partial(look, settings)) for name, look in OFFLINE.items()]
    outside = {**outside_checks.model_key(settings), **aws_checks.looks(settings)}
    checks += [await checked(name, look) for name, look in outside.items()]
    checks += [await awaited(name, look()) for name, look in outside_checks.helpers(settings).items()]
    async with AsyncExitStack() as stack:
        try:
            app = await stack.enter_async_context(open_at_rest(settings))
        except OutliveError as error:
            return [*checks, Check("stores", "fail", error.message, error.fix)]
        looks = _of_stores(app)
        return [*checks, *[await awaited(name, look()) for name, look in looks.items()]]


def _of_stores(app: App) -> dict[str, Callable[[], Awaitable[Found]]]:
    engine, settings, sessions = app.engine, app.settings, Sessions(app)
    return {
        "table": partial(ping, engine.table, settings.table_url),
        "queue": partial(ping, engine.queue, settings.queue_url),
        "objects": partial(ping, engine.objects, settings.objects_url),
        "archive": partial(archive, app),
        "messages": partial(queue_depth, app),
        "sessions": sessions.readable,
        "leases": sessions.leases,
        "turns": sessions.interrupted,
        "API keys": partial(channel_checks.api_keys, app),
        **channel_checks.looks(app),
    }
