"""A month's bill as it is shown, and the prices it is made with."""

from __future__ import annotations

import tomllib
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from typing import Any

from outlive.core.costs import NAMES, Containers, Line, Use, bill, containers
from outlive.entrypoints.terminal.output import print_json, print_table, print_text, say
from outlive.errors import Invalid


def show_cost(use: Use, prices_file: Path | None, *, as_json: bool) -> None:
    """Print the bill and the comparison."""
    prices = read_prices(prices_file)
    numbers = {name: float(prices[name]) for name in NAMES if name in prices}
    lines = bill(use, numbers)
    other, total = containers(use, numbers, lines), sum(line.usd for line in lines)
    if as_json:
        shown = [asdict(line) | {"usd": line.usd} for line in lines]
        about = {"as_of": str(prices["as_of"]), "region": prices["region"], "use": asdict(use)}
        print_json(about | {"lines": shown, "usd": total, "containers": asdict(other)})
        return
    rows = [(line.item, _short(line.amount), line.unit, f"${line.price:.10g}", f"${line.usd:.2f}") for line in lines]
    rows.append(("a month, without the model's tokens", "", "", "", f"${total:.2f}"))
    print_table(["item", "amount", "unit", "price", "a month"], rows, empty="")
    print_text(_verdict(use, lines, other))
    say(f"List prices of {prices['region']}, {prices['as_of']}; free tiers left out.")


def read_prices(path: Path | None) -> dict[str, Any]:
    """The shipped prices, or those of a file; `Invalid` names what is wrong with it."""
    source = files("outlive.aws") / "prices.toml" if path is None else path
    try:
        prices = tomllib.loads(source.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Invalid(f"the prices in {source} cannot be read: {error}.", fix="Give a TOML file of prices.") from error
    for name in NAMES & prices.keys():
        if isinstance(prices[name], bool) or not isinstance(prices[name], int | float) or prices[name] < 0:
            raise Invalid(f"price {name} is {prices[name]!r}.", fix="Give dollars as a number.")
    if missing := {"as_of", "region"} - prices.keys():
        raise Invalid(f"the prices lack {', '.join(sorted(missing))}.", fix="Say when and where they held.")
    return prices


def _verdict(use: Use, lines: list[Line], other: Containers) -> str:
    total = sum(line.usd for line in lines)
    what = "one container" if other.count == 1 else f"{other.count} containers"
    if other.usd < total:
        return f"Cheaper: {what} always on, ${other.usd:.2f} a month, where turns come evenly and one at a time each."
    said = f"{what.capitalize()} always on would cost ${other.usd:.2f}"
    if other.count > 1 or not use.turns:
        return f"{said} a month."
    return f"{said} a month, and be cheaper from {other.break_even_turns:,.0f} turns a month on."


def _short(amount: float) -> str:
    return f"{amount:,.0f}" if amount >= 100 else f"{amount:.4g}"
