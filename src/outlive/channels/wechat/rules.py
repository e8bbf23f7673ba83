"""Whom an account or a bot listens to, and which session a chat has; standard library only."""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import blake2b

from outlive.core.keys import SessionKey, session_key

ACCOUNT = "wechat"
"""The channel of an official account."""
BOT = "wecom"
"""The channel of an AI bot of WeCom."""
EVERYBODY = "*"

_PLAIN = re.compile(r"[A-Za-z0-9_-]{1,50}\Z")


@dataclass(frozen=True, slots=True)
class Rules:
    """The settings of both."""

    allowed: frozenset[str] = frozenset()
    """Ids of people and of groups; `*`: everybody. Everybody else is a stranger."""
    tenant: str = ""
    """Of every chat; empty: each chat is a tenant of its own."""
    owners: frozenset[str] = frozenset()

    def knows(self, *ids: str) -> bool:
        """Whether one of the ids is let in by the settings; the pairing records may know more."""
        return bool(self.allowed & {EVERYBODY, *ids} or self.owners & {*ids})


def listed(text: str) -> frozenset[str]:
    """The ids in a setting."""
    return frozenset(part for part in re.split(r"[,\s]+", text) if part)


def key_of(rules: Rules, channel: str, chat: str) -> SessionKey:
    """The session of a chat: of one person, or of a group."""
    plain = chat if _PLAIN.match(chat) else blake2b(chat.encode(errors="replace"), digest_size=16).hexdigest()
    return session_key(rules.tenant or f"{channel}_{plain}", channel, chat)
