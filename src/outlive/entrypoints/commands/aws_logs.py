"""`outlive aws logs`: what a function has printed."""

# ruff: noqa: PLC0415 - what a command needs is loaded when it runs

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from typing import Annotated

import typer

from outlive.entrypoints import options
from outlive.entrypoints.aws_stack.options import STACK, Region, Stack


class Function(StrEnum):
    """Of the deployment."""

    AGENT = "agent"
    PRODUCER = "producer"
    SWEEPER = "sweeper"
    CONTROL = "control"
    DISPATCHER = "dispatcher"
    API = "api"


def aws_logs(
    function: Annotated[Function, typer.Argument(help="Whose log.")] = Function.AGENT,
    *,
    stack: Stack = STACK,
    region: Region = None,
    minutes: Annotated[float, typer.Option(min=0.1, help="How far back.")] = 15,
    json: options.Json = False,
) -> None:
    """Print what a function has logged."""
    from outlive.entrypoints.aws_stack.stack import logs
    from outlive.entrypoints.terminal.output import local_time, print_json, print_text

    for line in logs(stack, function.value, region=region, since=minutes * 60):
        print_json(asdict(line)) if json else print_text(f"{local_time(line.at)}  {line.text}")
