"""What becomes of one request: the answers that the parsers can give, standard library only."""

from __future__ import annotations

import re
from dataclasses import dataclass

from outlive.core.keys import SessionKey
from outlive.core.messages import Inbound

COMMANDS = {
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
    "whoami": "Your id here",
}
FOR_OWNERS = frozenset({"debug"})
_COMMAND = re.compile(r"/([A-Za-z]{1,32})(?:\s+(.*))?\Z", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Turn:
    """A message for the agent: into the queue with it."""

    inbound: Inbound
    response_url: str = ""
    """Of a bot's message: where one late answer may go."""


@dataclass(frozen=True, slots=True)
class Control:
    """A command: it takes effect at once and goes round the queue."""

    name: str
    """One of `COMMANDS`."""
    argument: str
    key: SessionKey
    message_id: str
    sender: str


@dataclass(frozen=True, slots=True)
class Poll:
    """A bot's vendor asks how far an answer is."""

    key: SessionKey
    stream_id: str


@dataclass(frozen=True, slots=True)
class Stranger:
    """Somebody whom the settings do not know; the pairing records may."""

    sender: str
    wants: Turn | Control | Say


@dataclass(frozen=True, slots=True)
class Say:
    """Nothing for the agent, but a word in answer."""

    text: str
    message_id: str


@dataclass(frozen=True, slots=True)
class Drop:
    """Nothing to do, and why, in words for a log."""

    reason: str


Decision = Turn | Control | Poll | Stranger | Say | Drop


def command(text: str) -> tuple[str, str] | None:
    """Name and argument when the text is one of our commands; any other goes to the agent."""
    found = _COMMAND.match(text.strip())
    name = found[1].lower() if found else ""
    return (name, (found[2] or "").strip()) if found and name in COMMANDS else None
