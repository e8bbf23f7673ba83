"""Turns raw records into figures, and figures into tables and JSON."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from statistics import fmean, median
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.contest import ENTRIES, SCENARIOS
from bench.race import COUNTED_TURNS, REPEATED_RESUMES, Plan, Record
from bench.wires import BODY, HEADERS, RECEIVED, SENT
from bench.workload import MESSAGE_BYTES

Figures = dict[str, Any]
_ON_THE_WIRE = ("s3.", "dynamodb.", "redis.", "postgres.")
WITHOUT = "without\nopening"
"""Milliseconds of a resume whose connections exist."""
_TITLES = {entry.name: entry.title for entry in ENTRIES}


def figures(record: Record) -> Figures:
    """All figures of one contestant at one size: medians of times, means of counts (None: not counted here)."""
    return {
        "contestant": record.entry.name,
        "scenario": record.entry.scenario,
        "messages": record.messages,
        "turn": {
            **_times("ms", record.turns),
            **_counts(record.turns),
            "operations": _per_turn(record.turn_operations),
            "loop_ms": median(sample["loop_nanoseconds"] / 1e6 for sample in record.turns),
            "disk_growth": _growth(record),
        },
        "close": _counts([record.close]),
        "resume": {
            **_times("first_ms", record.first_resumes),
            **_times("ms", record.resumes),
            **_times("again_ms", [sample["again"] for sample in record.resumes]),
            "open_ms": median(sample["open_nanoseconds"] / 1e6 for sample in record.resumes),
            "stages": _stages(record.resumes),
            **_counts(record.resumes),
            "operations": record.resume_operations,
        },
        "disk": record.disk_after,
        "seed_seconds": record.seed_seconds,
        "import_ms": record.hello["import_ms"],
    }


def document(plan: Plan, records: Sequence[Record], seconds: float) -> Figures:
    """The JSON document of a run: when, on what, how, and the figures. Bytes are bytes, times milliseconds."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "load": os.getloadavg()[0],
        "machine": {"system": platform.system(), "processor": platform.machine(), "cores": os.cpu_count()},
        "settings": {
            "message_bytes": MESSAGE_BYTES,
            "turns": plan.turns,
            "rounds": plan.rounds,
            "resumes": plan.rounds * REPEATED_RESUMES,
            "counted_turns": COUNTED_TURNS,
        },
        "contestants": {record.entry.name: _runs_on(record) for record in records},
        "seconds": seconds,
        "results": [figures(record) for record in records],
    }


def show(report: Figures, console: Console) -> None:
    """Print the document as two tables and the notes that belong to them."""
    for scenario, name in SCENARIOS.items():
        if results := [result for result in report["results"] if result["scenario"] == scenario]:
            turns, resumes = (_turn_table, _resume_table) if scenario == "embedded" else (_turns_sent, _resumes_sent)
            console.print(turns(f"{name}. One turn (2 messages, 4 KB of text)", results))
            console.print(resumes(f"{name}. One resume (the whole conversation back in memory)", results))
    for note in _notes(report):
        console.print(note, highlight=False, soft_wrap=True)


def _turn_table(title: str, results: Sequence[Figures]) -> Table:
    headers = ("ms", "cpu ms", "operations", "writes", "KB written", "KB read", "disk +KB")
    return _table(title, headers, [(result, _turn_cells(result["turn"])) for result in results])


def _turn_cells(turn: Figures) -> Sequence[str]:
    return (
        f"{turn['ms']:,.1f}",
        f"{turn['cpu_ms']:,.1f}",
        _operations(turn["operations"]),
        _number(turn["write_calls"]),
        _kilobytes(turn["bytes_written"]),
        _kilobytes(turn["bytes_read"]),
        _kilobytes(turn["disk_growth"]),
    )


def _resume_table(title: str, results: Sequence[Figures]) -> Table:
    headers = ("ms", "cpu ms", WITHOUT, "cpu ms", "first ms", "operations", "reads", "KB read", "disk MB")
    return _table(title, headers, [(result, _resume_cells(result["resume"], result["disk"])) for result in results])


def _resume_cells(resume: Figures, disk: Figures) -> Sequence[str]:
    return (
        f"{resume['ms']:,.1f}",
        f"{resume['cpu_ms']:,.1f}",
        *_once_more(resume),
        _operations(resume["operations"]),
        _number(resume["read_calls"]),
        _kilobytes(resume["bytes_read"]),
        f"{disk['allocated'] / 2**20:,.1f}",
    )


def _turns_sent(title: str, results: Sequence[Figures]) -> Table:
    headers = ("ms", "cpu ms", "requests", "KB sent", "KB received")
    return _table(title, headers, [(result, _wire_cells(result["turn"])) for result in results])


def _resumes_sent(title: str, results: Sequence[Figures]) -> Table:
    headers = ("ms", "cpu ms", "requests", "KB sent", "KB received", WITHOUT, "cpu ms", "first ms")
    rows = [(result, _wire_cells(result["resume"])) for result in results]
    return _table(title, headers, [(result, (*cells, *_once_more(result["resume"]))) for result, cells in rows])


def _once_more(resume: Figures) -> Sequence[str]:
    """The resume without opening, and the first one of a process."""
    return f"{resume['again_ms']:,.1f}", f"{resume['cpu_again_ms']:,.1f}", f"{resume['first_ms']:,.1f}"


def _wire_cells(work: Figures) -> Sequence[str]:
    counts = work["operations"]
    requests = sum(count for kind, count in counts.items() if kind.startswith(_ON_THE_WIRE))
    sent, received = _kilobytes(counts.get(SENT, 0)), _kilobytes(counts.get(RECEIVED, 0))
    return f"{work['ms']:,.1f}", f"{work['cpu_ms']:,.1f}", f"{requests:,.4g}", sent, received


def _notes(report: Figures) -> list[str]:
    settings, machine = report["settings"], report["machine"]
    versions = {name: text for on in report["contestants"].values() for name, text in on["versions"].items()}
    notes = [
        ", ".join(f"{name} {text}" for name, text in versions.items()),
        f"{machine['cores']} cores, {machine['system']} {machine['processor']}, load {report['load']:.1f}.",
        f"ms: median of {settings['turns']} turns, of {settings['resumes']} resumes. KB: 1,024 bytes, mean of them.",
        "without opening: the same again on the same handle, its connections made, nothing left of the session.",
        "operations: SQL statements (s), file operations (f). writes, reads: system calls.",
        "requests: HTTP requests, or round trips of PostgreSQL and Redis; sent, received: with all headers.",
        *(_requests(result) for result in report["results"] if any("." in kind for kind in _kinds(result))),
        *(part for result in report["results"] if result["resume"]["stages"] for part in _parts(result)),
    ]
    if not all(on["io_counted"] for on in report["contestants"].values()):
        notes.append("writes, reads and KB need Linux's /proc/self/io: not counted on this system.")
    return notes


def _table(title: str, headers: Sequence[str], rows: Sequence[tuple[Figures, Sequence[str]]]) -> Table:
    """Rows in blocks, one for each number of messages, which is written in the block's first row."""
    table = Table("messages", "contestant", *headers, title=title, title_justify="left")
    for column in table.columns:
        column.no_wrap, column.justify = True, "right"
    table.columns[1].justify = "left"
    shown = None
    for result, cells in rows:
        messages = result["messages"]
        if shown not in (None, messages):
            table.add_section()
        table.add_row("" if messages == shown else f"{messages:,}", _TITLES[result["contestant"]], *cells)
        shown = messages
    return table


def _runs_on(record: Record) -> Figures:
    return {key: record.hello[key] for key in ("versions", "python", "sqlite", "io_counted")}


def _kinds(result: Figures) -> Sequence[str]:
    return [kind for kind in result["turn"]["operations"] if not kind.startswith("wire.")]


def _requests(result: Figures) -> str:
    """The storage requests of a contestant that counts them: what would be paid for on a remote store."""
    lists = [
        ", ".join(
            f"{count:g} {name}"
            for name, count in sorted(operations.items())
            if "." in name and not name.startswith("wire.")
        )
        for operations in (result["turn"]["operations"], result["resume"]["operations"])
    ]
    head = f"{result['contestant']} at {result['messages']:,} messages"
    return f"{head}: a turn {lists[0]}; a resume {lists[1]}.{_sent(result['turn']['operations'])}"


def _parts(result: Figures) -> tuple[str, str]:
    """What of a turn's time is the loop's own work and what of it waiting, and where a resume's CPU goes."""
    head, turn = f"{result['contestant']} at {result['messages']:,} messages", result["turn"]
    own, waited = turn["loop_ms"], turn["ms"] - turn["loop_ms"]
    shares = f"{own:.1f} the loop's own CPU, {waited:.1f} waiting for storage, threads and a processor"
    stages = ", ".join(f"{ms:.1f} {name}" for name, ms in result["resume"]["stages"].items())
    return (
        f"{head}: of a turn's {turn['ms']:.1f} ms by the clock: {shares}.",
        f"{head}: of a resume's CPU ms: {stages}.",
    )


def _sent(counts: dict[str, float]) -> str:
    """What a turn sends by HTTP, apart from its headers, by kind of request."""
    bodies = [f"{_kilobytes(count)} {kind[len(BODY) :]}" for kind, count in counts.items() if kind.startswith(BODY)]
    headers = _kilobytes(counts.get(HEADERS, 0))
    return f" KB sent in a turn: {headers} headers, {', '.join(sorted(bodies))}." if bodies else ""


def _times(name: str, samples: Sequence[Figures]) -> Figures:
    milliseconds = [sample["nanoseconds"] / 1e6 for sample in samples]
    cpu = median(sample["cpu_nanoseconds"] / 1e6 for sample in samples)
    return {name: median(milliseconds), f"{name}_max": max(milliseconds), f"cpu_{name}": cpu}


def _stages(samples: Sequence[Figures]) -> dict[str, float]:
    """CPU milliseconds of each part of a resume, the medians, where a contestant tells them."""
    return {name: median(sample["stages"][name] for sample in samples) for name in samples[0]["stages"]}


def _counts(samples: Sequence[Figures]) -> Figures:
    """The mean of each counter, and the most bytes that one sample wrote."""
    counted = [sample["io"] for sample in samples if sample["io"] is not None]
    names = ("bytes_written", "write_calls", "bytes_read", "read_calls")
    means: Figures = {name: fmean(io[name] for io in counted) if counted else None for name in names}
    return {**means, "bytes_written_max": max((io["bytes_written"] for io in counted), default=None)}


def _growth(record: Record) -> float:
    """Bytes of disk per turn, the one that warmed the handle included."""
    grown: int = record.disk_after["allocated"] - record.disk_before["allocated"]
    return grown / (len(record.turns) + 1)


def _per_turn(operations: dict[str, int]) -> dict[str, float]:
    return {kind: count / COUNTED_TURNS for kind, count in operations.items()}


def _operations(counts: dict[str, float]) -> str:
    shown = [f"{counts[kind]:,.4g} {kind[0]}" for kind in ("sql", "file") if counts.get(kind)]
    return " + ".join(shown) or "0"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}"


def _kilobytes(value: float | None) -> str:
    if value is None:
        return "-"
    kilobytes = value / 1024
    return f"{kilobytes:,.1f}" if kilobytes < 100 else f"{kilobytes:,.0f}"
