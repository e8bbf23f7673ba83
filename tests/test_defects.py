"""The delivery and security defects of the original service: none without a test that would fail if it came back."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
DEFECTS = {
    10: "deduplication that never matches",
    11: "200 though the queue refused",
    12: "retries swallowed, two error messages for one failure",
    13: "a failed send runs the agent again, long answers cut off",
    14: "a visibility timeout as long as the function, one message that blocks its chat",
    15: "an edited message run as a new prompt",
    16: "one workspace for all tenants",
    17: "tools with the worker's environment and credentials",
    18: "a token with a default, a caller who chooses the chat",
    19: "a webhook secret that may be empty",
    20: "a debug command for everybody, groups past the allow-list",
    21: "long-lived keys and a wildcard in the roles",
}


def marked() -> set[int]:
    """The numbers that tests are marked with."""
    mark = re.compile(r"^@pytest\.mark\.defect\((\d+)\)", re.MULTILINE)
    found = (mark.findall(path.read_text()) for path in TESTS.rglob("test_*.py"))
    return {int(number) for numbers in found for number in numbers}


@pytest.mark.parametrize("number", DEFECTS)
def test_every_defect_has_its_test(number: int) -> None:
    """At least one test says by its mark that it keeps this defect away."""
    assert number in marked(), DEFECTS[number]


def test_no_mark_names_an_unknown_defect() -> None:
    """A mark whose number is not on the list would prove nothing."""
    assert marked() <= DEFECTS.keys()
