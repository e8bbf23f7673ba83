"""What the Web API checks of a message's text and blocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from outlive.testing.slack.refusals import bad

TEXT_LIMIT = 40_000
MARKDOWN_LIMIT = 12_000
SECTION_LIMIT = 3000
MAX_BLOCKS = 50
MAX_ELEMENTS = 25
STYLES = frozenset({"primary", "danger"})


def check_message(text: str, blocks: Sequence[Mapping[str, Any]]) -> None:
    """https://docs.slack.dev/reference/methods/chat.postMessage."""
    if not text and not blocks:
        raise bad("no_text")
    if len(text) > TEXT_LIMIT:
        raise bad("msg_too_long")
    check_blocks(blocks)


def check_blocks(blocks: Sequence[Mapping[str, Any]]) -> None:
    """https://docs.slack.dev/reference/block-kit/blocks: the kinds that are used here, with their limits."""
    if len(blocks) > MAX_BLOCKS:
        raise bad("invalid_blocks")
    if sum(len(str(block.get("text", ""))) for block in blocks if block.get("type") == "markdown") > MARKDOWN_LIMIT:
        raise bad("msg_blocks_too_long")
    for block in blocks:
        _check_block(block)


def _check_block(block: Mapping[str, Any]) -> None:
    match block.get("type"):
        case "markdown":
            is_fine = isinstance(block.get("text"), str) and bool(block["text"].strip())
        case "section":
            text = block.get("text") or {}
            is_fine = text.get("type") in {"mrkdwn", "plain_text"} and 0 < len(text.get("text", "")) <= SECTION_LIMIT
        case "actions":
            elements = block.get("elements") or ()
            is_fine = 0 < len(elements) <= MAX_ELEMENTS and all(_is_button(element) for element in elements)
        case _:
            is_fine = False
    if not is_fine:
        raise bad("invalid_blocks")


def _is_button(element: Mapping[str, Any]) -> bool:
    text = element.get("text") or {}
    return (
        element.get("type") == "button"
        and text.get("type") == "plain_text"
        and 0 < len(text.get("text", "")) <= 75
        and len(element.get("value", "")) <= 2000
        and len(element.get("action_id", "")) <= 255
        and element.get("style", "primary") in STYLES
    )
