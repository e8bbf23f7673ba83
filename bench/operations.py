"""Counts a store's operations: SQL statements, file operations, storage requests. For passes that are not timed."""

from __future__ import annotations

import os
import sqlite3
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any

from bench.wires import put_meters

_FILE_EVENTS = frozenset({"open", "os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.listdir", "os.scandir"})
"""The audit events of Python's own file functions (Python manual, table of audit events). Checks for
existence raise none and are not counted."""


class Operations:
    """Operations of this process on one folder, by kind: "sql", "file", and whatever a contestant notes itself.

    Counting starts with `start` and lasts as long as the process: an audit hook cannot be taken out again.
    """

    def __init__(self) -> None:
        self.are_counted = False
        self._counts: Counter[str] = Counter()
        self._folder = ""
        self._lock = threading.Lock()

    def start(self, folder: Path) -> None:
        """Count from now on: files below `folder`, and statements and requests on connections opened from now on."""
        self.are_counted = True
        self._folder = os.path.join(folder, "")
        self._counts.clear()
        sys.addaudithook(self._on_event)
        put_meters(self.note)
        connect = sqlite3.connect

        def counted_connect(*args: Any, **kwargs: Any) -> sqlite3.Connection:
            connection: sqlite3.Connection = connect(*args, **kwargs)
            connection.set_trace_callback(self._on_statement)
            return connection

        # The peers call `sqlite3.connect` by this name, so their code stays as it is.
        sqlite3.connect = sqlite3.dbapi2.connect = counted_connect  # type: ignore[assignment]

    def note(self, kind: str, count: int = 1) -> None:
        """Count what neither Python nor SQLite reports, such as a request to a storage seam."""
        with self._lock:
            self._counts[kind] += count

    def take(self) -> dict[str, int]:
        """The counts since the last call, by kind."""
        with self._lock:
            taken = dict(self._counts)
            self._counts.clear()
        return taken

    def _on_statement(self, statement: str) -> None:
        # SQLite reports the statements inside a trigger as comments: they are part of the one already counted.
        if not statement.startswith("--"):
            self._counts["sql"] += 1

    def _on_event(self, event: str, args: tuple[Any, ...]) -> None:
        if event in _FILE_EVENTS and str(args[0]).startswith(self._folder):
            self._counts["file"] += 1


OPERATIONS = Operations()
"""The one counter of this process: audit hooks are per process, so this is too."""
