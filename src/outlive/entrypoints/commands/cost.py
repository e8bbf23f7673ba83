"""`outlive cost`: what a month on AWS costs."""

# ruff: noqa: PLC0415 - what a command needs is loaded when it runs

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from outlive.entrypoints import options


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


def cost(
    *,
    turns: Annotated[float, typer.Option(min=0, help="Turns a day.")] = 500,
    seconds: Annotated[float, typer.Option(min=0, max=900, help="Seconds a turn takes.")] = 60,
    memory: Annotated[int, typer.Option(min=128, max=10240, help="Megabytes of the agent function.")] = 2048,
    architecture: Annotated[Architecture, typer.Option(help="Of the agent function.")] = Architecture.ARM,
    front_door: Annotated[FrontDoor, typer.Option(help="What answers the webhook.")] = FrontDoor.HTTP_API,
    object_class: Annotated[ObjectClass, typer.Option(help="Of the bucket.")] = ObjectClass.STANDARD,
    puts: Annotated[float, typer.Option(min=0, help="Object writes per turn; one, and one per flush window.")] = 10,
    stored: Annotated[float, typer.Option(min=0, help="Gigabytes kept.")] = 1,
    prices: Annotated[Path | None, typer.Option(help="File of other prices, as TOML.", show_default=False)] = None,
    json: options.Json = False,
) -> None:
    """Tell what a month on AWS costs.

    Each line has its price and unit, by the list prices of the date shown; free tiers and the model's tokens are left
    out. Says when containers that are always on would be cheaper.
    """
    from outlive.core.costs import Use
    from outlive.entrypoints.costing import show_cost

    use = Use(
        turns_per_day=turns,
        seconds=seconds,
        memory_gb=memory / 1024,
        architecture=architecture.value,
        front_door=front_door.value,
        object_class=object_class.value,
        puts=puts,
        stored_gb=stored,
    )
    show_cost(use, prices, as_json=json)
