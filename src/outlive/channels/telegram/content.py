"""What a message says and carries: words, quotes, origins and files; standard library only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from outlive.channels.names import safe_name
from outlive.core.messages import FileRef

Json = Mapping[str, Any]

MAX_DOWNLOAD = 20 * 1024 * 1024
"""Bytes of a file that the Bot API hands out (local Bot API servers have no such limit)."""
QUOTE_LENGTH = 300

_KINDS = {
    "document": "",
    "voice": "voice.ogg",
    "audio": "audio.mp3",
    "video": "video.mp4",
    "video_note": "video.mp4",
    "animation": "animation.mp4",
}


def words_of(message: Json) -> str:
    """The text or caption; a place or a contact in words; empty for what has none (stickers, service messages)."""
    text = message.get("text") or message.get("caption") or ""
    if not isinstance(text, str):
        raise TypeError("text is no string")
    if text:
        return text
    if place := message.get("location"):
        return f"[location: {place['latitude']}, {place['longitude']}]"
    if person := message.get("contact"):
        return f"[contact: {person.get('first_name', '')}, {person.get('phone_number', '')}]"
    return ""


def files_of(message: Json) -> tuple[list[FileRef], list[str]]:
    """The files to fetch, and a line for each that is too large to be fetched."""
    found: list[FileRef] = []
    if photos := message.get("photo"):
        largest = max(photos, key=lambda photo: photo.get("width", 0) * photo.get("height", 0))
        found.append(_file(message, largest, "photo.jpg", "image/jpeg"))
    for kind, name in _KINDS.items():
        if (part := message.get(kind)) and not (kind == "document" and "animation" in message):
            found.append(_file(message, part, part.get("file_name") or name, part.get("mime_type", "")))
    return (
        [file for file in found if file.size <= MAX_DOWNLOAD],
        [f"[{file.name}: {file.size:,} bytes, too large to be fetched]" for file in found if file.size > MAX_DOWNLOAD],
    )


def _file(message: Json, part: Json, name: str, mime: str) -> FileRef:
    size = part.get("file_size", 0)
    return FileRef(f"{int(message['message_id'])}-{safe_name(name)}", str(mime), int(size), str(part["file_id"]))


def origin_of(message: Json) -> str:
    """Who wrote a forwarded message, in words; empty for one that is not forwarded."""
    origin = message.get("forward_origin")
    if not origin:
        return ""
    user, chat = origin.get("sender_user"), origin.get("chat") or origin.get("sender_chat")
    name = name_of(user) if user else (chat or {}).get("title") or origin.get("sender_user_name") or "somebody"
    return f"[forwarded from {name}]"


def quote_of(message: Json) -> str:
    """What the message answers, in short; empty when it answers nothing, or just the topic's root."""
    replied = message.get("reply_to_message")
    if not replied or is_topic_root(message):
        return ""
    text = (message.get("quote") or {}).get("text") or words_of(replied)
    if not text.strip():
        return ""
    short = text if len(text) <= QUOTE_LENGTH else text[: QUOTE_LENGTH - 1] + "…"
    return f"[in reply to {name_of(replied.get('from') or {})}: {short}]"


def is_topic_root(message: Json) -> bool:
    """Whether the "reply" only says in which topic it was written, as some clients do with every message."""
    replied = message["reply_to_message"]
    return "forum_topic_created" in replied or (
        bool(message.get("is_topic_message")) and replied.get("message_id") == message.get("message_thread_id")
    )


def name_of(person: Json) -> str:
    """A person's name on one line."""
    name = " ".join(str(person.get(part, "")) for part in ("first_name", "last_name")).split()
    return " ".join(name)[:64] or "somebody"
