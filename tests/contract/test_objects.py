"""Every object store keeps the contract, and so do the wrappers around one."""

from __future__ import annotations

import sys
from functools import cached_property
from pathlib import Path

from outlive.memory.objects import MemoryObjects
from outlive.memory.server import MemoryServer
from outlive.objects.objects import UrlObjects
from outlive.protocols import Objects
from outlive.testing.clock import ManualClock
from outlive.testing.counting import Counts, counting
from outlive.testing.faults import Plan, faulty
from outlive.testing.objects import ObjectsSuite

FOLDER_LACKS = {
    "keys below keys": "a name in a folder is either a file or a folder",
    "long segments": "a file's name holds 255 bytes",
}
if sys.platform != "linux":
    FOLDER_LACKS["case"] = "file systems of this platform usually ignore case"


class TestMemoryObjects(ObjectsSuite):
    """In memory."""

    @cached_property
    def server(self) -> MemoryServer:
        """What all handles of one test share."""
        return MemoryServer()

    async def connect(self, place: Path) -> Objects:
        return MemoryObjects(self.server, clock=ManualClock())

    async def sever(self, objects: Objects) -> None:
        self.server.failure = ConnectionResetError("down")


class TestFaultyObjects(TestMemoryObjects):
    """Under a plan without faults."""

    async def connect(self, place: Path) -> Objects:
        return faulty(MemoryObjects(self.server, clock=ManualClock()), Plan(), "objects")


class TestCountingObjects(TestMemoryObjects):
    """Counted."""

    async def connect(self, place: Path) -> Objects:
        return counting(MemoryObjects(self.server, clock=ManualClock()), Counts(), "objects")


class TestFolderObjects(ObjectsSuite):
    """In a local folder."""

    lacks = FOLDER_LACKS

    async def connect(self, place: Path) -> Objects:
        self.folder = place
        return await UrlObjects.open(place.as_uri(), clock=ManualClock())

    async def sever(self, objects: Objects) -> None:
        self.folder.rename(self.folder.with_suffix(".elsewhere"))
        self.folder.mkdir()
