"""A tenant's keys as they are printed."""

from __future__ import annotations

from outlive.core.tenant_keys import KeyRecord
from outlive.entrypoints.terminal.output import local_time, print_json, print_table, say


def print_keys(record: KeyRecord, *, json: bool) -> None:
    """One line for each key, or one JSON document; never a secret, wrapped ones included."""
    if json:
        keys = [
            {"id": key.id, "wrap": key.wrap, "made_at": key.made_at, "destroyed_at": key.destroyed_at}
            for key in record.keys
        ]
        print_json({"status": record.status, "keys": keys})
        return
    rows = [
        [key.id, key.wrap, local_time(key.made_at), local_time(key.destroyed_at) if key.destroyed_at else ""]
        for key in record.keys
    ]
    print_table(("key", "wrapped with", "made", "destroyed"), rows, empty="")
    say(f"status: {record.status}")
