"""What many sessions of a tenant have in common: tool schemas, skill and agent listings, taken from a first turn.

Those bytes (four fifths of a first turn) become a dictionary, stored once per tenant under the digest of its content;
the packs of every session are compressed against it. Nothing a user wrote goes in: only these entries, and of them only
the part that the agent's own software made.
"""

from __future__ import annotations

import json

from outlive.core.boilerplate import SMALL_PACKS
from outlive.core.packs import SMALL, Dictionary, dictionary_of

SHARED_ENTRIES = ("api-request-shape",)
SHARED_ATTACHMENTS = ("agent_listing_delta", "deferred_tools_delta", "prompt_snapshot", "skill_listing")
MARKERS = tuple(f'"type":"{name}"'.encode() for name in (*SHARED_ENTRIES, *SHARED_ATTACHMENTS))
LEAST = 4096
"""Fewer shared bytes than this are not worth an object of their own."""
DROP_FROM = SMALL // 4
"""A pack with more raw bytes than this gains too little to need a second object for reading it."""


def shared_part(data: bytes) -> Dictionary | None:
    """The dictionary in these transcript lines; None when there is too little in them or they are too many."""
    if len(data) > DROP_FROM or not any(marker in data for marker in MARKERS):
        return None
    parts = [part for line in data.split(b"\n") if (part := _shared(line))]
    joined = b"\n".join([*sorted(set(parts)), SMALL_PACKS.data])
    return dictionary_of(joined) if sum(map(len, parts)) >= LEAST else None


def _shared(line: bytes) -> bytes | None:
    """What this line has in common with other sessions' lines, as JSON in the CLI's own spelling."""
    if not any(marker in line for marker in MARKERS):
        return None
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    match entry:
        case {"type": kind, "shape": shape} if kind in SHARED_ENTRIES:
            return _spell(shape)
        case {"type": "attachment", "attachment": {"type": kind} as attachment} if kind in SHARED_ATTACHMENTS:
            return _spell(attachment)
        case _:
            return None


def _spell(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")
