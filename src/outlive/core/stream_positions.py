"""How far a reader of a session's events has come: small enough to be an event's id, and true in any process."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from zlib import crc32

from outlive.core.keys import SessionId, message_digest
from outlive.core.live import LiveState, LiveTool
from outlive.errors import Invalid

_TEXT = re.compile(
    r"((?:[0-9a-f]{32})?)\.([0-9]{1,9})\.([0-9]{1,14})\."
    r"([A-Za-z0-9_-]{0,12})\.([0-9]{1,9})\.([0-9]{1,9})\.([0-9a-f]{8})\Z"
)


@dataclass(frozen=True, slots=True)
class Position:
    """Behind what was sent: the last committed turn, and the running one's text and tools so far."""

    session_id: SessionId | None = None
    turn: int = 0
    at: int = 0
    """When the last turn was committed, or when the reader came; whole epoch milliseconds."""
    message: str = ""
    """Digest of the message whose live text follows."""
    length: int = 0
    """Characters of it that were sent."""
    tools: int = 0
    """The revision of the last start or end of a call that was told of."""
    check: int = 0
    """CRC-32 of what was sent: text that was written anew since is not taken for its continuation."""

    def __str__(self) -> str:
        parts = (self.session_id or "", self.turn, self.at, self.message, self.length, self.tools, f"{self.check:08x}")
        return ".".join(map(str, parts))


def parse_position(text: str) -> Position:
    """A position back from an event's id; `Invalid` for anything else."""
    found = _TEXT.match(text)
    if found is None:
        raise Invalid("Last-Event-ID is not the id of an event of this stream.", fix="Send back an `id:` unchanged.")
    session_id, turn, at, message, length, tools, check = found.groups()
    session = SessionId(session_id) if session_id else None
    return Position(session, int(turn), int(at), message, int(length), int(tools), int(check, 16))


@dataclass(frozen=True, slots=True)
class AskedNews:
    """The beginning of the message that a turn answers of which the reader has heard nothing."""

    text: str


@dataclass(frozen=True, slots=True)
class TextNews:
    """Text that the reader has not seen."""

    text: str
    append: bool
    """It continues what was sent; otherwise it replaces it."""


News = AskedNews | TextNews | LiveTool


def news_of(state: LiveState, seen: Position) -> list[tuple[News, Position]]:
    """What a running turn's state has that the reader has not, each with where the reader is behind it."""
    found: list[tuple[News, Position]] = []
    if seen.message != message_digest(state.message_id):
        seen = begin(seen, state.message_id)
        found += [(AskedNews(state.asked), seen)] if state.asked else []
    if text := _text_news(state.text, seen):
        seen = replace(seen, length=len(state.text), check=_check(state.text))
        found.append((text, seen))
    if state.revision < seen.tools:
        seen = replace(seen, tools=0)  # the turn was begun anew
    changed = [tool for tool in state.tools if tool.revision > seen.tools]
    for tool in sorted(changed, key=lambda tool: tool.revision):
        seen = replace(seen, tools=tool.revision)
        found.append((tool, seen))
    return found


def begin(seen: Position, message_id: str) -> Position:
    """Before the first news of a message's turn, for a reader who knows the message."""
    return replace(seen, message=message_digest(message_id), length=0, tools=0, check=0)


def _text_news(text: str, seen: Position) -> TextNews | None:
    if _check(text[: seen.length]) == seen.check and len(text) >= seen.length:
        rest = text[seen.length :]
        return TextNews(rest, append=seen.length > 0) if rest else None
    return TextNews(text, append=False)


def _check(text: str) -> int:
    return crc32(text.encode(errors="surrogatepass")) if text else 0
