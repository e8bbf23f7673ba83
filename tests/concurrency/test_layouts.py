"""The kit finds in the layouts of published example stores the faults that those layouts are known for."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from outlive.testing.concurrency import CHECKS, NotRun, Report, Subject, run_kit
from tests.concurrency.layouts import (
    ForgivingReader,
    ItemPerMessage,
    PartPerAppend,
    ReadModifyWrite,
    subject,
)

KNOWN = {
    PartPerAppend: {"duplicate", "reorder", "fork", "gap", "corrupt"},
    ReadModifyWrite: {"duplicate", "loss", "fork", "gap"},
    ItemPerMessage: {"duplicate", "loss", "fork", "gap", "torn", "mixed up"},
    ForgivingReader: {"stale", "forgotten"},
}


@pytest.mark.parametrize("layout", KNOWN, ids=lambda layout: layout.__name__)
async def test_known_faults_are_found(layout: type[Any]) -> None:
    """Each layout's faults are in its report, by kind."""
    report = await run_kit(subject(layout), layout.__name__)
    assert KNOWN[layout] <= report.kinds


async def verdicts(layout: type[Any]) -> dict[str, str]:
    """What the kit says to each check."""
    return {each.check: each.verdict for each in (await run_kit(subject(layout))).verdicts}


async def test_what_a_layout_keeps_is_not_held_against_it() -> None:
    """The one-object-per-append layout keeps its order on one clock, stores large entries, and tells of outages."""
    found = await verdicts(PartPerAppend)
    assert [found[name] for name in ("order", "oversized", "awkward text", "read error", "deletion")] == ["kept"] * 5


async def test_what_cannot_be_asked_is_said() -> None:
    """Without a way to damage or to cut off, and without delete, the verdict is "not run" with its reason."""
    whole = subject(ReadModifyWrite)
    report = await run_kit(Subject(whole.open))
    left = [each for each in report.verdicts if each.verdict == "not run"]
    assert [each.check for each in left] == ["corruption", "read error", "deletion"]
    assert all(each.detail for each in left)


async def test_a_store_that_never_answers_is_a_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    """A check that takes longer than its time is broken, and the next check is run."""
    monkeypatch.setattr("outlive.testing.concurrency.kit.PATIENCE", 0.01)

    async def hangs(_subject: Subject) -> None:
        """It answers."""
        await asyncio.sleep(30)

    async def skips(_subject: Subject) -> None:
        """It is asked."""
        raise NotRun("for a reason")

    report = await run_kit(subject(ReadModifyWrite), checks=[hangs, skips])
    assert [each.verdict for each in report.verdicts] == ["broken", "not run"]


async def test_a_session_made_by_the_kit_is_deleted() -> None:
    """Nothing that the kit stored is left in a store that can delete."""
    made = subject(PartPerAppend)
    await run_kit(made)
    backend = (await made.open())._backend
    assert backend.values == {}


async def test_the_report_is_a_table_and_a_document() -> None:
    """The text has a row for each check and says how many are kept; the document is JSON."""
    report = await run_kit(subject(ReadModifyWrite), "mine")
    assert isinstance(report, Report)
    assert len([line for line in report.text().splitlines() if line.startswith("| ")]) == len(CHECKS) + 1
    assert report.text().splitlines()[-1].startswith("mine: ")
    assert json.loads(json.dumps(report.document()))["ok"] is False
