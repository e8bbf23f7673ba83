"""What a message says and carries: words as people read them, and files; standard library only."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from outlive.channels.names import safe_name
from outlive.core.messages import MAX_FILES, FileRef

Json = Mapping[str, Any]
MAX_DOWNLOAD = 20 * 1024 * 1024
"""Bytes of a file that the agent is given; Slack itself takes up to 1 GB."""

_REFERENCE = re.compile(r"<([^<>\n]+)>")
_ENTITIES = (("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&"))


def words_of(event: Json, bot_user: str) -> str:
    """The text without the app's own mention at its beginning, links and names written out, entities resolved."""
    text = event.get("text") or ""
    if not isinstance(text, str):
        raise TypeError("text is no string")
    if bot_user:
        text = re.sub(rf"^\s*<@{re.escape(bot_user)}(?:\|[^<>]*)?>[\s,:]*", "", text)
    return unescaped(_REFERENCE.sub(_written_out, text)).strip()


def mentions(event: Json, bot_user: str) -> bool:
    """Whether the text names the app."""
    return bool(bot_user) and bool(re.search(rf"<@{re.escape(bot_user)}(?:\|[^<>]*)?>", event.get("text") or ""))


def unescaped(text: str) -> str:
    """https://docs.slack.dev/messaging/formatting-message-text: only these three characters are escaped."""
    for entity, character in _ENTITIES:
        text = text.replace(entity, character)
    return text


def _written_out(found: re.Match[str]) -> str:
    """People stay ids, since the agent may mention them; everything else becomes what was meant."""
    target, bar, label = found[1].partition("|")
    match target[0]:
        case "@":
            return f"<{target}>"
        case "#":
            return f"#{label}" if label else f"<{target}>"
        case "!":
            return label or f"@{target[1:].partition('^')[0]}"
        case _:
            return f"{label} ({target})" if bar and label and label != target else target


def files_of(event: Json) -> tuple[list[FileRef], list[str]]:
    """The files to fetch, and a line for each that cannot be fetched."""
    found: list[FileRef] = []
    left: list[str] = []
    for number, file in enumerate(event.get("files") or ()):
        name = safe_name(str(file.get("name") or file.get("title") or "file"))
        size = int(file.get("size") or 0)
        if file.get("mode") in {"tombstone", "hidden_by_limit"}:
            left.append(f"[{name}: it was deleted]")
        elif file.get("mode") == "external" or "id" not in file:
            left.append(f"[{name}: it lies outside of Slack]")
        elif size > MAX_DOWNLOAD or number >= MAX_FILES:
            left.append(f"[{name}: {size:,} bytes, too large to be fetched]" if size > MAX_DOWNLOAD else f"[{name}]")
        else:
            found.append(FileRef(f"{file['id']}-{name}", str(file.get("mimetype") or ""), size, str(file["id"])))
    return found, left
