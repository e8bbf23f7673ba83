"""A text in parts of so many bytes: between paragraphs, lines or words where it can, never inside a character."""

from __future__ import annotations

import unicodedata

BREAKS = ("\n\n", "\n", "。", ". ", " ")
JOINER = "\u200d"


def split_bytes(text: str, limit: int) -> list[str]:
    """The parts, in UTF-8 `limit` bytes at most each; joined they are the text. A lone surrogate becomes `?`."""
    text = text.encode(errors="replace").decode()
    parts: list[str] = []
    while len(text.encode()) > limit:
        end = _end(text, limit)
        parts.append(text[:end])
        text = text[end:]
    return [*parts, text] if text or not parts else parts


def _end(text: str, limit: int) -> int:
    most = len(text.encode()[:limit].decode(errors="ignore"))
    for mark in BREAKS:
        if (found := text.rfind(mark, most // 2, most)) > 0:
            return found + len(mark)
    end = most
    while end > most // 2 and _goes_on(text, end):
        end -= 1
    return end if end > most // 2 else most


def _goes_on(text: str, end: int) -> bool:
    """Whether what people see as one character lies across this place."""
    after, before = text[end], text[end - 1]
    is_mark = (
        unicodedata.combining(after) != 0 or "\ufe00" <= after <= "\ufe0f" or "\U0001f3fb" <= after <= "\U0001f3ff"
    )
    return is_mark or JOINER in {after, before}
