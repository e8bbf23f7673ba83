"""What a user told an agent about how they like things: small, per user and agent, kept while it is used."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from outlive.core.keys import MAX_MESSAGE_ID_BYTES, check_part, quote_part
from outlive.errors import Corrupt, Invalid, SchemaTooNew, TooLarge

SCHEMA = 1
TTL = 7 * 86400.0
"""Sliding, in seconds: the original design's seven days."""
REFRESH = 86400.0
"""How often a read prolongs it at most: a write per day and user, not per message."""
MAX_BYTES = 16 * 1024


@dataclass(frozen=True, slots=True)
class Preferences:
    """One user's preferences for one agent; version 0 is nothing at all."""

    version: int = 0
    values: dict[str, Any] = field(default_factory=dict)


def preferences_key(user: str, agent: str) -> str:
    """Where they live, below the tenant's own prefix: the original design's `user#…#…`."""
    check_part("user", user, MAX_MESSAGE_ID_BYTES)
    check_part("agent", agent, MAX_MESSAGE_ID_BYTES)
    return f"user#{quote_part(user)}#{quote_part(agent)}"


def user_prefix(user: str) -> str:
    """What every record of a user's preferences starts with."""
    check_part("user", user, MAX_MESSAGE_ID_BYTES)
    return f"user#{quote_part(user)}#"


def encode_preferences(values: dict[str, Any]) -> bytes:
    """The record's body; `Invalid` or `TooLarge` for what cannot be kept."""
    if not isinstance(values, dict):
        raise Invalid("preferences are no JSON object.", fix="Patch them with an object.")
    try:
        body = json.dumps({"schema": SCHEMA, "values": values}, separators=(",", ":"), allow_nan=False).encode()
    except (ValueError, TypeError, RecursionError) as error:
        raise Invalid(f"preferences hold what JSON has no form for: {error}.", fix="Use null or text.") from error
    if len(body) > MAX_BYTES:
        raise TooLarge(f"preferences would have {len(body):,} bytes.", fix=f"Keep them under {MAX_BYTES:,}.")
    return body


def decode_preferences(body: bytes, version: int, name: str) -> Preferences:
    """Preferences from their record; `Corrupt` or `SchemaTooNew` name it."""
    try:
        fields = json.loads(body)
        schema, values = fields["schema"], dict(fields["values"].items())
        is_newer = schema > SCHEMA
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Corrupt(
            f"record {name} holds no preferences.", fix="Delete it with `outlive preferences erase`."
        ) from error
    if is_newer:
        raise SchemaTooNew(f"record {name} has schema {schema}.", fix="Upgrade outlive on this worker.")
    return Preferences(version, values)
