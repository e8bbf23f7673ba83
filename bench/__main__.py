"""`python -m bench run`: progress on stderr, tables on stdout, figures in a JSON file."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

from rich.console import Console

from bench.contest import ENTRIES, SCENARIOS
from bench.race import Plan, race
from bench.remote import ROOT, BenchError, Interpreters
from bench.report import document, show
from bench.servers import servers

TABLE_WIDTH = 124
_NAMES = [entry.name for entry in ENTRIES]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line. Exits: 0 done, 1 a contestant failed, 2 bad arguments, 130 interrupted."""
    options = _parser().parse_args(arguments)
    try:
        return asyncio.run(_agent(options) if options.command == "agent" else _run(options))
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


async def _run(options: argparse.Namespace) -> int:
    # Below the repository, not in a temporary file system that may be memory: syncing to disk is part of the work.
    place = ROOT / "build"
    place.mkdir(exist_ok=True)
    started = time.monotonic()
    with tempfile.TemporaryDirectory(dir=place, prefix="bench-") as folder, servers(options.on):
        plan = _plan(options, Path(folder))
        say = partial(print, file=sys.stderr, flush=True)
        records = [record for name in options.on for record in await race(plan.on(name), say)]
    report = document(plan, records, time.monotonic() - started)
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n")
    show(report, Console(width=TABLE_WIDTH))
    return 0


async def _agent(options: argparse.Namespace) -> int:
    from bench.agent_turns import measure_turns, table

    place = ROOT / "build"
    place.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place, prefix="bench-") as folder:
        os.chmod(folder, 0o711)  # as root, agents run as users of their own and pass through it
        say = partial(print, file=sys.stderr, flush=True)
        rows = await measure_turns(Path(folder), sorted(options.megabytes), options.rounds, say)
    if options.json:
        options.json.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")
    print(table(rows))
    return 0


def _plan(options: argparse.Namespace, folder: Path) -> Plan:
    entries = [entry for entry in ENTRIES if entry.scenario in options.on and entry.name in (options.only or _NAMES)]
    interpreters = Interpreters(own=Path(sys.executable), peers=options.peers_python.absolute())
    return Plan(entries, options.sizes, options.turns, options.rounds, folder, interpreters)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure outlive beside its peers.")
    commands = parser.add_subparsers(dest="command", required=True)
    agent = commands.add_parser("agent", help="turns on the real CLI, cold and warm, beside the SDK alone")
    agent.add_argument("--megabytes", type=float, nargs="+", default=[0.1, 1, 5, 20, 50], help="of transcript")
    agent.add_argument("--rounds", type=_positive, default=5, help="turns of each kind at each size")
    agent.add_argument("--json", type=Path, metavar="FILE", help="write all figures to FILE")
    run = commands.add_parser("run", help="run the benchmark")
    run.add_argument("--sizes", type=_even, nargs="+", default=[10, 100, 1000, 5000], metavar="MESSAGES")
    run.add_argument("--only", action="append", choices=_NAMES, help="may be repeated")
    run.add_argument("--on", nargs="+", choices=SCENARIOS, default=["embedded"], help="servers are started here")
    run.add_argument("--turns", type=_positive, default=20, help="turns measured at each size")
    run.add_argument("--rounds", type=_positive, default=4, help="rounds in which the contestants alternate")
    run.add_argument("--json", type=Path, metavar="FILE", help="write all figures to FILE")
    run.add_argument("--peers-python", type=Path, default=ROOT / ".venv-bench/bin/python", metavar="PATH")
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is not 1 or more")
    return number


def _even(text: str) -> int:
    number = _positive(text)
    if number % 2:
        raise argparse.ArgumentTypeError(f"{number} messages are no whole turns: give an even number")
    return number


if __name__ == "__main__":
    sys.exit(main())
