"""Long Markdown as several messages: cut where it hurts least, and a code block stays one, in two messages.

The chunks' sources joined are the text. Lengths count characters
(https://docs.slack.dev/reference/block-kit/blocks/markdown-block: 12,000 in one message).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from outlive.channels.boundaries import is_boundary

LIMIT = 11_500
"""Below Slack's 12,000: people's mentions are counted as they are shown."""
LONGEST_FENCE = 40
LONGEST_INFO = 40
RESERVE = 2 * (LONGEST_FENCE + 2) + LONGEST_INFO
"""Room for a fence that is closed at the end and opened again at the beginning."""

_FENCE = re.compile(rf"^ {{0,3}}(`{{3,{LONGEST_FENCE}}}|~{{3,{LONGEST_FENCE}}})([^\n]*)$", re.MULTILINE)
_SEPARATORS = ("\n\n", "\n", " ")


@dataclass(frozen=True, slots=True)
class Fence:
    """A code block's first line."""

    marker: str
    info: str


@dataclass(frozen=True, slots=True)
class Chunk:
    """A stretch of the text, and what it needs around it to be Markdown of its own."""

    source: str
    opener: str = ""
    closer: str = ""

    @property
    def shown(self) -> str:
        """What is sent."""
        return f"{self.opener}{self.source}{self.closer}"


def split(text: str, limit: int = LIMIT) -> list[Chunk]:
    """The text in chunks that are shown in at most `limit` (200 or more) characters; none for an empty text."""
    return list(_chunks(text, limit))


def _chunks(text: str, limit: int) -> Iterator[Chunk]:
    start, fence = 0, None
    while start < len(text):
        opener = f"{fence.marker}{fence.info[:LONGEST_INFO]}\n" if fence else ""
        end = _end(text, start, limit - (RESERVE if fence or len(text) - start > limit else 0))
        fence = _open_at_end(text[start:end], fence)
        closer = "" if fence is None or end == len(text) else f"\n{fence.marker}"
        yield Chunk(text[start:end], opener, closer)
        start = end


def _end(text: str, start: int, room: int) -> int:
    """Where the chunk that begins at `start` ends."""
    most = start + room
    if most >= len(text):
        return len(text)
    for least in (start + room // 2, start + 1):  # a short chunk only where nothing else helps
        for separator in _SEPARATORS:
            if (found := text.rfind(separator, least - 1, most)) >= 0 and found + len(separator) <= most:
                return found + len(separator)
    end = most
    while end > start and not is_boundary(text, end):
        end -= 1
    return end if end > start else most


def _open_at_end(source: str, fence: Fence | None) -> Fence | None:
    """The code block that is open behind a stretch, given the one that is open before it."""
    for found in _FENCE.finditer(source):
        marker, info = found[1], found[2].strip()
        if fence is None:
            fence = None if marker[0] == "`" and "`" in info else Fence(marker, info)
        elif marker[0] == fence.marker[0] and len(marker) >= len(fence.marker) and not info:
            fence = None
    return fence
