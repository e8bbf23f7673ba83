"""`outlive conformance`: on a deployment, on somebody's store, and the report that people paste."""

from __future__ import annotations

from pathlib import Path

import pytest

from outlive.entrypoints.conformance.run_suites import run_suites
from outlive.settings import load_settings
from outlive.testing.concurrency import Report, Verdict
from tests.entrypoints.conftest import Outlive

STORE = '''
"""A store that keeps everything twice where it is told twice."""

KEPT = {}


class Store:
    async def append(self, key, entries):
        KEPT.setdefault(repr(sorted(key.items())), []).extend(entries)

    async def load(self, key):
        return KEPT.get(repr(sorted(key.items())))
'''
FENCES = "version_1_without_a_lease or a_free_lease_is_taken or a_fast_clock"


def test_fences_that_are_drawn_break_no_contract(tmp_path: Path) -> None:
    """The contracts hold on a live table, whose new records begin at a fence drawn at random."""
    report = run_suites(load_settings(data=tmp_path), only=FENCES)
    assert [(each.verdict, each.detail) for each in report.verdicts] == [("kept", "")] * 3


def test_somebodys_store_is_asked(outlive: Outlive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store named by module and factory gets its verdicts, with what the kit lacks to ask the rest; it exits 1."""
    (tmp_path / "somebodys_store.py").write_text(STORE)
    monkeypatch.chdir(tmp_path)
    done = outlive("conformance", "--store", "somebodys_store:Store")
    assert done.code == 1
    assert done.out.startswith("Conformance of somebodys_store:Store, asked by outlive ")
    assert "BROKEN (duplicate: " in done.out
    assert "name a Subject with `damage`" in done.out
    assert done.out.rstrip().endswith("somebodys_store:Store: 7 of 12 promises kept, 3 not run")


def test_what_is_broken_is_read_first() -> None:
    """Broken rows stand before those not run, many kept ones are folded, cases are counted, and a bar is escaped."""
    kept = [Verdict(f"c{number}[case {case}]", "p", "kept") for number in range(21) for case in "ab"]
    lines = Report("x", [*kept, Verdict("n", "p", "not run"), Verdict("a|b", "p", "broken", "k")]).text().splitlines()
    assert lines[2:6] == [
        "| check | promise | verdict |",
        "|---|---|---|",
        "| a\\|b | p | BROKEN (k) |",
        "| n | p | not run |",
    ]
    assert "<details><summary>21 more are kept</summary>" in lines
    assert "| c0 (2 cases) | p | kept |" in lines
    assert lines[-1] == "x: 42 of 43 promises kept, 1 not run"
