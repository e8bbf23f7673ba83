"""Where a text may be cut: between two characters as people see them; standard library only."""

from __future__ import annotations

import unicodedata

_JOINER = "\u200d"


def is_boundary(text: str, at: int) -> bool:
    """Whether a character as people see it ends there: the rules of UAX 29 that chat texts meet."""
    if at <= 0 or at >= len(text):
        return True
    before, after = text[at - 1], text[at]
    if _JOINER in (after, before) or (before, after) == ("\r", "\n"):
        return False
    if unicodedata.category(after) in {"Mn", "Me", "Mc"} or "\U0001f3fb" <= after <= "\U0001f3ff":
        return False
    if "\U000e0020" <= after <= "\U000e007f" or _is_jamo_inside(after):
        return False
    return not (_is_flag(after) and _flags_before(text, at) % 2)


def _is_jamo_inside(character: str) -> bool:
    return "\u1160" <= character <= "\u11ff"


def _is_flag(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"


def _flags_before(text: str, at: int) -> int:
    count = 0
    while count < at and _is_flag(text[at - 1 - count]):
        count += 1
    return count
