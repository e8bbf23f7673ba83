"""Albums and bursts of forwarded messages: several updates that are one message."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from outlive.channels.telegram.decisions import Decision, Turn
from outlive.channels.telegram.parse import joined
from outlive.errors import Invalid

PLAIN_SECONDS = 0.3
ALBUM_SECONDS = 0.5
FORWARD_SECONDS = 1.0
BURST_SECONDS = 2.0
"""A comment and what is forwarded with it are written within that time."""


def settling_seconds(updates: Sequence[Mapping[str, Any]]) -> float:
    """How long to wait for more after these, before they are taken as they are."""
    message = updates[-1].get("message") if updates else None
    if not isinstance(message, Mapping):
        return 0.0
    if "forward_origin" in message:
        return FORWARD_SECONDS
    return ALBUM_SECONDS if "media_group_id" in message else PLAIN_SECONDS


def gather(decisions: Sequence[Decision]) -> list[Decision]:
    """The decisions with parts joined; each joined message stands, and is named, as its first part."""
    found: list[Decision] = []
    for decision in decisions:
        place = _first_part(found, decision) if isinstance(decision, Turn) else None
        if place is None or not isinstance(decision, Turn):
            found.append(decision)
            continue
        first = found[place]
        try:
            found[place] = joined(first, decision) if isinstance(first, Turn) else decision
        except Invalid:  # too much for one message: then it is two
            found.append(decision)
    return found


def _first_part(found: Sequence[Decision], part: Turn) -> int | None:
    """Where the message is that this one belongs to: the newest one of its session."""
    for place in range(len(found) - 1, -1, -1):
        earlier = found[place]
        if getattr(earlier, "key", None) == part.inbound.key:
            return None  # a command came in between
        if isinstance(earlier, Turn) and earlier.inbound.key == part.inbound.key:
            return place if _belongs(earlier, part) else None
    return None


def _belongs(first: Turn, part: Turn) -> bool:
    if first.inbound.sender != part.inbound.sender:
        return False
    if part.album:
        return part.album == first.album
    return part.is_forwarded and part.inbound.sent_at - first.inbound.sent_at <= BURST_SECONDS
