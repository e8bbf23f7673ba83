"""What is printed, and how long work is shown."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from outlive.entrypoints.terminal import output, progress
from outlive.flows.sessions.rewind_session import Rewound


class Terminal(io.StringIO):
    """A terminal that remembers."""

    def isatty(self) -> bool:
        """Yes."""
        return True


def test_records_become_json(capsys: pytest.CaptureFixture[str]) -> None:
    """A record is printed as an object of its fields, on one line, whatever lies around it."""
    output.print_json({"done": [Rewound("a" * 32, 1, 2, 3, 4)], "path": Path("a/b")})
    printed = capsys.readouterr().out
    assert printed.count("\n") == 1
    assert json.loads(printed) == {
        "done": [{"session_id": "a" * 32, "to": 1, "before": 2, "after": 3, "bytes_written": 4, "files_only": False}],
        "path": "a/b",
    }


@pytest.mark.parametrize("text", ["\x1b]0;title\x07", "\x9b31m", "a\rb", "\x00", "\x7f"])
def test_control_characters_are_not_printed(text: str) -> None:
    """Whatever could move a terminal's cursor or change its state is replaced."""
    assert all(character.isprintable() for character in output.visible(text))


def test_text_with_lines_and_tabs_stays() -> None:
    """Tabs, newlines and letters of any script are printed as they are."""
    assert output.visible("a\tb\ncafé 東京") == "a\tb\ncafé 東京"


def test_long_text_is_shortened_to_one_line() -> None:
    """The start of a text is one line, and says when something is missing."""
    assert output.first_words("a\n b") == "a b"
    assert output.first_words("x" * 100) == "x" * 59 + "…"


def test_long_work_is_a_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """At a terminal the work's title and how far it is are drawn on stderr."""
    monkeypatch.setattr("sys.stderr", terminal := Terminal())
    monkeypatch.setenv("TERM", "xterm")
    with progress.shown("Exporting", "sessions") as watch:
        watch(3, 7)
    assert "Exporting" in terminal.getvalue()
    assert "3/7" in terminal.getvalue()


def test_long_work_is_silent_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    """Away from a terminal nothing is drawn."""
    with progress.shown("Exporting", "sessions") as watch:
        watch(3, 7)
    assert capsys.readouterr().err == ""
