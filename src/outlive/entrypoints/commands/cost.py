"""`outlive cost`: what a month on AWS costs."""

# ruff: noqa: PLC0415 - what a command needs is loaded when it runs

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from outlive.entrypoints import options
from outlive.entrypoints.aws_stack.options import Region


class Architecture(StrEnum):
    """Of the agent function."""

    ARM = "arm64"
    X86 = "x86_64"


class FrontDoor(StrEnum):
    """What answers the webhook."""

    HTTP_API = "http-api"
    FUNCTION_URL = "function-url"


class ObjectClass(StrEnum):
    """Of the bucket."""

    STANDARD = "standard"
    EXPRESS = "express"


class Isolation(StrEnum):
    """Of tenants."""

    SHARED = "shared"
    PER_TENANT = "per-tenant"


def cost(
    *,
    turns: Annotated[float, typer.Option(min=0, help="Turns a day.")] = 500,
    seconds: Annotated[float, typer.Option(min=0, max=900, help="Seconds a turn takes.")] = 60,
    memory: Annotated[int, typer.Option(min=128, max=10240, help="Megabytes of the agent function.")] = 2048,
    architecture: Annotated[Architecture, typer.Option(help="Of the agent function.")] = Architecture.ARM,
    front_door: Annotated[FrontDoor, typer.Option(help="What answers the webhook.")] = FrontDoor.HTTP_API,
    object_class: Annotated[ObjectClass, typer.Option(help="Of the bucket.")] = ObjectClass.STANDARD,
    isolation: Annotated[Isolation, typer.Option(help="Of tenants; per-tenant has a dispatcher.")] = Isolation.SHARED,
    puts: Annotated[float, typer.Option(min=0, help="Object writes per turn; one, and one per flush window.")] = 10,
    stored: Annotated[float, typer.Option(min=0, help="Gigabytes kept.")] = 1,
    stack: Annotated[str | None, typer.Option(help="Take what CloudWatch counted of it.", show_default=False)] = None,
    region: Region = None,
    days: Annotated[float, typer.Option(min=1, max=90, help="Of the stack's counts.")] = 7,
    measured: Annotated[
        Path | None, typer.Option(help="Take what the benchmark counted: its JSON.", show_default=False)
    ] = None,
    prices: Annotated[Path | None, typer.Option(help="File of other prices, as TOML.", show_default=False)] = None,
    json: options.Json = False,
) -> None:
    """Tell what a month on AWS costs.

    Each line has its price and unit, by the list prices of the date shown; free tiers and the model's tokens are left
    out. Says when containers that are always on would be cheaper. With --stack the turns, their seconds and memory,
    units of the table, calls of the queue and bytes of the logs are those of a running deployment.
    """
    from outlive.core.costs import Use
    from outlive.entrypoints.aws_stack.measured_use import monthly, use_of_benchmark, use_of_stack
    from outlive.entrypoints.costing import show_cost
    from outlive.entrypoints.terminal.output import say

    use = Use(
        turns_per_day=turns,
        seconds=seconds,
        memory_gb=memory / 1024,
        architecture=architecture.value,
        front_door=front_door.value,
        object_class=object_class.value,
        isolation=isolation.value,
        puts=puts,
        stored_gb=stored,
    )
    use = use_of_benchmark(measured, use) if measured else use
    use = use_of_stack(stack, region, days, use) if stack else use
    if (measured or stack) and not json:
        say(monthly(use))
    show_cost(use, prices, as_json=json)
