"""Errors are cut by what the caller should do, and each says what happened and how to go on."""

from __future__ import annotations

import re

import pytest

from outlive import errors
from outlive.errors import AgentFailed, Conflict, Corrupt, Invalid, LeaseLost, OutliveError, TooLarge, Unavailable

TREE = {value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, OutliveError)}


def drawn() -> dict[str, str]:
    """Name -> parent, as the module's docstring draws the tree."""
    parents, above = {}, {-1: "Exception"}
    for line in (errors.__doc__ or "").splitlines():
        if match := re.match(r"    ((?:│   |    )*(?:├── |└── )?)([A-Z][A-Za-z]+)", line):
            depth = len(match[1]) // 4
            above[depth] = match[2]
            parents[match[2]] = above[depth - 1]
    return parents


def test_the_tree_is_as_drawn() -> None:
    """The module's docstring draws every error, and each below its real parent."""
    assert drawn() == {error.__name__: error.__bases__[0].__name__ for error in TREE}


@pytest.mark.parametrize("error", sorted(TREE, key=lambda error: error.__name__))
def test_an_error_without_words_says_its_docstring(error: type[OutliveError]) -> None:
    """An error raised bare says what its docstring says, in one sentence with a full stop."""
    assert str(error()) == error().message == error.__doc__
    assert re.fullmatch(r"[A-Z].*\.", str(error()))
    assert error().fix is None


@pytest.mark.parametrize("error", sorted(TREE, key=lambda error: error.__name__))
def test_the_fix_follows_the_message(error: type[OutliveError]) -> None:
    """An error's text is its message and then its fix, and both can be had alone."""
    raised = error("The cup is empty.", fix="Fill it.")
    assert str(raised) == "The cup is empty. Fill it."
    assert (raised.message, raised.fix) == ("The cup is empty.", "Fill it.")


def test_a_fix_may_follow_the_default_message() -> None:
    """A fix can be given without a message of one's own."""
    assert str(LeaseLost(fix="Stop.")) == f"{LeaseLost.__doc__} Stop."


def test_unavailable_keeps_the_vendors_error() -> None:
    """`Unavailable` carries the vendor's own error for the log, or None, and does not print it."""
    vendor = TimeoutError("10.0.0.7 did not answer")
    raised = Unavailable("the table does not answer.", original=vendor, fix="Try later.")
    assert (raised.original, str(raised)) == (vendor, "the table does not answer. Try later.")
    assert Unavailable().original is None


def test_a_handler_for_one_remedy_does_not_catch_another() -> None:
    """What is to be fixed, read again, restored, waited for or rerun are five kinds that never overlap."""
    remedies = (Invalid, Conflict, Corrupt, Unavailable, AgentFailed)
    assert [sum(issubclass(each, remedy) for remedy in remedies) for each in remedies] == [1] * 5
    assert issubclass(TooLarge, Invalid)
    assert issubclass(LeaseLost, Conflict)
