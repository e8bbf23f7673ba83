"""Each backend has the methods of its protocol, as mypy and as Python see them."""

from __future__ import annotations

import inspect

import pytest

from outlive.memory.objects import MemoryObjects
from outlive.memory.queue import MemoryQueue
from outlive.memory.table import MemoryTable
from outlive.objects.bucket import Bucket
from outlive.objects.folder import Folder
from outlive.objects.objects import Place, UrlObjects
from outlive.protocols import Clock, Objects, Queue, Table
from outlive.sqlite.queue import SqliteQueue
from outlive.sqlite.table import SqliteTable
from outlive.testing.clock import ManualClock, SkewedClock

# mypy refuses these lines when a class does not satisfy its protocol.
TABLES: list[type[Table]] = [MemoryTable, SqliteTable]
OBJECTS: list[type[Objects]] = [MemoryObjects, UrlObjects]
QUEUES: list[type[Queue]] = [MemoryQueue, SqliteQueue]
CLOCKS: list[type[Clock]] = [ManualClock, SkewedClock]
PLACES: list[type[Place]] = [Folder, Bucket]

PAIRS = [
    (backend, protocol)
    for protocol, backends in ((Table, TABLES), (Objects, OBJECTS), (Queue, QUEUES), (Clock, CLOCKS), (Place, PLACES))
    for backend in backends
]


@pytest.mark.parametrize(("backend", "protocol"), PAIRS, ids=lambda value: value.__name__)
def test_a_backend_has_the_signatures_of_its_protocol(backend: type, protocol: type) -> None:
    """Every method has the protocol's parameters, with the same names, kinds and defaults."""
    methods = [name for name in vars(protocol) if not name.startswith("_")]
    for name in methods:
        declared, given = (inspect.signature(getattr(owner, name)) for owner in (protocol, backend))
        assert given.parameters == declared.parameters, name
    assert methods


@pytest.mark.parametrize(("backend", "protocol"), PAIRS, ids=lambda value: value.__name__)
def test_a_backend_is_async_where_its_protocol_is(backend: type, protocol: type) -> None:
    """What the protocol awaits is a coroutine function in the backend, and what it does not is none."""
    for name, declared in inspect.getmembers(protocol, inspect.isfunction):
        if not name.startswith("_"):
            assert inspect.iscoroutinefunction(getattr(backend, name)) == inspect.iscoroutinefunction(declared), name
