"""What the fake Slack knows: a workspace with people, channels, messages, streams and files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from outlive.testing.slack.refusals import bad

Json = dict[str, Any]
STREAM_SECONDS = 300.0
"""How long a stream stays open without an append; Slack tells no figure, and people have met minutes."""


@dataclass
class World:
    """Everything behind the Web API."""

    now: Callable[[], float]
    url: str = ""
    team: str = "T0TEAM"
    bot_user: str = "U0BOT"
    bot_id: str = "B0BOT"
    channels: dict[str, Json] = field(default_factory=dict)
    messages: dict[tuple[str, str], Json] = field(default_factory=dict)
    """By channel and `ts`."""
    streams: dict[tuple[str, str], float] = field(default_factory=dict)
    """Open ones, with the time of their last append."""
    statuses: dict[tuple[str, str], str] = field(default_factory=dict)
    ephemeral: list[tuple[str, str]] = field(default_factory=list)
    """What only one person saw: who and the text."""
    files: dict[str, Json] = field(default_factory=dict)
    data: dict[str, bytes] = field(default_factory=dict)
    shared: dict[str, Json] = field(default_factory=dict)
    """Uploaded files that were completed: where they are."""
    _last: int = 0

    def private(self, user: str) -> str:
        """The private chat of a person with the app."""
        channel = f"D0{user}"
        self.channels.setdefault(channel, {"id": channel, "is_im": True, "is_member": True, "user": user})
        return channel

    def channel(self, channel: str, *, is_member: bool = True, is_archived: bool = False) -> Json:
        """A public channel."""
        return self.channels.setdefault(
            channel, {"id": channel, "is_channel": True, "is_member": is_member, "is_archived": is_archived}
        )

    def where(self, channel: object) -> str:
        """The channel a call names; the refusal that Slack gives when the app cannot write there."""
        known = self.channels.get(str(channel or ""))
        if known is None:
            raise bad("channel_not_found")
        if known.get("is_archived"):
            raise bad("is_archived")
        if not known["is_member"]:
            raise bad("not_in_channel")
        return str(known["id"])

    def ts(self) -> str:
        """A time stamp nobody has: it names a message in its channel."""
        self._last += 1
        return f"{int(self.now())}.{self._last:06d}"

    def post(self, channel: str, fields: Json) -> Json:
        """A new message."""
        message = {"type": "message", "ts": self.ts(), "team": self.team, **fields}
        self.messages[channel, message["ts"]] = message
        return message

    def own(self, channel: str, ts: object) -> Json:
        """A message of the app, to be changed."""
        message = self.messages.get((channel, str(ts)))
        if message is None:
            raise bad("message_not_found")
        if message.get("bot_id") != self.bot_id:
            raise bad("cant_update_message")
        return message

    def file(self, data: bytes, name: str, mimetype: str = "text/plain") -> Json:
        """A file on Slack's side, as a message names it."""
        file_id = f"F{len(self.files) + 1:06d}"
        url = f"{self.url}/files/{file_id}/{quote(name, safe='')}"
        self.data[file_id] = data
        self.files[file_id] = {
            "id": file_id,
            "name": name,
            "mimetype": mimetype,
            "size": len(data),
            "mode": "hosted",
            "url_private": url,
            "url_private_download": url,
        }
        return self.files[file_id]

    def is_open(self, channel: str, ts: str) -> bool:
        """Whether a stream takes appends; one that was silent for too long takes none."""
        at = self.streams.get((channel, ts))
        if at is not None and at + STREAM_SECONDS <= self.now():
            del self.streams[channel, ts]
            return False
        return at is not None
