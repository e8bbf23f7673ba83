"""The app's commands: their names, what the help says of them, how they are recognised; standard library only.

Slack takes every message that begins with a slash for itself, and slash commands do not work in threads: commands are
therefore written with an exclamation mark, and the slash command offers the same words.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from outlive.core.answers import Answer, answer_in

COMMANDS = {
    "help": "List the commands",
    "new": "Begin a new session here; the old one is kept",
    "stop": "Stop what is running",
    "status": "What is running, and this session's figures",
    "link": "Go on with this session elsewhere: a code, or `link CODE`",
    "unlink": "Give this place a session of its own again",
    "sessions": "List this place's sessions",
    "resume": "Go back to an earlier session: `resume ID`",
    "model": "Which model answers, or choose one: `model NAME`",
    "busy": "What a second message does while I work: `busy queue`, `collect`, `steer` or `interrupt`",
    "whoami": "Your id and this place's",
    "debug": "The last turn in detail (owners only)",
    "export": "This session as a file (owners only)",
}
FOR_OWNERS = frozenset({"debug", "export"})
SLASH = "/outlive"

_COMMAND = re.compile(r"!([a-z]{1,32})(?:\s+(.*))?\Z", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Spoken:
    """A command with what follows it."""

    name: str
    argument: str


def spoken(text: str) -> Spoken | None:
    """The command that a message is; None when it is none of ours."""
    found = _COMMAND.match(text.strip())
    return Spoken(found[1], (found[2] or "").strip()) if found and found[1] in COMMANDS else None


def typed(text: str) -> Spoken:
    """What was typed behind the slash command, `help` for nothing."""
    name, _, argument = text.strip().removeprefix("!").partition(" ")
    return Spoken(name.lower() or "help", argument.strip())


def answer(text: str) -> Answer | None:
    """The answer to a question in words, `!once 3fa9c1d2` as well as with the slash; None when it is none."""
    said = text.strip()
    return answer_in(f"/{said[1:]}" if said.startswith("!") else said)
