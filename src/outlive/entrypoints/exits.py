"""Exit codes: what the shell is told."""

from __future__ import annotations

from outlive.errors import Invalid, OutliveError

OK, FAILED, USAGE, DEFECT, INTERRUPTED = 0, 1, 2, 3, 130


def exit_code(error: OutliveError) -> int:
    """2 when the input or the settings are to be changed, 1 for everything else that is known."""
    return USAGE if isinstance(error, Invalid) else FAILED
