"""How the end of a run is understood, and tool calls are told in one line."""

from __future__ import annotations

import pytest

from outlive.agents.outcome import failure, stop_reason, tool_summary


@pytest.mark.parametrize(
    ("subtype", "terminal", "model", "reason"),
    [
        ("success", "completed", "end_turn", "end_turn"),
        ("success", None, "max_tokens", "max_tokens"),
        ("error_max_turns", "max_turns", None, "max_turns"),
        ("error_max_budget_usd", "budget_exhausted", None, "max_budget"),
        ("error_during_execution", "aborted_tools", "tool_use", "interrupted"),
        ("success", "api_error", "stop_sequence", None),
        ("error_during_execution", None, None, None),
    ],
)
def test_stop_reason(subtype: str, terminal: str | None, model: str | None, reason: str | None) -> None:
    """Limits and the user's stop are reasons of their own, a failed model is none."""
    assert stop_reason(subtype, terminal, model) == reason


@pytest.mark.parametrize(("status", "fix"), [(401, "key"), (404, "name of the model"), (429, "limit"), (529, "again")])
def test_a_failure_says_what_to_do(status: int, fix: str) -> None:
    """The provider's status decides the fix."""
    assert fix in str(failure("API Error", None, status))


@pytest.mark.parametrize(
    ("text", "status", "fix"),
    [
        ("Could not load AWS credentials", None, "BEDROCK_SECRET_ACCESS_KEY"),
        ("The request signature does not match", 403, "BEDROCK_SECRET_ACCESS_KEY"),
        ("The provided model identifier is invalid.", 400, "inference profile"),
    ],
)
def test_bedrocks_failures_say_what_to_do(text: str, status: int | None, fix: str) -> None:
    """Wrong and missing credentials, and an unknown model id, have fixes that name what to look at."""
    assert fix in failure(text, None, status).fix


def test_a_failure_without_text_names_the_errors() -> None:
    """What the CLI listed is in the message."""
    assert "first; second" in str(failure(None, ["first", "second"], None))


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"command": "echo a\nrm b", "description": "x"}, "echo a rm b"),
        ({"file_path": "/w/a.txt", "content": "long"}, "/w/a.txt"),
        ({"subject": "buy milk"}, "buy milk"),
        ({"taskId": 3}, '{"taskId": 3}'),
        ({"command": "\x1b[31mred\x07"}, "[31mred"),
    ],
)
def test_tool_summary(arguments: dict[str, object], line: str) -> None:
    """One printable line with the argument that tells most."""
    assert tool_summary(arguments) == line


def test_a_long_summary_is_cut() -> None:
    """It never exceeds 120 characters, and shows that it was cut."""
    assert tool_summary({"command": "x" * 500}) == "x" * 119 + "…"
