"""What the fake Telegram knows: people, chats, messages, files and the updates that the bot has not taken yet."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from outlive.testing.telegram.refusals import BLOCKED, NO_CHAT, NO_TOPIC, ApiError, bad

Json = dict[str, Any]
LINK_SECONDS = 3600.0
"""How long a file's link lives; Telegram promises at least one hour."""


@dataclass
class World:
    """Everything behind the Bot API."""

    bot_id: int
    username: str
    now: Callable[[], float]
    link_seconds: float = LINK_SECONDS
    chats: dict[int, Json] = field(default_factory=dict)
    topics: dict[int, set[int]] = field(default_factory=dict)
    """Of forums: chat id -> ids of the topics there are."""
    blocked: set[int] = field(default_factory=set)
    moved: dict[int, int] = field(default_factory=dict)
    messages: dict[tuple[int, int], Json] = field(default_factory=dict)
    updates: list[Json] = field(default_factory=list)
    """Not confirmed yet, oldest first."""
    files: dict[str, bytes] = field(default_factory=dict)
    links: dict[str, tuple[str, float]] = field(default_factory=dict)
    """Path -> file id and when the link runs out."""
    queries: set[str] = field(default_factory=set)
    commands: list[Json] = field(default_factory=list)
    last_update_id: int = 100_000_000
    last_message_id: int = 0

    @property
    def bot(self) -> Json:
        """The bot as a user."""
        return {"id": self.bot_id, "is_bot": True, "first_name": "Bot", "username": self.username}

    def chat(self, chat_id: object, thread_id: object = None) -> Json:
        """The chat a call names; the refusal that Telegram gives when the bot cannot write there."""
        if not isinstance(chat_id, int):
            raise bad("chat_id is empty") if chat_id in {None, ""} else NO_CHAT
        if chat_id in self.moved:
            new = self.moved[chat_id]
            words = "Bad Request: group chat was upgraded to a supergroup chat"
            raise ApiError(400, words, {"migrate_to_chat_id": new})
        if chat_id not in self.chats:
            raise NO_CHAT
        if chat_id in self.blocked:
            raise BLOCKED
        if thread_id is not None and thread_id not in self.topics.get(chat_id, set()):
            raise NO_TOPIC
        return self.chats[chat_id]

    def person(self, user_id: int, name: str) -> Json:
        """Somebody who talks to the bot: the private chat begins with it."""
        self.chats.setdefault(user_id, {"id": user_id, "type": "private", "first_name": name})
        return {"id": user_id, "is_bot": False, "first_name": name, "language_code": "en"}

    def group(self, chat_id: int, title: str, *, topics: tuple[int, ...] = ()) -> Json:
        """A group that the bot is in; with topics it is a forum."""
        kind = {"type": "supergroup", "is_forum": True} if topics else {"type": "supergroup"}
        self.topics[chat_id] = {1, *topics} if topics else set()
        return self.chats.setdefault(chat_id, {"id": chat_id, "title": title, **kind})

    def message(self, chat: Json, sender: Json, fields: Mapping[str, Any]) -> Json:
        """A new message, kept so that it can be edited."""
        self.last_message_id += 1
        message = {"message_id": self.last_message_id, "date": int(self.now()), "chat": chat, "from": sender, **fields}
        self.messages[chat["id"], self.last_message_id] = message
        return message

    def update(self, fields: Mapping[str, Any]) -> Json:
        """A new update for the bot."""
        self.last_update_id += 1
        update = {"update_id": self.last_update_id, **fields}
        self.updates.append(update)
        return update

    def file(self, data: bytes, **fields: object) -> Json:
        """A file on Telegram's servers, as a message names it."""
        file_id = f"file-{len(self.files) + 1}"
        self.files[file_id] = data
        return {"file_id": file_id, "file_unique_id": f"u{file_id}", "file_size": len(data), **fields}

    def link(self, file_id: str) -> str:
        """A fresh link to a file."""
        path = f"documents/{file_id}-{len(self.links)}"
        self.links[path] = file_id, self.now() + self.link_seconds
        return path

    def linked(self, path: str) -> bytes | None:
        """What a link leads to; None when it is unknown or has run out."""
        file_id, until = self.links.get(path, ("", 0.0))
        return self.files.get(file_id) if until > self.now() else None
