"""`outlive sessions options`."""

from __future__ import annotations

from tests.entrypoints.conftest import Outlive


def test_a_mode_is_chosen_and_shown(outlive: Outlive) -> None:
    """What is chosen is printed by the next call, and `default` takes it back."""
    outlive.say("one")
    assert outlive.ok("sessions", "options", "ada", "--while-busy", "collect")["while_busy"] == "collect"
    assert outlive.ok("sessions", "options", "ada") == {"model": "", "while_busy": "collect"}
    assert outlive.ok("sessions", "options", "ada", "--while-busy", "default")["while_busy"] is None


def test_a_model_that_is_not_offered_is_refused(outlive: Outlive) -> None:
    """Without OUTLIVE_MODELS no model can be chosen, and the error names the setting."""
    outlive.say("one")
    assert "OUTLIVE_MODELS" in outlive.refused(2, "sessions", "options", "ada", "--use-model", "opus")["fix"]


def test_a_session_that_there_is_not_is_named(outlive: Outlive) -> None:
    """Looking makes no session."""
    assert outlive.refused(1, "sessions", "options", "nobody")["type"] == "NotFound"
