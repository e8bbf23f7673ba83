"""`outlive state get`, `patch` and `history`."""

from __future__ import annotations

import pytest

from tests.entrypoints.conftest import Outlive

FACT = '{"extracted_context": {"language": "de"}}'


def test_a_patch_is_seen_by_the_next_command(outlive: Outlive) -> None:
    """What was patched is printed by `get`, and listed by `history` with who did it."""
    outlive.say("hello")
    assert outlive.ok("state", "patch", "ada", FACT, "--by", "me")["version"] == 1
    assert outlive.ok("state", "get", "ada")["document"]["extracted_context"] == {"language": "de"}
    (change,) = outlive.ok("state", "history", "ada")["changes"]
    assert (change["by"], change["put"]) == ("me", {"/extracted_context/language": "de"})


def test_the_state_as_it_was_can_be_read(outlive: Outlive) -> None:
    """`--version` shows an older state."""
    outlive.say("hello")
    outlive.ok("state", "patch", "ada", FACT)
    outlive.ok("state", "patch", "ada", '[{"op": "remove", "path": "/extracted_context/language"}]')
    assert outlive.ok("state", "get", "ada", "--version", "1")["document"]["extracted_context"] == {"language": "de"}


def test_people_read_a_table(outlive: Outlive) -> None:
    """Without `--json` each change is a line below the heading."""
    outlive.say("hello")
    outlive.ok("state", "patch", "ada", FACT)
    assert "/extracted_context/language" in outlive("state", "history", "ada").out.splitlines()[1]


def test_a_conflict_exits_1_and_names_the_field(outlive: Outlive) -> None:
    """A patch for an old version that touches a newer change is refused with both values."""
    outlive.say("hello")
    outlive.ok("state", "patch", "ada", FACT)
    other = FACT.replace("de", "fr")
    assert (
        "/extracted_context/language"
        in outlive.refused(1, "state", "patch", "ada", other, "--expected", "0")["message"]
    )


@pytest.mark.parametrize("patch", ["{", "7", "[1]", '{"metadata": {"v": 2}}'])
def test_a_bad_patch_exits_2(outlive: Outlive, patch: str) -> None:
    """What is no patch, or makes no state, is the caller's fault, and changes nothing."""
    outlive.say("hello")
    outlive.refused(2, "state", "patch", "ada", patch)
    assert outlive.ok("state", "get", "ada")["version"] == 0
