"""What becomes of one request of Slack: the answers that parsing can give, standard library only."""

from __future__ import annotations

from dataclasses import dataclass

from outlive.channels.slack.rules import Place
from outlive.core.keys import SessionKey
from outlive.core.messages import Inbound


@dataclass(frozen=True, slots=True)
class Challenge:
    """Slack asks whether the address is ours: the value goes back."""

    value: str


@dataclass(frozen=True, slots=True)
class Turn:
    """A message for the agent, or an answer to its question: into the queue with it."""

    inbound: Inbound
    place: Place


@dataclass(frozen=True, slots=True)
class Overheard:
    """Said in a thread, to nobody in particular: a message if the thread is a session already."""

    turn: Turn


@dataclass(frozen=True, slots=True)
class Control:
    """A command or a Stop button: it takes effect at once and goes round the queue."""

    name: str
    """One of `commands.COMMANDS`, or what somebody took for one."""
    argument: str
    key: SessionKey
    message_id: str
    """As of an `Inbound`: repeats carry the same id."""
    sender: str
    place: Place
    response_url: str = ""
    """Of a slash command: its answer goes there, for the sender's eyes only."""


@dataclass(frozen=True, slots=True)
class Stranger:
    """Somebody whom the settings do not know; the pairing records may."""

    sender: str
    place: Place
    wants: Turn | Overheard | Control


@dataclass(frozen=True, slots=True)
class Drop:
    """Nothing to do, and why, in words for a log."""

    reason: str


Decision = Challenge | Turn | Overheard | Control | Stranger | Drop
