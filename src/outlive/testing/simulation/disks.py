"""Trees on simulated disks, and the workspaces that hold them."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any

from outlive.errors import Invalid, NotFound, Unavailable
from outlive.flows.turn.check_tree import kind_of
from outlive.protocols import FileContent, FileStat

LEDGER = "ledger.jsonl"


@dataclass(frozen=True, slots=True)
class File:
    """What a path holds."""

    kind: str
    mode: int
    data: bytes
    stamp: int
    target: str = ""


@dataclass(slots=True, eq=False)
class Tree:
    """One session's folder on one machine."""

    root: Path
    disk: Disk
    files: dict[str, File] = field(default_factory=dict)
    note: bytes | None = None
    holder: object | None = None

    def put(self, path: str, data: bytes, *, kind: str | None = None, mode: int = 0o600, target: str = "") -> None:
        """Replace what the path holds; `Unavailable` when the disk is full."""
        self.disk.check_space()
        self.files[path] = File(kind or _kind(path), mode, data, self.disk.stamp(), target)

    def add(self, path: str, data: bytes) -> None:
        """Lengthen a file."""
        before = self.files.get(path)
        self.put(path, (before.data if before else b"") + data)

    def tear(self, random: Random) -> None:
        """The machine went down: what was written last may be there in part."""
        self.note = None
        for path, file in list(self.files.items()):
            if random.random() < 0.4:
                self.files[path] = replace(file, data=file.data[: int(random.random() * len(file.data))])


def _kind(path: str) -> str:
    return "append" if path == LEDGER else kind_of(path)


class Disk:
    """The trees of one machine."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.full = False
        self._trees: dict[tuple[str, str], list[Tree]] = {}
        self._stamps = 0

    def stamp(self) -> int:
        """Differs with every write."""
        self._stamps += 1
        return self._stamps

    def check_space(self) -> None:
        """`Unavailable` when nothing fits."""
        if self.full:
            raise Unavailable(f"the disk of {self.name} is full.", original=OSError(28, "No space left on device"))

    def take(self, tenant: str, session_id: str, holder: object) -> Tree:
        """The session's tree, or another one while somebody holds that."""
        trees = self._trees.setdefault((tenant, session_id), [])
        tree = next((each for each in trees if each.holder is None), None)
        if tree is None:
            tree = Tree(Path(f"/{self.name}/{tenant}/{session_id}/{len(trees)}"), self)
            trees.append(tree)
        tree.holder = holder
        return tree

    def at(self, root: Path) -> Tree:
        """The tree whose root this is."""
        _, _, tenant, session_id, number = root.parts
        return self._trees[tenant, session_id][int(number)]

    def let_go(self, holder: object) -> None:
        """Its holder is dead."""
        for trees in self._trees.values():
            for tree in trees:
                tree.holder = None if tree.holder is holder else tree.holder

    def go_down(self, random: Random) -> None:
        """The machine lost its power."""
        for trees in self._trees.values():
            for tree in trees:
                tree.tear(random)

    def lose(self) -> None:
        """The machine is gone; another takes its place."""
        self._trees.clear()


class SimulatedWorkspaces:
    """Implements `protocols.Workspaces` on a disk, for one process."""

    def __init__(self, disk: Disk, holder: object) -> None:
        self._disk, self._holder = disk, holder

    async def open(self, tenant: str, session_id: str) -> SimulatedWorkspace:
        await asyncio.sleep(0)
        return SimulatedWorkspace(self._disk.take(tenant, session_id, self._holder), self._holder)


class SimulatedWorkspace:
    """Implements `protocols.Workspace`."""

    def __init__(self, tree: Tree, holder: object) -> None:
        self._tree, self._holder, self.root = tree, holder, tree.root
        self._running: list[asyncio.Task[None]] = []

    async def note(self) -> bytes | None:
        return self._tree.note

    async def mark_clean(self, note: bytes) -> None:
        await asyncio.sleep(0)
        self._tree.disk.check_space()
        self._tree.note = note

    async def mark_dirty(self) -> None:
        await asyncio.sleep(0)
        self._tree.note = None

    async def scan(self) -> Sequence[FileStat]:
        await asyncio.sleep(0)
        files = sorted(self._tree.files.items())
        return [FileStat(path, f.kind, len(f.data), f.mode, str(f.stamp), f.target) for path, f in files]

    async def read(self, path: str, offset: int = 0, length: int | None = None) -> bytes:
        await asyncio.sleep(0)
        if ".." in path.split("/"):
            raise Invalid(f"{path!r} is not inside the tree.", fix="Name a path of the tree.")
        if path not in self._tree.files:
            raise NotFound(f"{path!r} is not there.")
        data = self._tree.files[path].data
        return data[offset:] if length is None else data[offset : offset + length]

    async def write(self, files: Sequence[FileContent]) -> None:
        await self._to_its_end(self._write(files))

    async def remove(self, paths: Sequence[str]) -> None:
        await asyncio.sleep(0)
        for path in paths:
            self._tree.files.pop(path, None)

    async def wipe(self) -> None:
        await self._to_its_end(self._wipe())

    async def close(self) -> None:
        for task in self._running:
            with suppress(Exception):
                await task
        if self._tree.holder is self._holder:
            self._tree.holder = None

    async def _to_its_end(self, work: Coroutine[Any, Any, None]) -> None:
        """Like work in a thread, it goes on when its caller is cancelled, and only the process's death cuts it off."""
        task = asyncio.get_running_loop().create_task(work)
        self._running.append(task)
        await asyncio.shield(task)

    async def _write(self, files: Sequence[FileContent]) -> None:
        """One file after the other: a crash in between leaves half of one."""
        for file in files:
            before = self._tree.files[file.path].data if file.append and file.path in self._tree.files else b""
            data = before + b"".join(file.parts)
            for part in (data[: (len(before) + len(data)) // 2], data):
                self._tree.put(file.path, part, kind=file.kind, mode=file.mode, target=file.target)
                await asyncio.sleep(0)

    async def _wipe(self) -> None:
        self._tree.note = None
        for path in list(self._tree.files):
            await asyncio.sleep(0)
            self._tree.files.pop(path, None)
