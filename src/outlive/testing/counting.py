"""Counting requests and bytes, for budgets that hold on any machine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from types import NoneType
from typing import TypeVar

from outlive.protocols import Absent, At, Free, Hold, Keep, Objects, Queue, Raise, Row, Table
from outlive.testing.wrappers import wrap

T = TypeVar("T")

UNIT_BYTES = 1024
"""One write unit of DynamoDB: up to 1 KB of the whole record, whatever part of it changes."""
RECORD_OVERHEAD = 100
"""What version, fence, owner and times of a record are taken to weigh."""


@dataclass(slots=True)
class Counts:
    """What went through the objects counted, by `name.method`. A refused or failed call counts too."""

    calls: Counter[str] = field(default_factory=Counter)
    sent: Counter[str] = field(default_factory=Counter)
    """Bytes of the `bytes` in the arguments, those inside messages included."""
    received: Counter[str] = field(default_factory=Counter)
    """Bytes of the `bytes` in the results."""
    units: Counter[str] = field(default_factory=Counter)
    """Write units, for the calls that change a record."""

    @property
    def table_reads(self) -> int:
        """Reads and pages of scans."""
        return self.calls["table.read"] + self.calls["table.scan"]

    @property
    def table_writes(self) -> int:
        """Conditional writes: write, acquire, delete."""
        return sum(self.calls[f"table.{method}"] for method in ("write", "acquire", "delete"))

    @property
    def table_write_units(self) -> int:
        """Write units of all of them."""
        return self.units.total()

    @property
    def objects_put(self) -> int:
        """Object puts."""
        return self.calls["objects.put"]

    @property
    def objects_put_bytes(self) -> int:
        """Bytes put."""
        return self.sent["objects.put"]

    @property
    def objects_get(self) -> int:
        """Object reads."""
        return self.calls["objects.get"]

    @property
    def objects_get_bytes(self) -> int:
        """Bytes read."""
        return self.received["objects.get"]

    @property
    def queue_sends(self) -> int:
        """Messages sent."""
        return self.calls["queue.send"]

    def table(self, table: Table) -> Table:
        """The table, counted here."""
        return counting(table, self, "table")

    def objects(self, objects: Objects) -> Objects:
        """The objects, counted here."""
        return counting(objects, self, "objects")

    def queue(self, queue: Queue) -> Queue:
        """The queue, counted here."""
        return counting(queue, self, "queue")

    def copy(self) -> Counts:
        """The counts of this moment, to be taken off later ones."""
        return Counts(*(Counter(getattr(self, part.name)) for part in fields(self)))

    def __sub__(self, before: Counts) -> Counts:
        """What has been added since `before`."""
        return Counts(*(getattr(self, part.name) - getattr(before, part.name) for part in fields(self)))

    async def __call__(self, name: str, arguments: tuple[object, ...], call: Callable[[], Awaitable[T]], /) -> T:
        """Count the call and let it through."""
        self.calls[name] += 1
        self.sent[name] += _weight(arguments)
        try:
            result = await call()
        except Exception:
            self.units[name] += _units(name, arguments, None)
            raise
        self.received[name] += _weight(result)
        self.units[name] += _units(name, arguments, result)
        return result


def counting(target: T, counts: Counts, name: str) -> T:
    """`target`, with every call counted as `name.method`; the properties of `Counts` expect the names
    `table`, `objects` and `queue`.
    """
    return wrap(target, name, counts)


def _weight(value: object) -> int:
    if isinstance(value, Row):  # by far the most there are: a listing has thousands, and nothing else of a row is bytes
        return len(value.body)
    if isinstance(value, _LIGHT):
        return 0
    if isinstance(value, _BYTES):
        return len(value)
    if names := _parts_of(type(value)):
        return sum(_weight(getattr(value, name)) for name in names)
    if isinstance(value, Sequence):
        return sum(map(_weight, value))
    return 0


_LIGHT = (NoneType, str, int, float, Absent, At, Free, Hold, Keep, Raise)
"""No bytes in them."""
_BYTES = (bytes, bytearray, memoryview)
_PARTS: dict[type, tuple[str, ...]] = {}
"""The fields of dataclasses; they are asked for at every request."""


def _parts_of(kind: type) -> tuple[str, ...]:
    if kind not in _PARTS:
        _PARTS[kind] = tuple(part.name for part in fields(kind)) if is_dataclass(kind) else ()
    return _PARTS[kind]


def _units(name: str, arguments: tuple[object, ...], result: object) -> int:
    if name not in ("table.write", "table.acquire", "table.delete"):
        return 0
    body = len(result.body) if isinstance(result, Row) else _weight(arguments)
    size = len(str(arguments[0])) + body + RECORD_OVERHEAD
    return -(-size // UNIT_BYTES)
