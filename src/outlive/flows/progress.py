"""Who watches long work."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[int, int], None]
"""Called with what is done and what there is to do, in the work's own unit."""


def unwatched(done: int, total: int) -> None:
    """Nobody watches."""
