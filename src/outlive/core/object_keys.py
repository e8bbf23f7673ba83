"""Which object keys exist."""

from __future__ import annotations

import re

from outlive.errors import Invalid

MAX_BYTES = 900

_SEGMENT = re.compile(r"(?!\.{1,2}\Z)[A-Za-z0-9._%=-]+")
_START = re.compile(r"[A-Za-z0-9._%=-]*")
_FIX = f"Join segments of A-Z a-z 0-9 . _ - % = with '/', none of them '.' or '..', {MAX_BYTES} bytes at most."


def is_key(text: str) -> bool:
    """Whether an object may have this key."""
    return len(text) <= MAX_BYTES and all(_SEGMENT.fullmatch(segment) for segment in text.split("/"))


def is_segment(text: str) -> bool:
    """Whether this may stand between two slashes of a key."""
    return _SEGMENT.fullmatch(text) is not None


def check_key(key: str) -> None:
    """`Invalid` naming the key when no object may have it."""
    if not is_key(key):
        raise Invalid(f"The object key {key[:120]!r} is not allowed.", fix=_FIX)


def check_prefix(prefix: str) -> None:
    """`Invalid` naming the prefix when no key can start with it; an empty one or half a segment is fine."""
    *whole, start = prefix.split("/")
    if not all(is_segment(segment) for segment in whole) or not _START.fullmatch(start):
        raise Invalid(f"No object key can start with {prefix[:120]!r}.", fix=_FIX)
