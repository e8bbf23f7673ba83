"""`outlive sessions export`: sessions as a standard tar archive."""

# ruff: noqa: PLC0415 - what a command needs is loaded when it runs

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from outlive.core.wording import counted
from outlive.entrypoints import options
from outlive.entrypoints.targets import Target
from outlive.entrypoints.terminal import progress
from outlive.entrypoints.terminal.output import print_json, print_text, say


def sessions_export(
    session: options.SomeSession = None,
    *,
    to: Annotated[Path, typer.Option("--to", help="The archive to write: ends in .tar or .tar.zst.")],
    user: options.User = None,
    channel: options.Channel = None,
    everything: options.Everything = False,
    version: Annotated[int | None, typer.Option(min=1, help="A version of the one session; default: newest.")] = None,
    manifests: Annotated[bool, typer.Option("--manifests", help="Also the file lists of other kept versions.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an archive of that name.")] = False,
    data: options.Data = None,
    tenant: options.Tenant = None,
    json: options.Json = False,
) -> None:
    """Write sessions into an archive.

    One session, all of a user, or all of the tenant. The archive holds every file as it is, the ledger with each
    turn, and the keys. Prints the archive's path.
    """
    from outlive.entrypoints.deeds import done_to
    from outlive.entrypoints.exporting import export
    from outlive.entrypoints.running import at_rest

    target = Target(session, user, channel, everything)
    with progress.shown("Exporting", target.unit) as watch:
        write = partial(export, target=target, path=to, version=version, manifests=manifests, overwrite=overwrite)
        done = at_rest(partial(write, progress=watch), deed=done_to(target, "exported"), data=data, tenant=tenant)
    if json:
        print_json(done)
        return
    say(f"{counted(len(done.sessions), 'session')}, {counted(done.files, 'file')}, {done.bytes:,} bytes.")
    print_text(str(done.path))
