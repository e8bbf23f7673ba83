"""Makes worker processes fast: what a worker imports is imported once, and each line on stdin is answered with a fork.

`python -m tests.e2e.forge`. A child is a whole worker (`outlive worker --json`) with a process of its own to be killed;
the parent only counts on it to end.
"""

from __future__ import annotations

import os
import signal
import sys

import outlive.agents.claude
import outlive.testing.scripted_model  # noqa: F401 - loaded for the children
from outlive.entrypoints.working import Limits, run_worker
from outlive.settings import load_settings


def main() -> None:
    """A worker for each line."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the dead are reaped at once
    for _ in sys.stdin:
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            run_worker(load_settings(), Limits(), as_json=True)
            sys.stdout.flush()
            os._exit(0)


if __name__ == "__main__":
    main()
