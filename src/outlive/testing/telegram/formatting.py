"""What the Bot API checks of a text, its entities and its buttons."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from outlive.testing.telegram.forms import Call
from outlive.testing.telegram.refusals import bad

TEXT_LIMIT = 4096
CAPTION_LIMIT = 1024
BUTTON_BYTES = 64
ENTITY_TYPES = frozenset(
    re.findall(
        r"[a-z_-]+",
        "bold italic underline strikethrough spoiler blockquote expandable_blockquote code pre text_link "
        "text_mention mention hashtag cashtag bot_command url email phone_number custom_emoji date_time",
    )
)
HTML_TAGS = frozenset(
    re.findall(r"[a-z_-]+", "b strong i em u ins s strike del span tg-spoiler a code pre blockquote tg-emoji")
)
_TAG = re.compile(r"<(/?)([a-zA-Z-]*)[^<>]*>?")


def checked_text(call: Call, *, empty: bool = False) -> tuple[str, list[dict[str, Any]]]:
    """The text and its entities as a message would hold them."""
    text, entities = str(call.get("text") or ""), call.get("entities") or []
    if call.get("parse_mode"):
        text = _parsed(text, str(call.get("parse_mode")))
    check_entities(text, entities)
    if not text.strip() and not empty:
        raise bad("message text is empty")
    if len(text) > TEXT_LIMIT:
        raise bad("message is too long")
    return _trimmed(text, entities)


def _trimmed(text: str, entities: Sequence[Mapping[str, Any]]) -> tuple[str, list[dict[str, Any]]]:
    """As the server stores it: no space at the ends, entities moved along."""
    lead, end = _units(text) - _units(text.lstrip()), _units(text.strip())
    moved = [{**entity, "offset": max(0, entity["offset"] - lead)} for entity in entities]
    return text.strip(), [{**e, "length": min(e["length"], end - e["offset"])} for e in moved if e["offset"] < end]


def check_entities(text: str, entities: Sequence[Mapping[str, Any]]) -> None:
    """`ApiError` when an entity is unknown or lies outside the text."""
    for entity in entities:
        kind, offset, length = entity.get("type"), entity.get("offset"), entity.get("length")
        if kind not in ENTITY_TYPES:
            raise bad(f"can't parse entities: unsupported entity type {kind}")
        if not isinstance(offset, int) or not isinstance(length, int) or offset < 0 or length <= 0:
            raise bad("can't parse entities: entity has a wrong offset or length")
        if offset + length > _units(text):
            raise bad(
                f"can't parse entities: entity beginning at UTF-16 offset {offset} ends after the end of the text "
                f"at UTF-16 offset {_units(text)}"
            )
        if kind == "text_link" and not entity.get("url"):
            raise bad("can't parse entities: text_link has no url")


def _parsed(text: str, mode: str) -> str:
    """The visible text of HTML; other modes only as far as unbalanced signs are found."""
    match mode.lower():
        case "html":
            return _parsed_html(text)
        case "markdown" | "markdownv2":
            if text.count("*") % 2 or text.count("`") % 2:
                raise bad("can't parse entities: can't find the end of an entity")
            return text.replace("*", "").replace("`", "")
        case _:
            raise bad("unsupported parse_mode")


def _parsed_html(text: str) -> str:
    opened: list[str] = []
    for closing, name in _TAG.findall(text):
        if name.lower() not in HTML_TAGS:
            raise bad(f'can\'t parse entities: unsupported start tag "{name}" at byte offset {text.find(f"<{name}")}')
        if not closing:
            opened.append(name)
        elif not opened or opened.pop() != name:
            raise bad(f"can't parse entities: unmatched end tag {name}")
    if opened:
        raise bad(f"can't parse entities: can't find end tag corresponding to start tag {opened[-1]}")
    return _TAG.sub("", text).replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def check_buttons(markup: Mapping[str, Any] | None) -> None:
    """`ApiError` when a button has no text, or data of more than 64 bytes."""
    for row in (markup or {}).get("inline_keyboard", ()):
        for button in row:
            if not button.get("text"):
                raise bad('can\'t parse inline keyboard button: field "text" must be a non-empty string')
            data = button.get("callback_data")
            if data is not None and not 1 <= len(data.encode()) <= BUTTON_BYTES:
                raise bad("BUTTON_DATA_INVALID")


def _units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2
