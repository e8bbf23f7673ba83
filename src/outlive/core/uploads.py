"""Files that came with a message over the HTTP API, kept until its turn is committed."""

from __future__ import annotations

from hashlib import sha256

from outlive.core.keys import parse_session_key
from outlive.core.messages import MAX_FILES
from outlive.errors import NotFound

UPLOADS = "uploads/"
"""Prefix of the objects, below a tenant."""
MAX_UPLOADS = MAX_FILES
UPLOAD_SECONDS = 15 * 86400.0
"""After which one is swept: longer than a dead letter is worth keeping."""


def upload_key(session_key: str, message_id: str, number: int) -> str:
    """Where a message's file lies, its tenant's prefix included: made of the message, so that nothing is looked up."""
    tenant = parse_session_key(session_key).tenant
    digest = sha256(f"{session_key}\n{message_id}".encode()).hexdigest()
    return f"{tenant}/{UPLOADS}{digest[:40]}/{number}"


def stored_at(ref: str) -> str:
    """The object that a file's `ref` names; `NotFound` unless it is an upload."""
    tenant, _, rest = ref.partition("/")
    if not rest.startswith(UPLOADS) or not tenant:
        raise NotFound(f"{ref!r} is no file of a message.", fix="Send the message with its files again.")
    return ref
