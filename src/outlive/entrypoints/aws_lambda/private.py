"""The function's own credentials kept from the tools that agents run."""

from __future__ import annotations

import ctypes
import sys

PR_SET_DUMPABLE = 4


def hide_process() -> None:
    """Let no other process of this user read this one's memory or first environment (`/proc/PID/environ`).

    Lambda's tools run as the function's own user; what the kernel shows only of "dumpable" processes is closed to
    them. See prctl(2), PR_SET_DUMPABLE. `OSError` when the kernel refuses; nothing outside Linux.
    """
    if sys.platform == "linux" and ctypes.CDLL(None, use_errno=True).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl refused to hide this process")
