"""`outlive queue redrive`."""

from __future__ import annotations

import pytest

from tests.entrypoints.conftest import NO_REPLIES_LEFT, Outlive


@pytest.fixture
def letters(outlive: Outlive) -> list[str]:
    """Three dead letters, of one message each."""
    for number in range(3):
        outlive("send", f"chat-{number}", "hello")
    outlive.bury()
    return [letter["id"] for letter in outlive.ok("queue", "dead")["dead_letters"]]


def test_a_letter_waits_again_and_is_answered(outlive: Outlive, letters: list[str]) -> None:
    """A redriven letter is a waiting message, which a worker answers; the others stay dead."""
    done = outlive("queue", "redrive", letters[1])
    assert (done.code, done.out) == (0, letters[1] + "\n")
    assert outlive.ok("queue", "depth") == {"waiting": 1, "in_flight": 0, "dead": 2, **NO_REPLIES_LEFT}
    assert outlive("worker", "--once", "--json").events[1]["session_key"] == "local:console:chat-1:default"


def test_all_letters_wait_again(outlive: Outlive, letters: list[str]) -> None:
    """`--all` redrives every letter there is."""
    assert outlive.ok("queue", "redrive", "--all") == {"redriven": letters}
    assert outlive.ok("queue", "depth") == {"waiting": 3, "in_flight": 0, "dead": 0, **NO_REPLIES_LEFT}


def test_a_letter_that_is_not_there_is_told(outlive: Outlive, letters: list[str]) -> None:
    """An unknown id exits 1 and names it; those before it wait again."""
    assert "'nothing'" in outlive.refused(1, "queue", "redrive", letters[0], "nothing", letters[2])["message"]
    assert outlive.ok("queue", "depth")["waiting"] == 1


@pytest.mark.parametrize(("command", "deed"), [(["redrive"], "letter.redriven"), (["purge", "--yes"], "letter.purged")])
def test_each_tenant_finds_what_was_done_to_its_letter(outlive: Outlive, command: list[str], deed: str) -> None:
    """A letter that a command settles stands in the audit of its own tenant with its session, and in no other."""
    for tenant in ("acme", "umbrella"):
        outlive("send", f"{tenant}:console:ada:default", "hello")
    outlive.bury()
    ids = {each["session_key"]: each["id"] for each in outlive.ok("queue", "dead")["dead_letters"]}
    outlive.ok("queue", *command, "--all")
    assert outlive.ok("audit")["entries"] == []
    for key, letter in ids.items():
        (entry,) = outlive.ok("audit", "--tenant", key.partition(":")[0])["entries"]
        assert (entry["what"], entry["session_key"], entry["details"]) == (deed, key, {"letter": letter})


def test_what_was_done_before_a_failure_is_told(outlive: Outlive, letters: list[str]) -> None:
    """A redrive that stops at an unknown id has noted those before it."""
    outlive.refused(1, "queue", "redrive", letters[0], "nothing")
    assert [each["details"]["letter"] for each in outlive.ok("audit")["entries"]] == [letters[0]]


@pytest.mark.parametrize("words", [[], ["1", "--all"]])
def test_it_has_to_be_clear_which_are_meant(outlive: Outlive, words: list[str]) -> None:
    """Neither ids nor `--all`, or both, exits 2."""
    outlive.refused(2, "queue", "redrive", *words)
