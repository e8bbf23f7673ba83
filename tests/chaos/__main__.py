"""`python -m tests.chaos [--family sqlite] [--kills 1000] [--seed N]`: prints a table for each, exits 1 on a loss."""

from __future__ import annotations

import argparse
import asyncio
import math
import random
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos.families import FAMILIES
from tests.chaos.run import run_chaos


def main() -> int:
    """One family after the other."""
    asked = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    asked.add_argument("--family", choices=sorted(FAMILIES), action="append")
    asked.add_argument("--kills", type=int, default=1000, help="of each family")
    asked.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1, 10**9))
    asked.add_argument("--longest", type=float, default=0.3, help="seconds between two kills at most")
    asked.add_argument("--minutes", type=float, default=math.inf, help="of kills at most, however few they were")
    given = asked.parse_args()
    failed = [name for name in given.family or FAMILIES if _run(name, given)]
    return 1 if failed else 0


def _run(name: str, given: argparse.Namespace) -> bool:
    print(f"{name}: --seed {given.seed}", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory(prefix="outlive-chaos-", ignore_cleanup_errors=True) as folder:
        family, began = FAMILIES[name](Path(folder)), time.monotonic()
        try:
            limits = {"longest": given.longest, "seconds": given.minutes * 60}
            tally = asyncio.run(run_chaos(family, Path(folder), given.seed, given.kills, **limits))
        finally:
            family.close()
        print(f"\n{tally.table(f'{name}, seed {given.seed}', time.monotonic() - began)}\n")
        print(f"errors that workers reported and got over: {dict(tally.errors)}", file=sys.stderr)
        print((Path(folder) / "stderr").read_text()[-3000:] if tally.violations else "", file=sys.stderr)
    for violation in tally.violations:
        print(f"VIOLATION: {violation}", flush=True)
    return bool(tally.violations)


if __name__ == "__main__":
    sys.exit(main())
