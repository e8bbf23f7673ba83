"""What a cached tool result is filed under, and its stored form."""

from __future__ import annotations

import json
import math
from base64 import b64decode, b64encode
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from outlive.core.keys import MAX_MESSAGE_ID_BYTES, check_part, quote_part
from outlive.errors import Corrupt, Invalid, SchemaTooNew

SCHEMA = 1
ENTRIES = "tool#"
"""What every record of a result starts with."""
MIN_TTL, MAX_TTL = 300.0, 3600.0
"""5 to 60 minutes, the original design's range, in seconds."""
INLINE_BYTES = 16 * 1024
"""Larger results are objects of their own; the record keeps a link."""
MAX_BYTES = 64 << 20
MAX_PARAMETERS = 64 * 1024
"""Bytes of parameters in their canonical form: they are stored with the result. Longer calls are made each time."""
BLOBS = "toolcache/"
"""What every such object's key starts with, below the tenant's own prefix."""
HOUR = 3600
RESULTS, HITS = "tool#", "toolhits#"
"""What the records of results, and those that count their uses, start with."""
HITS_TTL = 30 * 86400.0
"""How long after the last one uses are remembered, in seconds."""


@dataclass(frozen=True, slots=True)
class CacheKey:
    """One call: whose, of which tool, with which parameters."""

    profile: str
    tool: str
    parameters: str
    """In canonical form; stored with the result and compared, so that a clash of digests is a miss."""

    @property
    def record(self) -> str:
        """Where the result lives, below the tenant's own prefix: the original design's `tool#…`."""
        return f"{_tool(self)}#{_digest(self.parameters)}"

    @property
    def generation(self) -> str:
        """Where it is counted how often the tool's results were declared invalid."""
        return f"toolgen#{quote_part(self.profile)}#{quote_part(self.tool)}"

    @property
    def hits(self) -> str:
        """Where its uses are counted: never the record itself, which a count must not touch."""
        return f"{HITS}{_tool(self).removeprefix(RESULTS)}#{_digest(self.parameters)}"


@dataclass(frozen=True, slots=True)
class Cached:
    """A stored result: its bytes, or the object they lie in."""

    parameters: str
    generation: int
    stored_at: float
    size: int
    inline: bytes | None
    blob: str | None
    """The object's key, below the tenant's own prefix."""
    digest: str
    """Of the bytes (128 bits)."""


def cache_key(profile: str, tool: str, parameters: dict[str, Any]) -> CacheKey:
    """The key of a call; `Invalid` names what cannot be one."""
    check_part("profile", profile, MAX_MESSAGE_ID_BYTES)
    check_part("tool", tool, MAX_MESSAGE_ID_BYTES)
    return CacheKey(profile, tool, canonical(parameters))


def tool_prefixes(profile: str, tool: str) -> tuple[str, str]:
    """What the records of a tool's results, and those of their uses, start with."""
    key = cache_key(profile, tool, {})
    return f"{key.record.rpartition('#')[0]}#", f"{key.hits.rpartition('#')[0]}#"


def canonical(parameters: object) -> str:
    """Parameters as one text: names sorted, 1.0 written as 1; `Invalid` for what is not JSON."""
    try:
        return json.dumps(_normal(parameters), sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (ValueError, TypeError, RecursionError) as error:
        raise Invalid(f"the tool's parameters are not JSON: {error}.", fix="Pass a JSON object.") from error


def _normal(value: object) -> object:
    match value:
        case bool() | None | str() | int():
            return value
        case float() if math.isfinite(value) and value.is_integer() and abs(value) < 2**53:
            return int(value)
        case dict():
            if not all(isinstance(name, str) for name in value):
                raise TypeError("names have to be text")
            return {name: _normal(inner) for name, inner in value.items()}
        case list() | tuple():
            return [_normal(inner) for inner in value]
        case _:
            return value


def check_ttl(seconds: float) -> float:
    """The seconds themselves; `Invalid` outside 5 to 60 minutes."""
    if not MIN_TTL <= seconds <= MAX_TTL:
        raise Invalid(f"a tool's TTL of {seconds:g} s is out of range.", fix=f"Use {MIN_TTL:g} to {MAX_TTL:g} seconds.")
    return seconds


def blob_key(digest: str, now: float) -> str:
    """Where a large result lies; by the hour, so that old ones are found without reading any record."""
    return f"{BLOBS}{int(now // HOUR):08d}/{digest}"


def is_blob_over(key: str, now: float) -> bool:
    """Whether no record can name it any more: those of its hour have run out, for every worker's clock."""
    hour = key.removeprefix(BLOBS).partition("/")[0]
    return hour.isdigit() and (int(hour) + 1) * HOUR + MAX_TTL + HOUR <= now


def result_digest(result: bytes) -> str:
    """Of a result's bytes (128 bits)."""
    return blake2b(result, digest_size=16).hexdigest()


def encode_cached(cached: Cached) -> bytes:
    """The record's body."""
    inline = None if cached.inline is None else b64encode(cached.inline).decode()
    fields = [cached.parameters, cached.generation, cached.stored_at, cached.size, inline, cached.blob, cached.digest]
    return json.dumps([SCHEMA, *fields], separators=(",", ":")).encode()


def decode_cached(body: bytes, name: str) -> Cached:
    """A result from its record; `Corrupt` or `SchemaTooNew` name it."""
    try:
        schema, parameters, generation, stored_at, size, inline, blob, digest = json.loads(body)
        found = None if inline is None else b64decode(inline, validate=True)
        is_newer = schema > SCHEMA
    except (ValueError, TypeError, RecursionError) as error:
        raise Corrupt(f"record {name} is no cached result.", fix="Invalidate the tool's cache.") from error
    if is_newer:
        raise SchemaTooNew(f"record {name} has schema {schema}.", fix="Upgrade outlive on this worker.")
    return Cached(parameters, generation, stored_at, size, found, blob, digest)


def _tool(key: CacheKey) -> str:
    return f"{RESULTS}{quote_part(key.profile)}#{quote_part(key.tool)}"


def _digest(parameters: str) -> str:
    return blake2b(parameters.encode(), digest_size=16).hexdigest()
