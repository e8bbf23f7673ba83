"""The ledger: one line per committed turn, kept in the session's own tree as `ledger.jsonl`.

It answers a repeat of any age: the head's window finds the line of a recent message, a look through the file finds
any other. Rewinding keeps it whole, so a message that was answered once is never run again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from outlive.core.approvals import Approval, approval_from_json, approval_json
from outlive.core.keys import message_digest
from outlive.core.outgoing import OutFile
from outlive.errors import Corrupt

PATH = "ledger.jsonl"
_OPTIONAL = ("approval", "lifted", "joined", "files", "attached")
"""Left out of the line when empty."""
_START = re.compile(rb'\{"turn":\d+,"version":\d+,"at":([\d.e+-]+),"message_id":("(?:[^"\\]|\\.)*"),')
_JOINED = b',"joined":['
"""In no string of a line: a quotation mark there has a backslash before it."""


@dataclass(frozen=True, slots=True)
class Attached:
    """A file that came with the message, as the turn left it in `work/inbox/`."""

    name: str
    mime: str
    """As the sender's side declares it."""
    size: int
    """In bytes; of one that is not there, as the channel declared it, 0 when it did not."""
    digest: str = ""
    """Of its content, as manifests note it; empty when the turn has left no such file."""

    @property
    def path(self) -> str:
        """Below `work/`."""
        return f"inbox/{self.name}"


@dataclass(frozen=True, slots=True)
class LedgerLine:
    """One turn as it was committed."""

    turn: int
    version: int
    at: float
    message_id: str
    session_key: str
    sender: str
    text: str
    reply: str
    agent_session_id: str
    stop_reason: str
    is_error: bool
    usd: float
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    fence: int
    worker: str
    prompt_version: str = ""
    """Of the profile that answered; empty in lines that were written before it was noted."""
    agent_turns: int = 0
    """Model calls."""
    seconds: float = 0.0
    """Wall time of the agent."""
    approval: Approval | None = None
    """The question that is open after this turn."""
    lifted: str = ""
    """The rule that no longer asks from this turn on."""
    joined: tuple[str, ...] = ()
    """Ids of further messages that this turn answers, in their order; their texts are part of `text`."""
    files: tuple[OutFile, ...] = ()
    """What goes out with the reply."""
    attached: tuple[Attached, ...] = ()
    """What came with the message; empty in lines that were written before it was noted."""


def encode_line(line: LedgerLine) -> bytes:
    """The line as stored, newline included; lone surrogates and NUL survive as JSON escapes."""
    fields = {name: getattr(line, name) for name in LedgerLine.__dataclass_fields__}
    fields |= {name: [asdict(each) for each in fields[name]] for name in ("files", "attached")}
    fields |= {"approval": approval_json(line.approval)}
    for name in _OPTIONAL:
        if not fields[name]:
            del fields[name]
    return json.dumps(fields, separators=(",", ":")).encode() + b"\n"


def decode_line(raw: bytes) -> LedgerLine:
    """A line back; unknown fields of a later version are left out; `Corrupt` when it is none."""
    try:
        fields: dict[str, Any] = json.loads(raw)
        known = {name: fields[name] for name in LedgerLine.__dataclass_fields__ if name in fields}
        changed: dict[str, Any] = {
            "approval": approval_from_json(fields.get("approval")),
            "joined": tuple(fields.get("joined", ())),
            "files": tuple(OutFile(**each) for each in fields.get("files", ())),
            "attached": tuple(map(_attached, fields.get("attached", ()))),
        }
        return LedgerLine(**known | changed)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Corrupt(
            "a line of ledger.jsonl cannot be read.", fix="Rewind the session to an older version."
        ) from error


def _attached(fields: dict[str, Any]) -> Attached:
    return Attached(**{name: fields[name] for name in Attached.__dataclass_fields__ if name in fields})


def line_at(ledger: bytes, offset: int) -> LedgerLine:
    """The line that starts at `offset`."""
    end = ledger.find(b"\n", offset)
    return decode_line(ledger[offset : end if end >= 0 else len(ledger)])


def lines_of(ledger: bytes) -> Iterator[LedgerLine]:
    """Every line, oldest first."""
    return (decode_line(raw) for raw in ledger.splitlines() if raw)


def answered_in(raw: bytes) -> tuple[float, tuple[str, ...]] | None:
    """When a line was committed and which messages it answers, mostly without the rest of it; None for no line."""
    start = _START.match(raw)
    try:
        if start is None or _JOINED in raw:
            line = decode_line(raw)
            return line.at, (line.message_id, *line.joined)
        return float(start[1]), (json.loads(start[2]),)
    except (ValueError, Corrupt):
        return None


def digest_of(line: LedgerLine) -> str:
    """The digest under which the head's window knows this line's message."""
    return message_digest(line.message_id)
