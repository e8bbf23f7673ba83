"""`outlive tokens list`: the keys of the HTTP API."""

# ruff: noqa: PLC0415 - what a command needs is loaded when it runs

from __future__ import annotations

from dataclasses import asdict

from outlive.entrypoints import options
from outlive.entrypoints.terminal.output import local_time, print_json, print_table

COLUMNS = ("id", "name", "tenant", "role", "created", "by", "until")


def tokens_list(*, data: options.Data = None, json: options.Json = False) -> None:
    """List the keys of the HTTP API, of all tenants; never their secrets."""
    from outlive.entrypoints.running import at_rest
    from outlive.flows.access.api_keys import list_api_keys

    keys = at_rest(lambda app: list_api_keys(app.engine), data=data)
    if json:
        shown = [{name: value for name, value in asdict(key).items() if name != "digest"} for key in keys]
        print_json({"keys": shown})
        return
    rows = [
        [
            key.id,
            key.name,
            key.tenant or "(all)",
            key.role,
            local_time(key.created_at),
            key.created_by,
            "-" if key.expires_at is None else local_time(key.expires_at),
        ]
        for key in keys
    ]
    print_table(COLUMNS, rows, empty="There are no keys.")
