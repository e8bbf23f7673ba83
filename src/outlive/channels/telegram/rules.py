"""What one bot listens to and as whom it acts: plain data, standard library only."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from outlive.core.keys import DEFAULT_THREAD, SessionKey, session_key

CHANNEL = "telegram"
GENERAL_TOPIC = 1
"""A forum's General topic: its thread id is left out when sending."""

_NUMBERS = re.compile(r"-?\d+")


@dataclass(frozen=True, slots=True)
class Rules:
    """The settings of one bot."""

    bot_id: int
    username: str = ""
    """Without the @; empty: nobody can mention it."""
    allowed: frozenset[int] = frozenset()
    """Ids of people (positive) and of groups (negative); everybody else is a stranger."""
    owners: frozenset[int] = frozenset()
    tenant: str = ""
    """Of every chat; empty: each chat is a tenant of its own."""
    takes_edits: bool = False
    hears_all: bool = False
    """In groups; otherwise only what is said to it."""
    first_chats: Mapping[int, int] = field(default_factory=dict)
    """New chat id -> the id under which a group's sessions began, before Telegram gave it another."""

    def knows(self, sender: int) -> bool:
        """Whether a person is let in by the settings; the pairing records may know more."""
        return sender in self.allowed or sender in self.owners

    def lets_in(self, group: int) -> bool:
        """Whether a group may be heard, by its own id or by the one it had when Telegram moved it."""
        return group in self.allowed or self.first_chats.get(group, group) in self.allowed


@dataclass(frozen=True, slots=True)
class Place:
    """Where a message was written, in Telegram's own terms."""

    chat_id: int
    thread_id: int | None
    is_private: bool


def numbers(text: str) -> frozenset[int]:
    """The ids in a setting."""
    return frozenset(int(number) for number in _NUMBERS.findall(text))


def key_of(rules: Rules, place: Place) -> SessionKey:
    """The session of a place: its chat (as it was called first) and its topic."""
    chat = rules.first_chats.get(place.chat_id, place.chat_id)
    thread = DEFAULT_THREAD if place.thread_id in {None, GENERAL_TOPIC} else str(place.thread_id)
    return session_key(rules.tenant or f"{CHANNEL}_{chat}", CHANNEL, str(chat), thread)


def place_of(key: SessionKey) -> Place:
    """Where the replies of a session go."""
    chat = int(key.chat_id)
    thread = None if key.thread_id == DEFAULT_THREAD else int(key.thread_id)
    return Place(chat, thread, is_private=chat > 0)
