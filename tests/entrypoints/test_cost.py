"""`outlive cost`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.entrypoints.conftest import Outlive


def test_each_line_has_its_price_and_the_sum_is_theirs(outlive: Outlive) -> None:
    """The lines add up to the month, each is its amount times its price, and the prices have a date."""
    told = outlive.ok("cost", "--turns", "530", "--seconds", "60")
    assert told["usd"] == pytest.approx(sum(line["usd"] for line in told["lines"]))
    assert all(line["usd"] == pytest.approx(line["amount"] * line["price"]) for line in told["lines"])
    assert told["as_of"] == "2026-11-21"
    assert 26 < told["usd"] < 30


def test_people_are_told_which_is_cheaper(outlive: Outlive) -> None:
    """Few turns are cheaper on functions, with the number from which they are not; many are cheaper on a container."""
    few, many = outlive("cost", "--turns", "10").out, outlive("cost", "--turns", "1400").out
    assert "be cheaper from" in few
    assert "Cheaper: one container always on" in many


def test_the_benchmarks_counts_are_taken(outlive: Outlive, tmp_path: Path) -> None:
    """Units and requests are those of the longest session that was measured; a file without any is refused."""
    turn = {"dynamodb.GetItem": 1, "dynamodb.UpdateItem": 3, "s3.PUT": 1}
    rows = [
        {
            "contestant": "outlive-aws",
            "messages": size,
            "turn": {"operations": turn},
            "resume": {"operations": {"s3.GET": gets}},
        }
        for size, gets in ((5000, 4), (10, 1))
    ]
    (tmp_path / "bench.json").write_text(json.dumps({"results": rows}))
    use = outlive.ok("cost", "--measured", str(tmp_path / "bench.json"), "--puts", "1")["use"]
    assert [use[name] for name in ("puts", "gets", "write_units", "read_units")] == [1, 0.4, 6, 1]
    (tmp_path / "bench.json").write_text('{"results": []}')
    assert outlive("cost", "--measured", str(tmp_path / "bench.json")).code == 2


@pytest.mark.parametrize("text", ["", "as_of = 2026-01-01", 'sqs_fifo_million = "much"', "not toml"])
def test_prices_that_cannot_be_used_are_refused(outlive: Outlive, tmp_path: Path, text: str) -> None:
    """A file of prices that is empty, short or broken is refused, and nothing is told."""
    (tmp_path / "prices.toml").write_text(text)
    run = outlive("cost", "--prices", str(tmp_path / "prices.toml"))
    assert (run.code, run.out) == (2, "")
