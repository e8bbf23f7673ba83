"""What becomes of one update: the answers that `parse` can give, standard library only."""

from __future__ import annotations

from dataclasses import dataclass

from outlive.channels.telegram.rules import Place
from outlive.core.keys import SessionKey
from outlive.core.messages import Inbound


@dataclass(frozen=True, slots=True)
class Turn:
    """A message for the agent: into the queue with it."""

    inbound: Inbound
    place: Place
    album: str = ""
    """Telegram's id of the album it is a part of."""
    is_forwarded: bool = False


@dataclass(frozen=True, slots=True)
class Control:
    """A command or a button: it takes effect at once and goes round the queue."""

    name: str
    """One of `commands.COMMANDS`, or `button` with the pressed button's data as argument."""
    argument: str
    key: SessionKey
    message_id: str
    """As of an `Inbound`: repeats carry the same id."""
    sender: str
    place: Place
    callback_id: str = ""
    """Of a pressed button; Telegram shows a spinner until it is answered."""


@dataclass(frozen=True, slots=True)
class Stranger:
    """Somebody whom the settings do not know; the pairing records may."""

    sender: str
    name: str
    """As the person calls themselves: for people to read, never an identity."""
    place: Place
    wants: Turn | Control


@dataclass(frozen=True, slots=True)
class Moved:
    """A group got another id; its sessions stay under the first one."""

    old_chat: int
    new_chat: int


@dataclass(frozen=True, slots=True)
class Drop:
    """Nothing to do, and why, in words for a log."""

    reason: str


Decision = Turn | Control | Stranger | Moved | Drop
