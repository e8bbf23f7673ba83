"""`outlive demo`: one conversation, every turn on a new worker, one worker killed in the middle of a turn."""

# ruff: noqa: PLC0415 - what a command needs is loaded when it runs

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from outlive.entrypoints import options


def demo(
    *,
    model: options.Model = None,
    keep: Annotated[
        Path | None,
        typer.Option(help="Folder for the data, which stays; otherwise it is removed.", show_default=False),
    ] = None,
    json: options.Json = False,
) -> int:
    """See an agent keep everything while its workers go.

    Runs the real agent. Without a key the scripted model stands in, which is not a language model. Exits 1 when
    something was lost. With --json what was kept is one JSON object.
    """
    import asyncio

    from outlive.entrypoints import demonstrating

    return asyncio.run(demonstrating.demo(model, keep=keep, as_json=json))
