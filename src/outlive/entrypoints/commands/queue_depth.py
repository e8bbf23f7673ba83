"""`outlive queue depth`: how full the queue is."""

# ruff: noqa: PLC0415 - what a command needs is loaded when it runs

from __future__ import annotations

from typing import TYPE_CHECKING

from outlive.entrypoints import options
from outlive.entrypoints.terminal.output import print_fields, print_json

if TYPE_CHECKING:
    from outlive.wiring import App


def queue_depth(*, data: options.Data = None, json: options.Json = False) -> None:
    """Count waiting, running and dead messages.

    And the sessions whose replies are tried again, and the replies of the tenant that were given up.
    """
    from outlive.entrypoints.running import at_rest

    depth = at_rest(_count, data=data)
    if json:
        print_json(depth)
    else:
        print_fields(depth)


async def _count(app: App) -> dict[str, int]:
    from outlive.flows.delivery.retry_outbox import dead_replies, waiting_outboxes

    depth = await app.engine.queue.depth()
    return {
        "waiting": depth.waiting,
        "in_flight": depth.in_flight,
        "dead": depth.dead,
        "undelivered_sessions": len(await waiting_outboxes(app.engine)),
        "dead_replies": len(await dead_replies(app.engine, app.stores)),
    }
