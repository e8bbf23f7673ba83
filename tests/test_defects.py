"""The defects of the original service and (from 31 on) of the memory designs: none without a test against it."""

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
    31: "reading the tool cache destroys the entry",
    32: "messages lost in the same millisecond",
    33: "an invalidation that always fails",
    34: "statistics that nobody writes, and a route that always fails",
    35: "a conversation larger than a record stops its session for good",
    36: "a version conflict that drops the message, a version that may be skipped",
    37: "the last writer of two regions wins in silence",
    38: "an active session loses its oldest messages",
    39: "no pages: long conversations are cut and not deleted",
    40: "a cache key without a tenant, and dependent on the order of names",
    41: "admin routes and sessions for anybody",
    51: "a lock that anybody's release deletes",
    52: "a lock without renewal and without a fence",
    53: "a second message that is rejected",
    54: "a lock that a failover of Redis drops",
    55: "a hot tier that may disagree with what is durable",
    56: "a model before every turn, open to injected orders",
    57: "an archive that nothing can be erased from",
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
