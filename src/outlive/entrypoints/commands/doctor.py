"""`outlive doctor`: what is not in order, and what to do about it."""

# ruff: noqa: PLC0415 - what a command needs is loaded when it runs

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from outlive.entrypoints import options
from outlive.entrypoints.terminal.output import print_json, say, visible

if TYPE_CHECKING:
    from outlive.entrypoints.doctor.findings import Check

COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


def doctor(
    *,
    data: options.Data = None,
    model: options.Model = None,
    profile: options.Profile = None,
    tenant: options.Tenant = None,
    json: options.Json = False,
) -> int:
    """Check the machine, the stores and the agent.

    One line per check: ok, warn or fail, and what to do about it. Looks only; nothing is repaired. Exits 1 when a
    check fails.
    """
    import asyncio

    from outlive.entrypoints.doctor.checks import check_all
    from outlive.settings import load_settings

    checks = asyncio.run(check_all(load_settings(data=data, model=model, profile=profile, tenant=tenant)))
    failed = sum(check.status == "fail" for check in checks)
    if json:
        print_json({"ok": not failed, "checks": checks})
    else:
        for check in checks:
            _print(check)
        say(f"{failed} of {len(checks)} checks failed.")
    return 1 if failed else 0


def _print(check: Check) -> None:
    status = typer.style(f"{check.status:<5}", fg=COLOURS[check.status])
    typer.echo(f"{status} {check.name:<16} {visible(check.found)}")
    if check.fix:
        typer.echo(f"{'':<5} {'':<16} fix: {visible(check.fix)}")
