"""The bot's commands: their names, what the menu says of them, and how they are recognised; standard library only."""

from __future__ import annotations

import re
from dataclasses import dataclass

COMMANDS = {
    "start": "Say hello and see what I can do",
    "help": "List the commands",
    "new": "Begin a new session; the old one is kept",
    "stop": "Stop what is running",
    "status": "What is running, and this session's figures",
    "sessions": "List this chat's sessions",
    "resume": "Go back to an earlier session: /resume ID",
    "model": "Which model answers, or choose one: /model NAME",
    "busy": "What a second message does while I work: /busy queue, collect, steer or interrupt",
    "link": "Go on with this session elsewhere: a code, or /link CODE",
    "unlink": "Give this chat a session of its own again",
    "debug": "The last turn in detail (owners only)",
    "export": "This session as a file (owners only)",
    "whoami": "Your numeric id and this chat's",
}
FOR_OWNERS = frozenset({"debug", "export"})

_COMMAND = re.compile(r"/([A-Za-z0-9_]{1,32})(?:@([A-Za-z0-9_]{1,64}))?(?:\s+(.*))?\Z", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Spoken:
    """A message that begins with a slash and a name."""

    name: str
    bot: str
    """Whom it is addressed to; empty when it names nobody."""
    argument: str


def spoken(text: str) -> Spoken | None:
    """The command that a text is, whether it is one of ours or not."""
    found = _COMMAND.match(text)
    return Spoken(found[1].lower(), found[2] or "", (found[3] or "").strip()) if found else None


def menu() -> list[dict[str, str]]:
    """For `setMyCommands`."""
    return [{"command": name, "description": description} for name, description in COMMANDS.items()]
