"""`outlive aws tables create`: a table for sessions, without the template."""

# ruff: noqa: PLC0415 - what a command needs is loaded when it runs

from __future__ import annotations

from typing import Annotated

import typer

from outlive.entrypoints import options
from outlive.entrypoints.aws_stack.options import Region, Yes


def aws_tables_create(
    name: Annotated[str, typer.Argument(help="Name of the table.")],
    *,
    region: Region = None,
    yes: Yes = False,
    json: options.Json = False,
) -> None:
    """Make a table for sessions, with TTL and point-in-time recovery, where there is no deployment.

    Nothing is done without --yes.
    """
    from outlive.entrypoints.aws_stack.tables import create_table, table_definition
    from outlive.entrypoints.terminal.output import print_fields, print_json, say

    fields = {"done": yes, "table": name, "definition": table_definition(name)}
    if yes:
        fields |= {"arn": create_table(name, region)}
    (print_json if json else print_fields)(fields)
    say(f"Use it with OUTLIVE_TABLE=dynamodb://{name}." if yes else "Nothing was done; --yes makes the table.")
