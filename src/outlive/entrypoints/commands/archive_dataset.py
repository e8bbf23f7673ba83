"""`outlive archive dataset`: conversations as a data set for fine-tuning."""

# ruff: noqa: PLC0415 - what a command needs is loaded when it runs

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from outlive.entrypoints import options
from outlive.entrypoints.terminal import progress
from outlive.entrypoints.terminal.output import print_fields, print_json, say
from outlive.errors import Invalid


def archive_dataset(
    file: Annotated[Path, typer.Argument(help="The JSONL file to write; it must not exist yet.")],
    *,
    redact: Annotated[
        list[str] | None, typer.Option(help="A further rule, NAME=PATTERN; may be given again.", show_default=False)
    ] = None,
    plain: Annotated[bool, typer.Option("--plain", help="Leave out the built-in rules.")] = False,
    data: options.Data = None,
    tenant: options.Tenant = None,
    json: options.Json = False,
) -> int:
    """Write every conversation of the tenant as one line of chat messages.

    Keys, e-mail addresses, card and phone numbers and IP addresses are replaced. Failed and stopped turns are left out.
    """
    from outlive.core.redaction import DEFAULT_RULES, parse_rules
    from outlive.entrypoints.running import at_tenant
    from outlive.flows.knowledge.export_dataset import export_dataset

    rules = [*parse_rules(redact or []), *(() if plain else DEFAULT_RULES)]
    try:
        out = file.open("xb")
    except OSError as error:
        raise Invalid(
            f"{file} cannot be written: {error.strerror}.", fix="Name a new file in a folder of yours."
        ) from error
    with out, progress.shown("Exporting", "sessions") as watch:
        done = at_tenant(
            partial(export_dataset, write=out.write, rules=rules, progress=watch), data=data, tenant=tenant
        )
    if json:
        print_json(done)
    else:
        finds = ", ".join(f"{count} x {name}" for name, count in done.redacted.items()) or "nothing"
        print_fields({"conversations": done.conversations, "left out": done.left_out, "redacted": finds})
        for damage in done.damaged:
            say(f"damaged: {damage}")
    return 1 if done.damaged else 0
