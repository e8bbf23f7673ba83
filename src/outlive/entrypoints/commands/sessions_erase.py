"""`outlive sessions erase`: sessions removed from every tier, with a receipt."""

# ruff: noqa: PLC0415 - what a command needs is loaded when it runs

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from outlive.entrypoints import options
from outlive.entrypoints.targets import Target
from outlive.entrypoints.terminal import progress
from outlive.entrypoints.terminal.output import print_json, print_table, say
from outlive.errors import Invalid

if TYPE_CHECKING:
    from outlive.flows.sessions.erase_session import Receipt


def sessions_erase(
    session: options.SomeSession = None,
    *,
    user: options.User = None,
    channel: options.Channel = None,
    everything: options.Everything = False,
    force: Annotated[bool, typer.Option("--force", help="Also where a turn runs: it loses its lease.")] = False,
    yes: options.Yes = False,
    data: options.Data = None,
    tenant: options.Tenant = None,
    json: options.Json = False,
) -> int:
    """Remove sessions for good.

    One session, all of a user, or everything of the tenant. Prints a receipt: what was found in each tier, and what
    listing it all again found afterwards. Exits 1 when something is left.
    """
    from outlive.entrypoints.deeds import done_to
    from outlive.entrypoints.exporting import erase
    from outlive.entrypoints.running import at_rest

    target = Target(session, user, channel, everything)
    _confirm(target, yes=yes)
    with progress.shown("Erasing", target.unit) as watch:
        done = at_rest(
            partial(erase, target=target, force=force, progress=watch),
            deed=done_to(target, "erased"),
            data=data,
            tenant=tenant,
        )
    if user and not done.erased and not json:
        say(f"no session is of user {user!r}: users are chat ids, the third part of a key in `outlive sessions list`")
    return _show(done, json=json)


def _confirm(target: Target, *, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise Invalid("an erase has to be confirmed.", fix="Pass --yes.")
    typer.confirm(f"Erase {target}? It cannot be undone.", abort=True, err=True)


def _show(receipt: Receipt, *, json: bool) -> int:
    if json:
        tiers = [{"name": t.name, "found": t.found, "bytes": t.bytes, "left": t.left} for t in receipt.tiers]
        print_json(
            {
                "complete": receipt.complete,
                "erased": receipt.erased,
                "held": receipt.held,
                "tiers": tiers,
                "not_covered": receipt.not_covered,
            }
        )
    else:
        rows = [[tier.name, tier.found, f"{tier.bytes:,}", tier.left] for tier in receipt.tiers]
        print_table(("erased", "found", "bytes", "left"), rows, empty="")
        for session_id in receipt.held:
            say(f"left alone: session {session_id}, a turn runs in it (--force erases it)")
        for each in receipt.not_covered:
            say(f"not covered: {each}")
    return 0 if receipt.complete else 1
