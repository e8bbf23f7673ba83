"""The agent's Markdown as Telegram shows it: text with entities, and no word lost on the way."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from telegramify_markdown import convert
from telegramify_markdown.config import RenderConfig

Extra = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Entity:
    """A stretch of formatted text; offset and length count UTF-16 units."""

    type: str
    offset: int
    length: int
    extra: Extra = ()
    """`url` or `language`, with its value."""

    @property
    def end(self) -> int:
        """Where it ends."""
        return self.offset + self.length

    def json(self) -> dict[str, object]:
        """As the Bot API takes it."""
        return {"type": self.type, "offset": self.offset, "length": self.length, **dict(self.extra)}


@dataclass(frozen=True, slots=True)
class Formatted:
    """Text and what is formatted in it."""

    text: str
    entities: tuple[Entity, ...] = ()


_TAG = re.compile(r"(?<!\\)<(?=[A-Za-z/!?])(?![A-Za-z][A-Za-z0-9+.-]*:)")
_CODE = re.compile(r"(^ {0,3}(`{3,}|~{3,}).*?(?:^ {0,3}\2[`~]*[ \t]*$|\Z)|`[^`\n]+`)", re.MULTILINE | re.DOTALL)
_WORD = re.compile(r"[^\W_]{2,}")
_LOST = re.compile("[\x00\ud800-\udfff]")
_HEADINGS = tuple(f"heading_level_{n}" for n in range(1, 7))


def _config() -> RenderConfig:
    """Headings are bold, without a picture before them."""
    config = RenderConfig.isolated()
    for name in _HEADINGS:
        if hasattr(config.markdown_symbol, name):
            setattr(config.markdown_symbol, name, "")
    return config


_RENDERING = _config()


def formatted(markdown: str) -> Formatted:
    """The text as Telegram shows it; as plain text where converting would lose a word of it or fail."""
    source = _LOST.sub("\N{REPLACEMENT CHARACTER}", markdown).strip()
    try:
        text, found = convert(_without_tags(source), latex_escape=False, config=_RENDERING)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return Formatted(source)
    entities = [_entity(entity.to_dict()) for entity in found]
    result = _stripped(text, entities)
    return result if _says_all(source, result) else Formatted(source)


def _without_tags(source: str) -> str:
    """HTML would vanish with all that is in it: outside code it is text."""
    parts = _CODE.split(source)
    # split() gives: outside, code, fence, outside, code, fence, ...
    return "".join(
        part if index % 3 == 1 else _TAG.sub(r"\\<", part) for index, part in enumerate(parts) if index % 3 != 2
    )


def _entity(fields: dict[str, object]) -> Entity:
    extra = tuple((name, str(fields[name])) for name in ("url", "language") if fields.get(name))
    return Entity(str(fields["type"]), int(str(fields["offset"])), int(str(fields["length"])), extra)


def _stripped(text: str, entities: Sequence[Entity]) -> Formatted:
    """Without space at both ends: Telegram cuts it off, and would shift the entities."""
    lead = utf16_length(text) - utf16_length(text.lstrip())
    text = text.strip()
    return Formatted(text, clipped(entities, lead, lead + utf16_length(text)))


def clipped(entities: Sequence[Entity], start: int, end: int) -> tuple[Entity, ...]:
    """What of the entities lies between two offsets, counted from the first."""
    parts = (
        Entity(
            entity.type,
            max(entity.offset, start) - start,
            min(entity.end, end) - max(entity.offset, start),
            entity.extra,
        )
        for entity in entities
    )
    return tuple(part for part in parts if part.length > 0)


def _says_all(source: str, result: Formatted) -> bool:
    """Every word of the source is still to be read, or the link or language of an entity."""
    shown = " ".join([result.text, *(value for entity in result.entities for _, value in entity.extra)])
    return all(word in shown for word in {*_WORD.findall(source)}) and bool(result.text or not source)


def utf16_length(text: str) -> int:
    """How Telegram counts: characters beyond the basic plane are two."""
    return len(text) + sum(character > "\uffff" for character in text)
