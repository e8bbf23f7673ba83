"""The promise table: what outlive promises, and the tests that show it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from scripts.docs.sources import TestFunction, each_test, files_of_tests

ISSUE = 2
"""The issue that brings the tests which are still missing."""

PROMISES = {
    "P1": "A turn that was acknowledged is never lost, whichever process, host or connection dies, and when.",
    "P2": "One inbound message makes at most one committed turn, however often and to however many workers it comes.",
    "P3": "A committed reply is sent at least once, and the model is never asked again to produce it.",
    "P4": "A worker that has lost its lease changes nothing: the write that would have done so is what refuses it.",
    "P5": "A session's turns are totally ordered by version; a transcript with a hole is reported and not resumed.",
    "P6": "A write that fails inside a turn is repeated in order; what cannot be made durable is not committed.",
    "P7": "A read error is an error: it never passes for an absent session and never starts a new conversation.",
    "P8": "A flipped, shortened or foreign object is detected when it is read, and named.",
    "P9": "No tenant reads, lists, guesses or resumes another's session, by key, id, path, symlink or warm machine.",
    "P10": "Expiry is checked when a record is read; erasing a session takes it out of every tier.",
    "P11": "What a turn writes depends on what it added, not on how long the session is.",
    "P12": "After SIGTERM the turn is finished or flushed in time and released; a crash frees it within one lease.",
    "P13": "State of any size and content comes back exactly, or is refused before anything is written.",
}


class UnknownPromise(ValueError):
    """A test is marked with a promise that does not exist."""


def promises(root: Path, page: Path) -> str:
    """All promises with their number of tests, then the tests of each."""
    tests = [test for source in files_of_tests(root) for test in each_test(source)]
    refuse_unknown(tests)
    shown = {name: [test for test in tests if name in test.promises] for name in PROMISES}
    overview = ["| | promise | tests |", "|---|---|---|"]
    overview += [f"| {name} | {text} | {_count(name, shown[name])} |" for name, text in PROMISES.items()]
    details = [_details(name, found, root, page) for name, found in shown.items() if found]
    return "\n\n".join(["\n".join(overview), *details])


def refuse_unknown(tests: Sequence[TestFunction]) -> None:
    """`UnknownPromise` names the test whose mark names no promise."""
    for test in tests:
        for name in test.promises:
            if name not in PROMISES:
                raise UnknownPromise(f"{test.path}: {test.name} is marked with {name!r}; use P1 to P{len(PROMISES)}.")


def _count(name: str, tests: Sequence[TestFunction]) -> str:
    return f"[{len(tests)}](#tests-of-{name.lower()})" if tests else f"not yet (issue {ISSUE})"


def _details(name: str, tests: Sequence[TestFunction], root: Path, page: Path) -> str:
    rows = [f"### Tests of {name}", "", "| test | what is true when it passes |", "|---|---|"]
    for test in tests:
        link = Path(os.path.relpath(test.path, page.parent)).as_posix()
        place = test.path.relative_to(root).as_posix().removeprefix("src/outlive/")
        sentence = " ".join(test.docstring.split()).replace("|", "\\|")
        rows.append(f"| [`{place}`]({link}) `{test.name}` | {sentence} |")
    return "\n".join(rows)
