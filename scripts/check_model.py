"""Checks the model of lease and commit exhaustively with spin, and that without each safeguard it fails."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

MODEL = Path(__file__).resolve().parents[1] / "model" / "lease.pml"
NEEDED = ("spin", "gcc")
HOW = "On Debian and Ubuntu: apt-get install spin gcc"
BROKEN = {"the fence is not checked": "FENCED=0", "an unanswered commit counts as done": "READBACK=0",
          "acknowledged before the commit": "ORDERED=0"}  # fmt: skip
SECONDS = 600


@dataclass(frozen=True, slots=True)
class Checked:
    """What the checker said of one variant."""

    errors: int
    states: int
    assertion: str
    is_exhaustive: bool


def missing() -> list[str]:
    """Programs that are needed and not there."""
    return [name for name in NEEDED if shutil.which(name) is None]


def check(*defines: str, optimise: str = "-O2") -> Checked:
    """Search every state of the model with these definitions."""
    with tempfile.TemporaryDirectory(prefix="outlive-model-") as folder:
        given = [f"-D{each}" for each in defines]
        _run(folder, "spin", *given, "-a", str(MODEL))
        _run(folder, "gcc", optimise, "-DSAFETY", "-DCOLLAPSE", "-DVECTORSZ=4096", "-w", "-o", "pan", "pan.c")
        told = _run(folder, "./pan", "-m1000000", "-w24")
    states, errors = re.search(r"(\d+) states, stored", told), re.search(r"errors: (\d+)", told)
    failed = re.search(r"assertion violated (.*)\(at depth", told)
    if states is None or errors is None:
        raise RuntimeError(told)
    is_exhaustive = "max search depth too small" not in told and "out of memory" not in told
    return Checked(int(errors[1]), int(states[1]), failed[1].strip() if failed else "", is_exhaustive)


def _run(folder: str, *command: str) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=SECONDS, check=False)
    if done.returncode and "errors:" not in done.stdout:
        raise RuntimeError(done.stdout + done.stderr)
    return done.stdout


def main() -> int:
    """Exit code: 0 when the model holds and every broken variant is found out, 1 otherwise, 2 without the tools."""
    if absent := missing():
        print(f"{' and '.join(absent)} not found. {HOW}", file=sys.stderr)
        return 2
    whole = check()
    is_good = whole.errors == 0 and whole.is_exhaustive
    print(f"as built: {whole.errors} errors in {whole.states:,} states, {'all' if whole.is_exhaustive else 'not all'}")
    for name, define in BROKEN.items():
        found = check(define)
        is_good = is_good and found.errors > 0
        print(f"{name}: {'violates ' + found.assertion if found.errors else 'NOT FOUND'}")
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
