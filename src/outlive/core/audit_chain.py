"""The audit log: segments chained by digest, so that nothing in the middle can be changed, removed or put in."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from outlive.core.ledger import LedgerLine
from outlive.errors import Corrupt, SchemaTooNew

SCHEMA = 1
AUDIT = "archive/audit/"
CONVERSATIONS = "archive/conversations/"
CUT = "cut"
START = "0" * 64
"""What the first segment names as the one before it."""
REPAIR = "Somebody changed the archive: compare it with a backup."

Entry = Mapping[str, Any]
"""One thing that happened: `at` (epoch seconds), `kind`, and what belongs to the kind. No content of messages."""


@dataclass(frozen=True, slots=True)
class Segment:
    """Some entries, in the order they were recorded."""

    number: int
    """1 for the first of a tenant."""
    previous: str
    """Digest of the segment before (SHA-256)."""
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Tail:
    """The newest segment, as recorded outside the chain: a chain that ends before it was cut."""

    number: int = 0
    digest: str = START


def segment_key(number: int) -> str:
    """Where a segment lies, below the tenant's own prefix; in order of number."""
    return f"{AUDIT}{number:012d}.json"


def encode_segment(segment: Segment) -> bytes:
    """The object's bytes; its digest is the name the next segment knows it by."""
    fields = {
        "schema": SCHEMA,
        "number": segment.number,
        "previous": segment.previous,
        "entries": [dict(entry) for entry in segment.entries],
    }
    return json.dumps(fields, separators=(",", ":"), sort_keys=True).encode()


def decode_segment(raw: bytes, name: str) -> Segment:
    """A segment from its object; `Corrupt` or `SchemaTooNew` name it."""
    try:
        fields = json.loads(raw)
        schema, number, previous = fields["schema"], fields["number"], fields["previous"]
        entries = tuple(fields["entries"])
        is_newer = schema > SCHEMA
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Corrupt(f"{name} is no segment of the audit log.", fix=REPAIR) from error
    if is_newer:
        raise SchemaTooNew(f"{name} has schema {schema}.", fix="Upgrade outlive.")
    return Segment(number, previous, entries)


def digest_of(raw: bytes) -> str:
    """The name of a segment's bytes (SHA-256)."""
    return sha256(raw).hexdigest()


def check_link(raw: bytes, segment: Segment, before: Tail, name: str) -> Tail:
    """The tail after this segment; `Corrupt` names the one that does not follow what is before it."""
    if segment.number != before.number + 1:
        raise Corrupt(f"the audit log has no segment {before.number + 1} before {name}.", fix=REPAIR)
    if segment.previous != before.digest:
        raise Corrupt(f"{name} does not follow segment {before.number}: one of the two was changed.", fix=REPAIR)
    return Tail(segment.number, digest_of(raw))


def check_end(found: Tail, recorded: Tail) -> None:
    """`Corrupt` when the chain ends before the recorded tail, or in another segment of that number."""
    if found.number < recorded.number:
        raise Corrupt(f"the audit log ends at {found.number}, {recorded.number} was recorded.", fix=REPAIR)
    if found.number == recorded.number and found.digest != recorded.digest:
        raise Corrupt(f"segment {found.number} is not the one that was recorded.", fix=REPAIR)


def check_beginning(anchor: Tail, cuts: Sequence[Tail]) -> None:
    """`Corrupt` when the log begins behind an anchor that no entry of it tells of: somebody else has cut it."""
    if anchor not in cuts:
        raise Corrupt(f"nothing in the audit log says that it was cut at segment {anchor.number}.", fix=REPAIR)


def cut_entry(anchor: Tail, now: float) -> Entry:
    """What the log keeps of its own cut: which segment was the last to go."""
    return {"kind": CUT, "at": now, "number": anchor.number, "digest": anchor.digest}


def cuts_in(entries: Iterable[Entry]) -> list[Tail]:
    """The cuts that these entries tell of."""
    return [Tail(entry["number"], entry["digest"]) for entry in entries if entry.get("kind") == CUT]


def is_over(segment: Segment, before: float) -> bool:
    """Whether every entry is older than that."""
    return all(entry["at"] < before for entry in segment.entries)


def is_only_cuts(segment: Segment) -> bool:
    """Whether it says nothing but that the log was cut."""
    return all(entry.get("kind") == CUT for entry in segment.entries)


def turn_entry(session_id: str, line: LedgerLine) -> Entry:
    """What the log keeps of a turn: who, when, what it cost, and digests by which its text can be proved."""
    return {
        "kind": "turn",
        "at": line.at,
        "session": session_id,
        "key": line.session_key,
        "turn": line.turn,
        "version": line.version,
        "message_id": line.message_id,
        "sender": line.sender,
        "stop_reason": line.stop_reason,
        "usd": line.usd,
        "worker": line.worker,
        "fence": line.fence,
        "text": text_digest(line.text),
        "reply": text_digest(line.reply),
    }


def text_digest(text: str) -> str:
    """Proves a text without saying it (SHA-256)."""
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def newest_turns(entries: Iterable[Entry]) -> dict[str, int]:
    """Session -> its newest turn among the entries."""
    found: dict[str, int] = {}
    for entry in entries:
        if entry.get("kind") == "turn":
            found[entry["session"]] = max(found.get(entry["session"], 0), entry["turn"])
    return found


def conversation_key(session_id: str, lines: Sequence[LedgerLine]) -> str:
    """Where a run of turns lies with all its text; the numbers sort."""
    return f"{CONVERSATIONS}{session_id}/{lines[0].turn:08d}-{lines[-1].turn:08d}.jsonl"
