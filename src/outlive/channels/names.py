"""File names that are safe on every machine; standard library only."""

from __future__ import annotations

import re

NAME_BYTES = 80

_UNSAFE = re.compile(r"[^\w.+()@ -]+")


def safe_name(name: str) -> str:
    """One path segment of letters, digits and a few signs, its ending kept, 80 bytes at most."""
    name = _UNSAFE.sub("_", name.replace("\\", "/").rsplit("/", 1)[-1]).strip(". ") or "file"
    stem, dot, ending = name.rpartition(".")
    if not dot or len(ending.encode()) > 10:
        stem, ending = name, ""
    room = NAME_BYTES - len(dot + ending)
    return stem.encode()[:room].decode(errors="ignore") + (f".{ending}" if ending else "")
