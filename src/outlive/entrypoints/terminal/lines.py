"""Lines of a file as they come, read by a thread of its own."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress


def read_lines(file: int, heard: Callable[[str | None], None]) -> None:
    """Every line of a file as it comes, then None; blocks.

    Not through `sys.stdin`: Python waits at its end for whoever reads that, even for a thread nobody needs any more.
    """
    rest = b""
    with suppress(RuntimeError):  # the loop has ended before the file
        while chunk := _read(file):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                heard(line.decode(errors="replace"))
        if rest:
            heard(rest.decode(errors="replace"))
        heard(None)


def _read(file: int) -> bytes:
    """What has come; nothing more comes from a terminal that was closed."""
    try:
        return os.read(file, 1 << 16)
    except OSError:
        return b""
