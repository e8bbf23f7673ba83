"""`outlive aws destroy`: take a deployment down."""

# ruff: noqa: PLC0415 - what a command needs is loaded when it runs

from __future__ import annotations

from dataclasses import asdict

from outlive.entrypoints import options
from outlive.entrypoints.aws_stack.options import STACK, Region, Stack, Yes


def aws_destroy(*, stack: Stack = STACK, region: Region = None, yes: Yes = False, json: options.Json = False) -> None:
    """Take a deployment down; the table and the bucket stay, with all sessions.

    Nothing is done without --yes.
    """
    from outlive.entrypoints.aws_stack.stack import destroy, parts
    from outlive.entrypoints.terminal import progress
    from outlive.entrypoints.terminal.output import print_json, print_table, say

    found = parts(stack, region)
    if yes:
        with progress.shown("Deleting", "resources") as watch:
            destroy(stack, region, watch)
    if json:
        print_json({"done": yes, "parts": [asdict(part) for part in found]})
    else:
        rows = [("stays" if part.is_kept else "goes", part.name, part.kind, part.physical) for part in found]
        print_table(["", "name", "type", "called"], rows, empty="The stack has no resources.")
    say("The stack is gone." if yes else "Nothing was done; --yes deletes the stack.")
