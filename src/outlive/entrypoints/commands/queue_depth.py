"""`outlive queue depth`: how full the queue is."""

# ruff: noqa: PLC0415 - what a command needs is loaded when it runs

from __future__ import annotations

from dataclasses import asdict

from outlive.entrypoints import options
from outlive.entrypoints.output import print_fields, print_json


def queue_depth(*, data: options.Data = None, json: options.Json = False) -> None:
    """Count waiting, running and dead messages."""
    from outlive.entrypoints.running import at_rest

    depth = at_rest(lambda app: app.engine.queue.depth(), data=data)
    if json:
        print_json(depth)
    else:
        print_fields(asdict(depth))
