"""`outlive demo`: one conversation, every turn on a new worker, one worker killed in the middle of a turn."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

from rich.console import Console
from rich.panel import Panel
from rich.table import Table as Grid

from outlive.core.ledger import lines_of
from outlive.core.messages import Inbound
from outlive.core.wording import counted
from outlive.entrypoints.terminal.output import print_json
from outlive.errors import AgentFailed
from outlive.flows.accept_message import accept_message
from outlive.flows.turn.find_session import find_head, find_session
from outlive.flows.turn.read_ledger import read_file, read_ledger
from outlive.settings import Settings, load_settings
from outlive.wiring import App, choose_model, open_app

KEY = "demo"
LEASE_SECONDS = 3.0
MESSAGES = (
    "Hello, my name is Ada",
    "Write 'Ship on Friday, with Grace' to plan.md",
    "Add tasks: buy milk, write the report",
)
KILLED = "Run `sleep 3; echo survived > proof.txt`"
PROOFS = ("What is my name?", "What are my tasks?", "Read plan.md", "Read proof.txt")


@dataclass
class Report:
    """What a worker said about its turn."""

    pid: int
    turn: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    files_found: int = 0


async def demo(model: str | None, *, keep: Path | None, as_json: bool = False) -> int:
    """Run it and return the exit code; `keep` is a folder for the data, otherwise a temporary one is removed."""
    base = keep or Path(tempfile.mkdtemp(prefix="outlive-demo-"))
    try:
        settings = load_settings(
            data=base / "store",
            workspaces=base / "host",
            lease_seconds=LEASE_SECONDS,
            model=model,
            tenant="demo",
            isolation="none",  # nobody else's session is below this folder, which only we can enter
        )
        async with open_app(settings, stand_in=True) as app:
            return await _play(app, Console(highlight=False, quiet=as_json), base, as_json=as_json)
    finally:
        if keep is None:
            shutil.rmtree(base, ignore_errors=True)


async def _play(app: App, console: Console, base: Path, *, as_json: bool) -> int:
    started = perf_counter()
    _introduce(console, app)
    reports = [await _turn(app, console, base, number, text) for number, text in enumerate(MESSAGES, start=1)]
    reports.append(await _killed_turn(app, console, base, len(reports) + 1))
    for text in PROOFS:
        reports.append(await _turn(app, console, base, len(reports) + 1, text))
    checks = await _checks(app, reports)
    seconds = perf_counter() - started
    if as_json:
        print_json({"kept": checks, "turns": len(reports), "workers": len(reports) + 1, "seconds": round(seconds, 1)})
    _show(console, checks, f"{len(reports)} turns, {len(reports) + 1} workers, {seconds:.0f} s")
    return 0 if all(checks.values()) else 1


# ------------------------------------------------------------------------------------------- the turns


async def _turn(app: App, console: Console, base: Path, number: int, text: str) -> Report:
    """Queue the message and let a new worker answer it in an empty directory."""
    await _say(app, console, number, text)
    report = await _work(app, base, kill=False)
    _print_turn(console, report)
    return report


async def _killed_turn(app: App, console: Console, base: Path, number: int) -> Report:
    """The same, but the first worker is killed while its tool runs; the next one finishes that very turn."""
    await _say(app, console, number, KILLED)
    victim = await _work(app, base, kill=True)
    _line(console, "KILLED", f"kill -9 {victim.pid}, while it ran its tool; its directory is thrown away", style="red")
    _line(console, "lease", f"runs out by itself after {LEASE_SECONDS:g} s, then a new worker takes over", style="dim")
    report = await _work(app, base, kill=False)
    _print_turn(console, report)
    return report


async def _say(app: App, console: Console, number: int, text: str) -> None:
    clock = app.engine.clock
    inbound = Inbound(app.key(KEY), f"demo-{number}", text, clock.now(), "you")
    await accept_message(app.engine.queue, inbound, clock, app.engine.telemetry)
    console.print(f"\n[bold]turn {number}[/bold]  [bold]you     {text}[/bold]", soft_wrap=True)


async def _work(app: App, base: Path, *, kill: bool) -> Report:
    """One worker process for one turn; with `kill`, SIGKILL as soon as its tool has been running for a moment."""
    host = base / "host"
    shutil.rmtree(host, ignore_errors=True)
    host.mkdir(mode=0o700)
    started = perf_counter()
    async with _worker(app.settings) as process:
        report = Report(process.pid, files_found=sum(1 for _ in host.rglob("*")))
        async for event in _events(process):
            if event["event"] == "tool" and kill:
                await asyncio.sleep(4 * app.settings.flush_seconds)
                process.send_signal(signal.SIGKILL)
                return report
            if event["event"] == "failed":
                raise AgentFailed(f"the demo's worker failed: {event['error']}", fix="Run `outlive doctor`.")
            if event["event"] == "turn":
                report.turn = event
    report.seconds = perf_counter() - started
    if not report.turn:
        raise AgentFailed("the demo's worker ended without a turn.", fix="Run `outlive doctor`.")
    return report


@asynccontextmanager
async def _worker(settings: Settings) -> AsyncIterator[asyncio.subprocess.Process]:
    command = [
        sys.executable,
        "-m",
        "outlive",
        "worker",
        "--json",
        "--turns",
        "1",
        "--model",
        settings.model or "scripted",
    ]
    if settings.model == "" and choose_model(settings, stand_in=True).provider != "scripted":
        command = command[:-2]
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, env=os.environ | _environment(settings)
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            await asyncio.wait_for(process.wait(), 30)


def _environment(settings: Settings) -> dict[str, str]:
    """The driver's own settings, for its workers."""
    return {
        "OUTLIVE_DATA": str(settings.data),
        "OUTLIVE_WORKSPACES": str(settings.workspaces),
        "OUTLIVE_TENANT": settings.tenant,
        "OUTLIVE_ISOLATION": settings.isolation,
        "OUTLIVE_LEASE_SECONDS": str(settings.lease_seconds),
        "OUTLIVE_VISIBILITY_SECONDS": str(settings.lease_seconds),
    }


async def _events(process: asyncio.subprocess.Process) -> AsyncIterator[dict[str, Any]]:
    assert process.stdout is not None  # noqa: S101 - asked for when it was started
    async for line in process.stdout:
        yield json.loads(line)


# ------------------------------------------------------------------------------------------ the picture


def _introduce(console: Console, app: App) -> None:
    model = "the scripted model, not a language model;\nset ANTHROPIC_API_KEY for a real one"
    if app.model.provider != "scripted":
        model = f"{app.model.provider}, {app.model.model or 'default model'}"
    text = (
        "One conversation. Every message is answered by a [bold]new process[/bold] in an\n"
        "[bold]empty directory[/bold], as on a fresh container; one worker is killed in mid-turn.\n"
        f"Model: {model}"
    )
    console.print(Panel(text, title="outlive demo", expand=False))


def _print_turn(console: Console, report: Report) -> None:
    turn, storage = report.turn, report.turn["storage"]
    hydrated = next((step["found"] for step in turn["steps"] if step["name"] == "hydrate"), "")
    reply = turn["reply"].replace(f"{Path(turn['root'], 'work')}/", "")
    _line(console, "agent", reply, style="cyan")
    if turn["how"] == "continued":
        _line(console, "how", "finished the turn of the worker that was killed", style="green")
    _line(
        console,
        "worker",
        f"pid {report.pid}, new process, {counted(report.files_found, 'file')} in its directory",
        style="dim",
    )
    # Why all of it came, and not a window, is for `outlive trace show`.
    _line(console, "tree", re.sub(r" \(.*?\)", "", hydrated, count=1), style="dim")
    puts, written = storage["object_puts"], storage["bytes_put"]
    saved = f"version {turn['before']} → {turn['after']}, {counted(puts, 'object put')} ({written:,} bytes), "
    _line(console, "saved", f"{saved}{storage['table_writes']} table writes, {report.seconds:.1f} s", style="dim")


def _line(console: Console, label: str, text: str, *, style: str) -> None:
    """One labelled paragraph, its further lines below the first."""
    indented = text.replace("\n", "\n" + " " * 16)
    console.print(f"        [{style}]{label:<6}[/{style}]  ", end="")
    console.print(indented, style=style if style == "dim" else None, markup=False, soft_wrap=True)


async def _checks(app: App, reports: list[Report]) -> dict[str, bool]:
    """Read everything back from the stores: no worker is left that could remember it."""
    stores = app.engine.stores(app.settings.tenant)
    head = await find_head(app.engine, stores, await find_session(app.engine, stores, app.key(KEY)))
    ledger = list(lines_of(await read_ledger(app.engine, stores, head)))
    plan = await read_file(app.engine, stores, head, "work/plan.md") or b""
    proof = await read_file(app.engine, stores, head, "work/proof.txt") or b""
    replies = {line.text: line.reply for line in ledger}
    return {
        "the name it was told": "Ada" in replies[PROOFS[0]],
        "its task list": "milk" in replies[PROOFS[1]] and "report" in replies[PROOFS[1]],
        "the file it wrote": b"Grace" in plan and "Grace" in replies[PROOFS[2]],
        "the turn whose worker was killed": b"survived" in proof and "survived" in replies[PROOFS[3]],
        "one turn per message": len(ledger) == len(MESSAGES) + 1 + len(PROOFS) == head.version,
        "a new worker for every turn": len({report.pid for report in reports}) == len(reports),
    }


def _show(console: Console, checks: Mapping[str, bool], title: str) -> None:
    grid = Grid(show_header=False, box=None, padding=(0, 2, 0, 0))
    for name, kept in checks.items():
        grid.add_row("[green]kept[/green]" if kept else "[red]LOST[/red]", name)
    console.print(Panel(grid, title=title, expand=False))
