"""Messages that agents of any framework append to a session, one by one: their ids and their stored form."""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import blake2b

from outlive.core.keys import SessionId, check_part
from outlive.errors import Corrupt, Invalid, SchemaTooNew, TooLarge

SCHEMA = 1
MAX_ROLE_BYTES = 64
INLINE_BYTES = 16 * 1024
"""Longer texts are objects of their own; the record keeps their beginning and a link."""
MAX_BYTES = 8 << 20
PREVIEW = 1000
"""Characters of a long text that a listing shows."""
DIGITS = 16
MESSAGES = "msg#"
"""What every message record of a tenant starts with."""


@dataclass(frozen=True, slots=True)
class LoggedMessage:
    """One message; its id is its place in the session: 1, 2, 3 and so on, whoever appended it."""

    id: int
    at: float
    role: str
    text: str
    """The whole text, or the beginning of one that lies in an object."""
    size: int
    """Bytes of the whole text."""
    nonce: str
    """Made by the appender, so that it knows its own record again."""
    digest: str = ""
    """Of a text that lies in an object (128 bits); empty for one that does not."""

    @property
    def is_whole(self) -> bool:
        """Whether `text` is all of it."""
        return not self.digest


def message_prefix(session_id: SessionId) -> str:
    """What every message record of a session starts with, below the tenant's own prefix."""
    return f"{MESSAGES}{session_id}#"


def message_key(session_id: SessionId, number: int) -> str:
    """Where a message lives: the original design's `msg#…`, under a number instead of a time."""
    return f"{message_prefix(session_id)}{number:0{DIGITS}d}"


def message_number(key: str) -> int:
    """The id of the message in this record."""
    return int(key.rpartition("#")[2])


def tip_key(session_id: SessionId) -> str:
    """Where it is noted how far the ids had come a while ago: a place to start looking from, never the truth."""
    return f"msgtip#{session_id}"


def text_prefix(session_id: SessionId) -> str:
    """Where the long texts of a session live, below the tenant's own prefix."""
    return f"sessions/{session_id}/messages/"


def text_key(session_id: SessionId, message: LoggedMessage) -> str:
    """Where the text of a long message lives."""
    return text_prefix(session_id) + message.nonce


def text_digest(raw: bytes) -> str:
    """Of a text's bytes (128 bits)."""
    return blake2b(raw, digest_size=16).hexdigest()


def text_bytes(text: str) -> bytes:
    """The text as stored, lone surrogates included."""
    return text.encode(errors="surrogatepass")


def new_message(role: str, text: str, *, at: float, nonce: str) -> LoggedMessage:
    """A message without its number yet; `Invalid` or `TooLarge` name the field."""
    check_part("role", role, MAX_ROLE_BYTES)
    if not text:
        raise Invalid("text is empty.", fix="Give the message a text.")
    raw = text_bytes(text)
    if len(raw) > MAX_BYTES:
        raise TooLarge(f"text is {len(raw):,} bytes long.", fix=f"Send {MAX_BYTES:,} bytes at most.")
    if len(raw) <= INLINE_BYTES:
        return LoggedMessage(0, at, role, text, len(raw), nonce)
    return LoggedMessage(0, at, role, text[:PREVIEW], len(raw), nonce, text_digest(raw))


def encode_message(message: LoggedMessage) -> bytes:
    """The record's body; its number is in the key."""
    fields = [SCHEMA, message.at, message.role, message.text, message.size, message.nonce, message.digest]
    return json.dumps(fields, separators=(",", ":")).encode()


def decode_message(body: bytes, key: str) -> LoggedMessage:
    """A message from its record; `Corrupt` or `SchemaTooNew` name it."""
    try:
        schema, at, role, text, size, nonce, digest = json.loads(body)
        number = message_number(key)
        is_newer = schema > SCHEMA
    except (ValueError, TypeError, RecursionError) as error:
        raise Corrupt(f"record {key} is no message.", fix="Restore the table from a backup.") from error
    if is_newer:
        raise SchemaTooNew(f"record {key} has schema {schema}.", fix="Upgrade outlive on this worker.")
    return LoggedMessage(number, at, role, text, size, nonce, digest)
