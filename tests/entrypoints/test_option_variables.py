"""Environment variables of options: each option has one, it does what the option does, and a wrong one is refused."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import typer

from outlive.entrypoints.cli import app, run_with
from outlive.entrypoints.option_variables import COMMAND_PREFIX, option_variables
from outlive.settings import COMMAND_PREFIX as LEFT_TO_COMMANDS
from outlive.settings import Settings
from scripts.docs.cli import help_of

OWN = {"--help", "--version"}


def leaves(command: typer.core.TyperCommand | typer.core.TyperGroup, name: str = "outlive"):
    """Every command that runs, by its full name."""
    if isinstance(command, typer.core.TyperGroup):
        for word, below in command.commands.items():
            yield from leaves(below, f"{name} {word}")
    else:
        yield name, command


def test_every_option_shows_its_variable() -> None:
    """The help of every command names an environment variable behind each of its options but `--help`."""
    shown = {
        (name, part.split()[0].rstrip(",")): "[env var:" in " ".join(part.split())
        for name, text in help_of(app)
        for part in re.split(r"\n  (?=-)", text)[1:]
    }
    bare = {
        f"{name} {option.opts}"
        for name, command in leaves(typer.main.get_command(app))
        for option in command.params
        if option.param_type_name == "option" and option.opts[0] not in OWN
        if not any(shown.get((name, word)) for word in option.opts)
    }
    assert bare == set()


def test_every_command_has_json() -> None:
    """Each command that runs has `--json`."""
    without = [
        name
        for name, command in leaves(typer.main.get_command(app))
        if not any("--json" in option.opts for option in command.params)
    ]
    assert without == []


def test_no_variable_stands_for_two_things() -> None:
    """Variables of options are each other's and the settings' neighbours, never the same."""
    found = option_variables(app)
    assert len(found) > 100
    assert COMMAND_PREFIX == LEFT_TO_COMMANDS
    assert not {name.lower() for name in found} & {f"outlive_{name}" for name in Settings.model_fields}


def test_a_variable_does_what_its_option_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the variable of `send --message-id` set the message has that id."""
    monkeypatch.setenv("OUTLIVE_CLI_SEND_MESSAGE_ID", "from-the-environment")
    assert run_with(["send", "ada", "hello", "--data", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["message_id"] == "from-the-environment"


def test_a_variable_of_no_option_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A misspelt one ends every command with exit 2 and the nearest name."""
    monkeypatch.setenv("OUTLIVE_CLI_SEND_WIAT", "1")
    assert run_with(["cost"]) == 2
    assert "Did you mean OUTLIVE_CLI_SEND_WAIT?" in capsys.readouterr().err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_tab_key_completes(shell: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Asked as each shell asks, the program names the commands of a group."""
    words = "outlive sessions e"
    monkeypatch.setenv("_OUTLIVE_COMPLETE", f"complete_{shell}")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", "2")
    monkeypatch.setenv("_TYPER_COMPLETE_ARGS", words)
    monkeypatch.setenv("_TYPER_COMPLETE_FISH_ACTION", "get-args")
    with pytest.raises(SystemExit):
        app([], prog_name="outlive")
    out = capsys.readouterr().out
    assert "export" in out
    assert "erase" in out
