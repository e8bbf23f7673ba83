"""How `make demo-aws` shows what happens."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.panel import Panel
from rich.table import Table as Grid

from outlive.core.costs import NAMES, Use, bill
from outlive.core.wording import counted
from outlive.entrypoints.costing import read_prices
from tests.aws.left import Kind

READS, WRITES = ("GetItem", "Query", "BatchGetItem"), ("PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems")
INTRODUCTION = (
    "The real template on an AWS that runs on this machine: front door, queue,\n"
    "functions under their roles, table, bucket. No cloud, no Docker, no key.\n"
    "Between turns the agent's function is [bold]killed and its disk emptied[/bold].\n"
    "Model: the scripted model, not a language model"
)


@dataclass(frozen=True)
class Picture:
    """Draws on a terminal."""

    console: Console
    folder: Path
    """Left out of what is shown: paths below it are long."""

    @staticmethod
    def introduce(console: Console) -> None:
        """What will be seen."""
        console.print(Panel(INTRODUCTION, title="outlive on AWS, here", expand=False))

    def said(self, who: str, text: str) -> None:
        """Something that Telegram sends."""
        self.console.print(f"\n[bold]{who}[/bold]", soft_wrap=True)
        self.line("update", text, style="bold")

    def turn(self, reply: str, turn: Mapping[str, Any], pid: int, *, is_new: bool, seconds: float) -> None:
        """A reply, and how its turn went."""
        shown = "\n".join(_without(line, self.folder) for line in reply.splitlines())
        self.line("reply", shown, style="cyan")
        if turn["how"] == "continued":
            self.line("how", "finished the turn of the function that was killed", style="green")
        process = "a new process" if is_new else "the same process, still warm"
        spent = ", ".join(f"{step} {ms:.0f}" for step, ms in turn["ms"].items())
        self.line("agent", f"pid {pid}, {process}; replied {seconds:.1f} s after the 200")
        self.line("steps", f"{spent} ms")

    def requests(self, kinds: Mapping[str, int]) -> None:
        """What the turn asked of table and bucket."""
        reads, writes = (sum(kinds.get(kind, 0) for kind in names) for names in (READS, WRITES))
        table = f"DynamoDB {counted(reads, 'read')}, {counted(writes, 'write')}"
        bucket = f"S3 {counted(kinds.get('GET', 0), 'read')}, {counted(kinds.get('PUT', 0), 'write')}"
        self.line("wire", f"{table}; {bucket}")

    def line(self, label: str, text: str, *, style: str = "dim") -> None:
        """One labelled paragraph, its further lines below the first."""
        self.console.print(f"  [{style}]{label:<6}[/{style}]  ", end="")
        self.console.print(text.replace("\n", "\n" + " " * 10), style=style, markup=False, soft_wrap=True)

    @staticmethod
    def stock(console: Console, left: Iterable[Kind]) -> None:
        """What lies where afterwards."""
        rows = [
            (kind.where, kind.what, f"{kind.count:,}", f"{kind.size:,} bytes" if kind.size else "") for kind in left
        ]
        console.print()
        _boxed(console, rows, "what is left", right=(2, 3))

    @staticmethod
    def bill(console: Console) -> None:
        """What a month on the real one costs, by the shipped prices."""
        prices = read_prices(None)
        numbers = {name: float(prices[name]) for name in NAMES}
        rows = []
        for turns in (0, 100, 500):
            total = sum(line.usd for line in bill(Use(turns), numbers))
            rows.append((f"outlive cost --turns {turns}", f"{turns} one-minute turns a day", f"${total:.2f}"))
        title = f"a month on AWS, the model's tokens apart ({prices['region']}, {prices['as_of']})"
        _boxed(console, rows, title, right=(2,))

    @staticmethod
    def verdict(console: Console, checks: Mapping[str, bool], title: str) -> None:
        """A tick for each thing that was kept."""
        rows = [("[green]✓[/green]" if kept else "[red]✗ LOST[/red]", name) for name, kept in checks.items()]
        _boxed(console, rows, title)


def _boxed(console: Console, rows: Iterable[Sequence[str]], title: str, right: Sequence[int] = ()) -> None:
    """Rows in a frame; `right` are the columns that are set to the right."""
    grid = Grid(show_header=False, box=None, padding=(0, 2, 0, 0))
    for row in rows:
        grid.add_row(*row)
    for number in right:
        grid.columns[number].justify = "right"
    console.print(Panel(grid, title=title, expand=False))


def _without(line: str, folder: Path) -> str:
    """A line with paths that begin where the session's files do."""
    return re.sub(rf"{re.escape(str(folder))}/trees/\w+/", "", line)
