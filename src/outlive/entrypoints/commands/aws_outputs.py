"""`outlive aws outputs`: what a deployment is called."""

# ruff: noqa: PLC0415 - what a command needs is loaded when it runs

from __future__ import annotations

from outlive.entrypoints import options
from outlive.entrypoints.aws_stack.options import STACK, Region, Stack


def aws_outputs(*, stack: Stack = STACK, region: Region = None, json: options.Json = False) -> None:
    """Tell the addresses and names of a deployment."""
    from outlive.entrypoints.aws_stack.stack import outputs
    from outlive.entrypoints.terminal.output import print_fields, print_json

    (print_json if json else print_fields)(outputs(stack, region))
