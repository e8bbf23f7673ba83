"""`python -m bench run`: progress on stderr, tables on stdout, figures in a JSON file."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from rich.console import Console

from bench.contest import ENTRIES, SCENARIOS
from bench.race import Plan, race
from bench.remote import ROOT, BenchError, Interpreters
from bench.report import document, show
from bench.servers import servers

TABLE_WIDTH = 136
_NAMES = [entry.name for entry in ENTRIES]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line. Exits: 0 done, 1 a contestant failed, 2 bad arguments, 130 interrupted or told to end."""
    options = _parser().parse_args(arguments)
    # told to end, it stops the servers that it has started, too
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        works = {
            "agent": _agent,
            "console": _console,
            "delivery": _delivery,
            "run": _run,
            "throughput": _throughput,
            "startup": _startup,
            "plot": _plot,
            "bars": _bars,
        }
        return asyncio.run(works[options.command](options))
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
    _write(options.json, [asdict(row) for row in rows])
    print(table(rows))
    return 0


async def _delivery(options: argparse.Namespace) -> int:
    from bench.delivery import measure_delivery, table

    place, wanted = ROOT / "build", ["postgres"] if options.servers else []
    place.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place, prefix="bench-") as folder, servers(wanted):
        url = os.environ["BENCH_POSTGRES"] if wanted else ""
        say = partial(print, file=sys.stderr, flush=True)
        rows = await measure_delivery(Path(folder), options.messages, say, url)
    if options.json:
        options.json.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")
    print(table(rows))
    return 0


async def _console(options: argparse.Namespace) -> int:
    from bench.console import measure_console, table

    place = options.folder or ROOT / "build"
    place.mkdir(exist_ok=True, parents=True)
    say = partial(print, file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory(dir=place, prefix="bench-") as made:
        folder = options.folder or Path(made)
        seeding, rows = await measure_console(folder, options.sessions, options.turns, options.rounds, say)
    _write(options.json, [asdict(row) for row in rows])
    print(f"seeded in {seeding:.0f} s\n{table(rows)}")
    return 0


async def _throughput(options: argparse.Namespace) -> int:
    from bench.plots import flames
    from bench.throughput import measure_rates, sample_stacks, table

    place = ROOT / "build"
    place.mkdir(exist_ok=True)
    interpreters = Interpreters(own=Path(sys.executable), peers=options.peers_python.absolute())
    say = partial(print, file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory(dir=place, prefix="bench-") as folder, servers(options.on):
        rates = await measure_rates(options.on, options.workers, options.turns, Path(folder), interpreters, say)
        if options.flames:
            sampler = options.peers_python.absolute().with_name("py-spy")
            stacks = await sample_stacks(options.on[0], options.turns * 8, Path(folder), interpreters, sampler)
            options.flames.write_text(flames(stacks, f"One worker, {options.on[0]}: where a turn's time goes"))
    _write(options.json, [asdict(rate) | {"per_second": rate.per_second} for rate in rates])
    print(table(rates))
    return 0


async def _startup(options: argparse.Namespace) -> int:
    from bench.startup import measure_starts, table

    starts = measure_starts(options.rounds)
    _write(options.json, [asdict(start) for start in starts])
    print(table(starts))
    return 0


async def _plot(options: argparse.Namespace) -> int:
    from bench.plots import plots

    options.folder.mkdir(exist_ok=True, parents=True)
    for name, picture in plots([json.loads(path.read_text()) for path in options.files]).items():
        (options.folder / name).write_text(picture)
        print(options.folder / name)
    return 0


async def _bars(options: argparse.Namespace) -> int:
    from rich.console import Console

    from bench.bars import table

    Console(width=TABLE_WIDTH).print(table([json.loads(path.read_text()) for path in options.files]))
    return 0


def _write(path: Path | None, rows: list[dict[str, object]]) -> None:
    if path:
        about = {"date": datetime.now(UTC).strftime("%Y-%m-%d"), "load": os.getloadavg()[0]}
        path.write_text(json.dumps({**about, "results": rows}, indent=1) + "\n")


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
    delivery = commands.add_parser("delivery", help="an intake, and queue with workers, with an agent at once")
    delivery.add_argument("--messages", type=_positive, default=800, help="of each measurement")
    delivery.add_argument("--servers", action="store_true", help="records and queue on PostgreSQL, started here")
    delivery.add_argument("--json", type=Path, metavar="FILE", help="write all figures to FILE")
    console = commands.add_parser("console", help="the admin API with 10,000 sessions and a million messages")
    console.add_argument("--sessions", type=_positive, default=10_000)
    console.add_argument("--turns", type=_positive, default=50, help="of each session, two messages each")
    console.add_argument("--rounds", type=_positive, default=5, help="times that each request is sent")
    console.add_argument("--folder", type=Path, help="where the sessions are, or are to be kept for the next run")
    console.add_argument("--json", type=Path, metavar="FILE", help="write all figures to FILE")
    run = commands.add_parser("run", help="run the benchmark")
    run.add_argument("--sizes", type=_even, nargs="+", default=[10, 100, 1000, 5000], metavar="MESSAGES")
    run.add_argument("--only", action="append", choices=_NAMES, help="may be repeated")
    run.add_argument("--on", nargs="+", choices=SCENARIOS, default=["embedded"], help="servers are started here")
    run.add_argument("--turns", type=_positive, default=20, help="turns measured at each size")
    run.add_argument("--rounds", type=_positive, default=4, help="rounds in which the contestants alternate")
    run.add_argument("--json", type=Path, metavar="FILE", help="write all figures to FILE")
    rates = commands.add_parser("throughput", help="turns per second with an instant agent")
    rates.add_argument("--on", nargs="+", choices=("embedded", "postgres", "aws"), default=["embedded"])
    rates.add_argument("--workers", type=_positive, nargs="+", default=[1, 2, 4, 8], help="processes, a session each")
    rates.add_argument("--turns", type=_positive, default=50, help="turns of each worker")
    rates.add_argument("--json", type=Path, metavar="FILE", help="write all figures to FILE")
    rates.add_argument("--flames", type=Path, metavar="SVG", help="draw where one worker's time goes (py-spy)")
    start = commands.add_parser("startup", help="import time and modules of each entry point")
    start.add_argument("--rounds", type=_positive, default=5)
    start.add_argument("--json", type=Path, metavar="FILE", help="write all figures to FILE")
    plot = commands.add_parser("plot", help="draw the figures of `run --json` as SVG")
    plot.add_argument("files", type=Path, nargs="+", metavar="JSON")
    plot.add_argument("--folder", type=Path, default=ROOT / "docs/benchmarks", help="where the pictures go")
    bars = commands.add_parser("bars", help="the figures of `run --json` and `agent --json` beside what was aimed at")
    bars.add_argument("files", type=Path, nargs="+", metavar="JSON")
    for each in (run, rates):
        each.add_argument("--peers-python", type=Path, default=ROOT / ".venv-bench/bin/python", metavar="PATH")
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
