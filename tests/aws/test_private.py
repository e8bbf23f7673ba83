"""What a process of the same user can read of a function's process."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/proc and prctl are Linux's")

NOBODY = 65534
SHOWN = f"""
import ctypes, os
from outlive.entrypoints.aws_lambda.private import hide_process
if os.geteuid() == 0:
    os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})
ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # a change of user hides a process by itself
"""
WAIT = "print('ready', flush=True); input()"


def environment_of(process_id: int) -> bytes:
    """What another process of the same user reads."""
    user: dict[str, Any] = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
    path = f"/proc/{process_id}/environ"
    return subprocess.run(["cat", path], capture_output=True, check=False, cwd="/", **user).stdout


@pytest.mark.parametrize("hides", [True, False])
def test_a_hidden_process_shows_its_environment_to_nobody(hides: bool) -> None:
    """Another process of the same user reads a function's first environment only as long as it is not hidden."""
    code = SHOWN + ("hide_process()\n" if hides else "") + WAIT
    with subprocess.Popen([sys.executable, "-c", code], env={"SECRET": "x"}, stdin=-1, stdout=-1) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        read = environment_of(process.pid)
        process.communicate(b"\n")
    assert (b"SECRET=x" in read) is not hides
