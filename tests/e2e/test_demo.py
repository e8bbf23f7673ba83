"""The demo as a stranger runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.cli, pytest.mark.timeout(240)]


@pytest.mark.promise("P1")
@pytest.mark.promise("P2")
def test_the_demo_keeps_everything(tmp_path: Path) -> None:
    """`outlive demo` without a key ends well, proves six things, says what answers, and leaves nothing behind."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("OUTLIVE_", "ANTHROPIC_"))}
    env |= {"TMPDIR": str(tmp_path), "HOME": str(tmp_path)}
    command = [sys.executable, "-m", "outlive", "demo"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("│ kept") == 6
    assert "not a language model" in done.stdout
    assert "finished the turn of the worker that was killed" in done.stdout
    assert list(tmp_path.glob("outlive*")) == []
