"""What a month on AWS costs."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from importlib.resources import files

import pytest

from outlive.core.costs import NAMES, Use, bill, containers
from outlive.errors import Invalid

PRICES = {
    name: value
    for name, value in tomllib.loads((files("outlive.aws") / "prices.toml").read_text()).items()
    if isinstance(value, float)
}
IDLE = Use(0, stored_gb=0)


def per_1000_turns(use: Use) -> float:
    """Dollars, without what an idle deployment costs."""
    idle = sum(line.usd for line in bill(IDLE, PRICES))
    return (sum(line.usd for line in bill(use, PRICES)) - idle) / use.turns * 1000


def test_the_shipped_prices_are_complete() -> None:
    """Every price the bill needs is in the file, and no other."""
    assert set(PRICES) == NAMES


@pytest.mark.parametrize(
    ("use", "usd"),
    [(Use(100), 1.68), (Use(100, memory_gb=1), 0.88), (Use(100, puts=60), 1.93), (Use(100, seconds=300), 8.08)],
)
def test_1000_turns_cost_what_the_formula_says(use: Use, usd: float) -> None:
    """A thousand one-minute turns at 2 GB cost $1.68; memory, time and object writes count as they should."""
    assert per_1000_turns(replace(use, stored_gb=0)) == pytest.approx(usd, abs=0.006)


def test_nothing_done_costs_next_to_nothing() -> None:
    """An idle deployment costs its polling, alarms, image and look at the clock: below three dollars a month."""
    assert sum(line.usd for line in bill(IDLE, PRICES)) == pytest.approx(2.44, abs=0.01)


def test_choices_change_the_lines_they_should() -> None:
    """A function URL is free, Express writes cost less, another architecture more; a dispatcher waits for the agent."""
    plain = per_1000_turns(Use(100, stored_gb=0))
    assert per_1000_turns(Use(100, stored_gb=0, front_door="function-url")) == pytest.approx(plain - 0.001)
    assert per_1000_turns(Use(100, stored_gb=0, object_class="express")) < plain
    assert per_1000_turns(Use(100, stored_gb=0, architecture="x86_64")) > 1.2 * plain
    apart = per_1000_turns(Use(100, stored_gb=0, isolation="per-tenant"))
    assert apart - plain == pytest.approx(0.0002 + 0.125 * 60.5 * 0.0000133334 * 1000)


def test_from_some_point_on_a_container_is_cheaper() -> None:
    """At the break-even the bill is what one container costs; far beyond it one does not suffice."""
    even = containers(Use(1, stored_gb=0), PRICES, bill(Use(1, stored_gb=0), PRICES))
    there = Use(even.break_even_turns / 30, stored_gb=0)
    assert sum(line.usd for line in bill(there, PRICES)) == pytest.approx(even.usd)
    assert even.usd == pytest.approx(28.83, abs=0.05)
    many = Use(5000, stored_gb=0)
    assert containers(many, PRICES, bill(many, PRICES)).count == 4


def test_a_missing_price_is_named() -> None:
    """Prices without one of the names are `Invalid`."""
    with pytest.raises(Invalid, match="sqs_fifo_million"):
        bill(IDLE, dict.fromkeys(NAMES - {"sqs_fifo_million"}, 1.0))
