"""What a turn asks its stores for, noted once and then asked again by a bare loop: the limit that the stores set."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from outlive.core.records import At, Free, Hold, Keep, Raise
from outlive.protocols import Objects, Row, Table
from outlive.testing.wrappers import wrap

ALONE = "BENCH_STORES_ALONE"
"""An environment variable. Set: a turn of outlive's is only what it asks of its stores."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request: `table.write`, say, with its arguments in their order."""

    name: str
    arguments: tuple[Any, ...]
    again: Callable[[], Awaitable[Any]]


class StoresAlone:
    """Stands in for both stores: all that is asked of them since `forget` is asked again by `ask`."""

    def __init__(self, table: Table, objects: Objects) -> None:
        self._table, self._objects = table, objects
        self.table: Table = wrap(table, "table", self._note)
        self.objects: Objects = wrap(objects, "objects", self._note)
        self._asked: list[Asked] = []
        self._rounds = 0

    def forget(self) -> None:
        """The turn that comes now is the one that counts."""
        self._asked.clear()

    async def ask(self) -> None:
        """The requests of the noted turn, one after the other: the same bytes and conditions, on the same record."""
        self._rounds += 1
        row: Row | None = None
        for asked in self._asked:
            match asked.name:
                case "table.acquire":
                    row = await asked.again()
                case "table.write":
                    assert row is not None
                    row = await self._write(row, *asked.arguments)
                case "objects.put":
                    key, data = asked.arguments
                    await self._objects.put(f"{key}-{self._rounds}", data)
                case _:
                    await asked.again()

    async def _write(self, row: Row, key: str, body: bytes, *conditions: object) -> Row:
        lease = next(each for each in conditions if isinstance(each, Keep | Hold | Free | Raise))
        at = At(row.version, row.fence)
        return await self._table.write(key, body, expected=at, lease=lease, expires_at=None)

    async def _note(self, name: str, arguments: tuple[object, ...], call: Callable[[], Awaitable[Any]]) -> Any:
        self._asked.append(Asked(name, arguments, call))
        return await call()
