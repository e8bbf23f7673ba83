"""`outlive trace show`."""

from __future__ import annotations

import pytest

from outlive.core.kept_traces import KeptStep, KeptTrace
from outlive.entrypoints.terminal.drawing import WIDTH, drawn_trace
from tests.entrypoints.conftest import Outlive

STEPS = ["lease", "hydrate", "agent", "commit", "deliver", "release"]


def test_the_last_turn_is_drawn(outlive: Outlive, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the setting on, the steps of the last turn are printed in order, each with a bar and its time."""
    monkeypatch.setenv("OUTLIVE_TRACE", "on")
    outlive.say("one", "two")
    done = outlive("trace", "show", "ada")
    assert [line.split()[0] for line in done.out.splitlines()] == STEPS
    assert all(" ms" in line and set("█▏▎▍▌▋▊▉") & set(line) for line in done.out.splitlines())
    assert "turn 2" in done.err
    assert "packs" in done.out


def test_times_are_told_as_numbers(outlive: Outlive, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--json` has every step with its beginning and its length in seconds."""
    monkeypatch.setenv("OUTLIVE_TRACE", "on")
    outlive.say("one")
    trace = outlive.ok("trace", "show", "ada")
    assert (trace["turn"], trace["how"], [step["name"] for step in trace["steps"]]) == (1, "ran", STEPS)
    assert trace["steps"][0]["began"] == 0 <= trace["steps"][0]["seconds"]
    assert [step["began"] for step in trace["steps"]] == sorted(step["began"] for step in trace["steps"])


def test_the_hot_tier_is_told(outlive: Outlive, monkeypatch: pytest.MonkeyPatch) -> None:
    """A turn that reads packs says how many of them the hot tier had."""
    monkeypatch.setenv("OUTLIVE_TRACE", "on")
    monkeypatch.setenv("OUTLIVE_HOT", "memory://")
    outlive.say("one")
    monkeypatch.setenv("OUTLIVE_WORKSPACES", str(outlive.folder / "other"))
    outlive.say("two")
    hydrate = outlive.ok("trace", "show", "ada")["steps"][1]
    assert "hot tier: 0 of 1" in hydrate["found"]


def test_without_the_setting_nothing_is_kept(outlive: Outlive) -> None:
    """Off by default: then the command says how to have traces kept."""
    outlive.say("one")
    assert "OUTLIVE_TRACE=on" in outlive.refused(1, "trace", "show", "ada")["fix"]


def test_an_erase_takes_the_trace_along(outlive: Outlive, monkeypatch: pytest.MonkeyPatch) -> None:
    """The receipt of an erase counts the trace."""
    monkeypatch.setenv("OUTLIVE_TRACE", "on")
    outlive.say("one")
    receipt = outlive.ok("sessions", "erase", "ada", "--yes")
    assert next(tier for tier in receipt["tiers"] if tier["name"] == "traces")["found"] == 1


@pytest.mark.parametrize("steps", [(), ((0.0, 0.0),), ((0.0, 9.0), (9.0, 1.0)), ((0.0, 1e-9), (1e-9, 1e6))])
def test_no_bar_is_wider_than_the_picture(steps: tuple[tuple[float, float], ...]) -> None:
    """Whatever the times, each step has a mark, inside the picture."""
    trace = KeptTrace(1, "ran", 0.0, "w", tuple(KeptStep("step", began, seconds, "") for began, seconds in steps))
    for line in drawn_trace(trace):
        bar = line[len("step  ") :][:WIDTH]
        assert bar.strip()
        assert line[len("step  ") + WIDTH :].startswith("  ")
