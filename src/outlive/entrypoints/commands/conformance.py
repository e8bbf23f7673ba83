"""`outlive conformance`: whether a deployment, or anybody's store, keeps its promises."""

# ruff: noqa: PLC0415 - what a command needs is loaded when it runs

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from outlive.entrypoints import options
from outlive.entrypoints.terminal.output import print_json, print_text, say

if TYPE_CHECKING:
    from outlive.settings import Settings
    from outlive.testing.concurrency import Report

Store = Annotated[
    str | None,
    typer.Option(
        "--store",
        help="Table URL instead of the settings' own, or `MODULE:FACTORY` of any SessionStore.",
        show_default=False,
    ),
]
Contracts = Annotated[
    bool, typer.Option("--contracts/--no-contracts", help="Run the contract suites of table and objects, too.")
]


def conformance(
    *, store: Store = None, contracts: Contracts = True, data: options.Data = None, json: options.Json = False
) -> int:
    """Try a deployment, or any store for the Claude Agent SDK.

    Two writers at once, repeated and lost appends, clocks an hour apart, a crash at each step, large entries, stale
    reads, holes, damage. Works in a tenant of its own that is removed in the end; sessions of others are not touched.
    Exits 1 when a promise is broken.
    """
    from outlive.settings import load_settings

    if store is not None and "://" not in store:
        reports = [_foreign(store)]
    else:
        settings = load_settings(data=data, table=store)
        reports = _live(settings, contracts=contracts)
    if json:
        print_json({"ok": not any(report.broken for report in reports), "reports": [r.document() for r in reports]})
    else:
        print_text("\n\n".join(report.text() for report in reports))
    return 1 if any(report.broken for report in reports) else 0


def _foreign(name: str) -> Report:
    import asyncio

    from outlive.entrypoints.conformance.foreign_store import foreign_store
    from outlive.testing.concurrency import run_kit

    return asyncio.run(run_kit(foreign_store(name), name))


def _live(settings: Settings, *, contracts: bool) -> list[Report]:
    import asyncio
    from urllib.parse import urlsplit

    from outlive.entrypoints.conformance.live_stores import live_stores
    from outlive.testing.concurrency import run_kit

    kinds = " and ".join(urlsplit(url).scheme for url in (settings.table_url, settings.objects_url))

    async def kit() -> Report:
        async with live_stores(settings) as live:
            say(f"Works in tenant {live.tenant}, which is removed in the end.")
            return await run_kit(live.subject, f"outlive's session store on {kinds}")

    reports = [asyncio.run(kit())]
    if contracts:
        from outlive.entrypoints.conformance.run_suites import run_suites

        say("Runs the contract suites; the queue's are left out, since live workers would take their messages.")
        reports.append(run_suites(settings, f"the contracts of {kinds}"))
    return reports
