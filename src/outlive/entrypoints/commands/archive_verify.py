"""`outlive archive verify`: find out whether somebody has changed the audit log."""

# ruff: noqa: PLC0415 - what a command needs is loaded when it runs

from __future__ import annotations

from functools import partial

from outlive.entrypoints import options
from outlive.entrypoints.terminal import progress
from outlive.entrypoints.terminal.output import print_fields, print_json


def archive_verify(*, data: options.Data = None, tenant: options.Tenant = None, json: options.Json = False) -> None:
    """Check every link of the audit log's chain; exits 1 and names the first segment that was changed.

    Keep the digest it prints somewhere else: with it, not even who can write everywhere can rewrite the log unseen.
    """
    from outlive.entrypoints.running import at_tenant
    from outlive.flows.knowledge.keep_archive import verify_audit

    with progress.shown("Verifying", "segments") as watch:
        found = at_tenant(partial(verify_audit, progress=watch), data=data, tenant=tenant)
    if json:
        print_json(found)
    else:
        print_fields({"segments": found.segments, "entries": found.entries, "newest digest": found.digest})
