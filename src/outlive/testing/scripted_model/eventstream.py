"""The binary framing of AWS event streams: messages of headers and a payload, each with two checksums."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from zlib import crc32

CONTENT_TYPE = "application/vnd.amazon.eventstream"
_STRING = 7
"""The type of a header's value; Bedrock sends no other one."""


def event_frame(kind: str, payload: bytes) -> bytes:
    """One event of type `kind`, with a JSON payload."""
    return frame(
        {":event-type": kind, ":content-type": "application/json", ":message-type": "event"},
        payload,
    )


def exception_frame(kind: str, payload: bytes) -> bytes:
    """An error that ends a stream which had begun well."""
    return frame(
        {":exception-type": kind, ":content-type": "application/json", ":message-type": "exception"},
        payload,
    )


def frame(headers: Mapping[str, str], payload: bytes) -> bytes:
    """One message: lengths and their CRC-32, headers, payload, CRC-32 of all before; numbers are big-endian."""
    packed = b"".join(_header(name.encode(), value.encode()) for name, value in headers.items())
    prelude = struct.pack(">II", 12 + len(packed) + len(payload) + 4, len(packed))
    whole = prelude + struct.pack(">I", crc32(prelude)) + packed + payload
    return whole + struct.pack(">I", crc32(whole))


def _header(name: bytes, value: bytes) -> bytes:
    return struct.pack(">B", len(name)) + name + struct.pack(">BH", _STRING, len(value)) + value
