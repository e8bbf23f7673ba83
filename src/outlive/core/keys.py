"""Names: tenants, session keys, session ids, and the storage keys made from them."""

from __future__ import annotations

import re
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import NewType
from urllib.parse import quote, unquote

from outlive.errors import Invalid

Tenant = NewType("Tenant", str)
SessionId = NewType("SessionId", str)

DEFAULT_THREAD = "default"
MAX_PART_BYTES = 128
MAX_MESSAGE_ID_BYTES = 256
MAX_KEY_BYTES = 1000
"""Of a session key in its text form: with the words around it, it has to fit into a table's key of 1,024 bytes."""
DIGEST_LENGTH = 12

_TENANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}\Z")
_SESSION_ID = re.compile(r"[0-9a-f]{32}\Z")
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class SessionKey:
    """Who talks where: `tenant:channel:chat_id:thread_id`, each part percent-encoded in the text form."""

    tenant: Tenant
    channel: str
    chat_id: str
    thread_id: str = DEFAULT_THREAD

    def __str__(self) -> str:
        return ":".join(quote_part(p) for p in (self.tenant, self.channel, self.chat_id, self.thread_id))


def parse_tenant(text: str) -> Tenant:
    """A checked tenant: 1 to 64 of `A-Z a-z 0-9 _ -`, not starting with `_` or `-`; `Invalid` otherwise."""
    if not _TENANT.match(text):
        raise Invalid(
            f"tenant {text!r} is not valid.",
            fix="Use 1 to 64 letters, digits, '_' or '-', starting with a letter or digit.",
        )
    return Tenant(text)


def parse_session_id(text: str) -> SessionId:
    """A checked session id: 32 lower-case hexadecimal digits; `Invalid` otherwise."""
    if not _SESSION_ID.match(text):
        raise Invalid(
            f"session id {text!r} is not valid.",
            fix="Session ids are the 32 hexadecimal digits that `sessions list` shows.",
        )
    return SessionId(text)


@lru_cache(maxsize=1024)  # a turn asks for its own key's parts half a dozen times
def parse_session_key(text: str, *, tenant: str = "local", channel: str = "console") -> SessionKey:
    """Read `chat`, `chat:thread`, `channel:chat:thread` or the whole `tenant:channel:chat:thread`.

    What is left out comes from the arguments. `Invalid` names the part that is wrong.
    """
    try:
        parts = [unquote(part, errors="strict") for part in text.split(":")] if text else []
    except UnicodeDecodeError as error:
        raise Invalid(f"session key {text!r} is not valid: {error}.", fix="Percent-encode UTF-8 only.") from error
    match parts:
        case [chat]:
            return session_key(tenant, channel, chat)
        case [chat, thread]:
            return session_key(tenant, channel, chat, thread)
        case [channel, chat, thread]:
            return session_key(tenant, channel, chat, thread)
        case [tenant, channel, chat, thread]:
            return session_key(tenant, channel, chat, thread)
        case _:
            raise Invalid(
                f"session key {text!r} is not valid.",
                fix="Write it as CHAT, CHAT:THREAD, CHANNEL:CHAT:THREAD or TENANT:CHANNEL:CHAT:THREAD.",
            )


def session_key(tenant: str, channel: str, chat_id: str, thread_id: str = DEFAULT_THREAD) -> SessionKey:
    """A checked session key; `Invalid` names the part that is wrong."""
    for field, value in (("channel", channel), ("chat_id", chat_id), ("thread_id", thread_id)):
        check_part(field, value)
    key = SessionKey(parse_tenant(tenant), channel, chat_id, thread_id)
    if (size := len(str(key))) > MAX_KEY_BYTES:
        raise Invalid(f"session key is {size} bytes long once encoded.", fix=f"Use {MAX_KEY_BYTES} bytes at most.")
    return key


def names_channel(text: str) -> bool:
    """Whether a session key, as a person writes it, names its channel."""
    return text.count(":") > 1


def written_key(key: SessionKey) -> str:
    """A session key as a person of its tenant writes it: `channel:chat:thread`."""
    return ":".join(quote_part(part) for part in (key.channel, key.chat_id, key.thread_id))


def check_part(field: str, value: str, limit: int = MAX_PART_BYTES) -> None:
    """Refuse an empty, overlong or unprintable name; `Invalid` names `field`."""
    if not value:
        raise Invalid(f"{field} is empty.", fix=f"Give {field} a value.")
    if _FORBIDDEN.search(value):
        raise Invalid(f"{field} {value!r} has a control character or half a character.", fix="Remove it.")
    if len(value.encode()) > limit:
        raise Invalid(f"{field} is {len(value.encode())} bytes long.", fix=f"Use {limit} bytes at most.")


@lru_cache(maxsize=1024)
def quote_part(part: str) -> str:
    """One storage-key segment: percent-encoded, never `.` or `..`, never with a separator."""
    quoted = quote(part, safe="").replace("~", "%7E")
    return quoted.replace(".", "%2E") if quoted.strip(".") == "" else quoted


def mapping_key(key: SessionKey) -> str:
    """Where the mapping of a session key lives, below the tenant's own prefix."""
    return f"key/{quote_part(key.channel)}/{quote_part(key.chat_id)}/{quote_part(key.thread_id)}"


def head_key(session_id: SessionId) -> str:
    """Where a session's head lives, below the tenant's own prefix."""
    return f"head/{session_id}"


def pack_prefix(session_id: SessionId) -> str:
    """Where a session's packs live, below the tenant's own prefix."""
    return f"sessions/{session_id}/packs/"


CONTROL_KEY = "control/limits"
"""Where a tenant's limits and its kill switch live, below the tenant's own prefix."""

SPENDING_KEY = "control/spending"
"""Where is counted what a tenant's sessions spend together, below the tenant's own prefix."""

EVERYONE_KEY = f"_all/{CONTROL_KEY}"
"""Where the limits and the kill switch for all tenants live: no tenant's name starts with `_`."""


def message_digest(message_id: str) -> str:
    """Twelve characters that stand for a message id in the head (72 bits: 10^9 ids clash with a chance of 10^-4)."""
    return urlsafe_b64encode(blake2b(message_id.encode(), digest_size=9).digest()).decode()
