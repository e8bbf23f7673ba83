"""Long texts as several messages: cut where it hurts least, never inside a character that people see as one.

The chunks' texts joined are the text. An entity that goes over a cut goes on in the next chunk: a code block stays one,
in two messages. Lengths count UTF-16 units (https://core.telegram.org/bots/api#sendmessage: 4,096 characters).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate

from outlive.channels.boundaries import is_boundary
from outlive.channels.telegram.markdown import Entity, Formatted, clipped, utf16_length

LIMIT = 4096
MAX_ENTITIES = 100
"""More than that in one message, and Telegram leaves the rest unformatted."""
BLOCKS = frozenset({"pre", "blockquote", "expandable_blockquote"})
"""What may be cut at a line's end and looks right in both halves."""

_SEPARATORS = ("\n\n", "\n", " ")


def split(whole: Formatted, limit: int = LIMIT) -> list[Formatted]:
    """The text in chunks of at most `limit` UTF-16 units and 100 entities; no chunk for an empty text."""
    return list(_chunks(whole, limit))


def _chunks(whole: Formatted, limit: int) -> Iterator[Formatted]:
    text = whole.text
    units = [0, *accumulate(2 if character > "\uffff" else 1 for character in text)]
    start = 0
    while start < len(text):
        end = _end(whole, units, start, limit)
        yield Formatted(text[start:end], clipped(whole.entities, units[start], units[end]))
        start = end


def _end(whole: Formatted, units: Sequence[int], start: int, limit: int) -> int:
    """Where the chunk that begins at `start` ends, in characters."""
    most = bisect_right(units, units[start] + limit) - 1
    most = _within_entities(whole.entities, units, start, most)
    if most >= len(whole.text):
        return len(whole.text)
    for least in (start + (most - start) // 2, start + 1):  # a short chunk only where nothing else helps
        for separator in _SEPARATORS:
            if (end := _last(whole, units, separator, least, most)) is not None:
                return end
    return _last_whole(whole.text, start, most)


def _within_entities(entities: Sequence[Entity], units: Sequence[int], start: int, most: int) -> int:
    """The end moved forward so that no more than 100 entities lie in the chunk."""
    begins = sorted(max(entity.offset, units[start]) for entity in entities if entity.end > units[start])
    if len(begins) <= MAX_ENTITIES or begins[MAX_ENTITIES] >= units[most]:
        return most
    return max(start + 1, bisect_right(units, begins[MAX_ENTITIES]) - 1)


def _last(whole: Formatted, units: Sequence[int], separator: str, least: int, most: int) -> int | None:
    """The end behind the last such separator in reach that cuts no entity but a block at a line's end."""
    end = most + 1
    while (found := whole.text.rfind(separator, least - 1, end - 1 + len(separator))) >= 0:
        end = found + len(separator)
        if end <= most and end >= least and not _cuts(whole.entities, units[end], at_line="\n" in separator):
            return end
        end = found
        if end < least:
            break
    return None


def _cuts(entities: Sequence[Entity], at: int, *, at_line: bool) -> bool:
    return any(entity.offset < at < entity.end and not (at_line and entity.type in BLOCKS) for entity in entities)


def _last_whole(text: str, start: int, most: int) -> int:
    """The last place up to `most` that is between two characters as people see them; `most` when there is none."""
    end = most
    while end > start and not is_boundary(text, end):
        end -= 1
    return end if end > start else most


def shortened(text: str, limit: int = LIMIT) -> str:
    """The beginning of a plain text, with an ellipsis where something is left out."""
    if utf16_length(text) <= limit:
        return text
    return split(Formatted(text), limit - 1)[0].text + "…"
