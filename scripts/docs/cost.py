"""The bill of a usual month on AWS, as `outlive cost` makes it."""

from __future__ import annotations

from pathlib import Path

from outlive.core.costs import NAMES, Use, bill, containers
from outlive.entrypoints.costing import read_prices

TURNS_PER_DAY = 500
SHOWN = (0, 100, 500, 1000)
"""Turns a day of the short table."""


def cost(_root: Path, _page: Path) -> str:
    """Each line of the bill with its amount, unit and price; by the prices that are shipped."""
    prices = read_prices(None)
    use = Use(turns_per_day=TURNS_PER_DAY)
    lines = bill(use, {name: float(prices[name]) for name in NAMES})
    rows = [
        f"| {line.item} | {line.amount:,.10g} | {line.unit} | ${line.price:.10g} | ${line.usd:.2f} |" for line in lines
    ]
    rows.append(f"| **a month, without the model's tokens** | | | | **${sum(line.usd for line in lines):.2f}** |")
    about = (
        f"`outlive cost --turns {TURNS_PER_DAY}`: {use.seconds:g} seconds a turn, {use.memory_gb:g} GB, "
        f"{use.architecture}; list prices of {prices['region']}, {prices['as_of']}, free tiers left out."
    )
    return "\n".join([about, "", "| item | amount | unit | price | a month |", "|---|---:|---|---:|---:|", *rows])


def cost_by_turns(_root: Path, _page: Path) -> str:
    """What a month costs by the number of turns, beside as many containers as they would take."""
    prices = read_prices(None)
    numbers = {name: float(prices[name]) for name in NAMES}
    rows = []
    for turns in SHOWN:
        use = Use(turns_per_day=turns)
        lines = bill(use, numbers)
        other = containers(use, numbers, lines)
        rows.append(f"| `outlive cost --turns {turns}` | ${sum(line.usd for line in lines):.2f} | ${other.usd:.2f} |")
    return "\n".join(["| | on Lambda | in a container that is always on |", "|---|---:|---:|", *rows])
