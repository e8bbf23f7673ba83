"""What every backend accepts: keys, bodies, owners and page sizes, checked the same way everywhere."""

from __future__ import annotations

from outlive.core.records import At, Expected, Hold, LeaseChange, Raise
from outlive.errors import Invalid, TooLarge

KEY_BYTES = 1024
BODY_BYTES = 256 * 1024


def check_text(name: str, text: str, *, at_least: int = 1, at_most: int | None = None) -> None:
    """`Invalid` naming the field when the text is no UTF-8 or its length in bytes is outside the limits."""
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise Invalid(f"The {name} {text[:80]!r} is not valid Unicode.", fix="Remove lone surrogates.") from None
    if size < at_least:
        raise Invalid(f"The {name} is empty.", fix="Give it at least one character.")
    if at_most is not None and size > at_most:
        raise Invalid(f"The {name} {text[:80]!r}... has {size} bytes.", fix=f"Keep it at {at_most} or less.")


def check_limit(limit: int) -> None:
    """`Invalid` when a page would hold nothing."""
    if limit < 1:
        raise Invalid(f"limit is {limit}.", fix="Ask for one entry or more.")


def storable(text: str) -> str:
    """The text with lone surrogates spelled out: a reason quotes errors, and must not fail itself."""
    return text.encode(errors="backslashreplace").decode()


def check_table_key(key: str) -> None:
    """`Invalid` unless the text can be a record's key."""
    check_text("table key", key, at_most=KEY_BYTES)


def check_lease(lease: LeaseChange, expected: Expected) -> None:
    """`Invalid` when the lease is to be held by nobody, or its fence would fall."""
    if isinstance(lease, Hold):
        check_text("lease owner", lease.owner)
    known = expected.fence if isinstance(expected, At) else 0
    if isinstance(lease, Raise) and lease.fence < known:
        raise Invalid(f"The fence cannot fall from {known} to {lease.fence}.", fix="Raise it.")


def created_lease(lease: LeaseChange, fence: int = 0) -> tuple[int, str | None, float]:
    """Fence, owner and expiry of a record that is made with this lease, its fences beginning behind `fence`."""
    if isinstance(lease, Raise):
        return lease.fence, lease.owner, lease.until
    return (fence + 1, lease.owner, lease.until) if isinstance(lease, Hold) else (fence, None, 0.0)


def check_body(key: str, body: bytes) -> None:
    """`TooLarge` above the limit of a record's body."""
    if len(body) > BODY_BYTES:
        raise TooLarge(
            f"The record {key!r} would have {len(body)} bytes; {BODY_BYTES} is the limit.",
            fix="Keep large values in the object store.",
        )
