"""Whom one Slack app listens to and as whom it acts: plain data, standard library only."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from outlive.core.keys import DEFAULT_THREAD, SessionKey, session_key

CHANNEL = "slack"
Hears = Literal["mention", "thread", "all"]
"""In channels: what is said to the app; also what follows in a thread that it is in; everything."""

_IDS = re.compile(r"[A-Z0-9]+")


@dataclass(frozen=True, slots=True)
class Rules:
    """The settings of one app in one workspace."""

    bot_user: str = ""
    """The app's own user id; empty: each event names it."""
    team_id: str = ""
    allowed: frozenset[str] = frozenset()
    """Ids of people (U…, W…), channels (C…, G…) and whole workspaces (T…); everybody else is a stranger."""
    owners: frozenset[str] = frozenset()
    tenant: str = ""
    """Of every conversation; empty: each channel is a tenant of its own, or each workspace."""
    by_workspace: bool = False
    hears: Hears = "mention"

    def knows(self, user: str, team: str) -> bool:
        """Whether a person of a workspace is let in by the settings; the pairing records may know more."""
        return user in self.allowed or user in self.owners or (bool(team) and team in self.allowed)

    def admits(self, channel: str, team: str) -> bool:
        """Whether the app answers in a channel of a workspace."""
        return channel in self.allowed or (bool(team) and team in self.allowed)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a message was written, in Slack's own terms."""

    channel: str
    """D… for a private chat, C… or G… otherwise."""
    thread: str = ""
    """`ts` of the thread's first message; empty outside of threads."""

    @property
    def is_private(self) -> bool:
        """A chat of one person with the app."""
        return self.channel.startswith("D")


def ids(text: str) -> frozenset[str]:
    """The ids in a setting."""
    return frozenset(_IDS.findall(text))


def key_of(rules: Rules, place: Place, team: str) -> SessionKey:
    """The session of a place: one for each thread, and one for what a private chat says outside of threads."""
    own = f"{CHANNEL}_{team if rules.by_workspace and team else place.channel}"
    return session_key(rules.tenant or own, CHANNEL, place.channel, place.thread or DEFAULT_THREAD)


def place_of(key: SessionKey) -> Place:
    """Where the replies of a session go."""
    return Place(key.chat_id, "" if key.thread_id == DEFAULT_THREAD else key.thread_id)
