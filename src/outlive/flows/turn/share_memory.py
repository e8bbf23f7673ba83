"""The agent's memory folder, shared by all sessions of a tenant and profile: taken before a turn, given back after it.

The folder lies in each session's tree, so what an interrupted turn wrote into it comes back with the turn. What is
shared lies in one record per profile, changed by compare-and-set, and an object per file. A change that could not be
shared, because the worker died or the table was down, is still in the session's tree, and is shared by its next turn.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from outlive.core.memories import (
    BASE,
    FOLDER,
    INDEX,
    MAX_FILE_BYTES,
    MAX_FILES,
    Changes,
    Digests,
    LocalMemory,
    MemoryFile,
    changes,
    decode_base,
    decode_memory,
    encode_base,
    encode_memory,
    join_lines,
    kept_beside,
    memory_key,
    memory_prefix,
    pull,
)
from outlive.core.trees import content_digest
from outlive.core.wording import counted
from outlive.errors import AlreadyExists, Corrupt, NotFound, OutliveError, Unavailable, VersionConflict
from outlive.flows.engine import Engine
from outlive.flows.list_all import list_all, scan_all
from outlive.flows.retry import put_once, retrying
from outlive.flows.tenant_stores import TenantStores
from outlive.protocols import Absent, At, FileContent, Keep, Row, Workspace

ATTEMPTS = 10
FILE_MODE = 0o600
ALL = "memory/"


@dataclass(slots=True)
class SharedMemory:
    """A turn's view of the shared memory."""

    engine: Engine
    stores: TenantStores
    profile: str
    row: Row | None = None
    files: dict[str, MemoryFile] = field(default_factory=dict)
    base: Digests = field(default_factory=dict)
    index: bytes = b""
    """The content of `MEMORY.md` that the session started from."""
    brought: bool = False
    """Whether `take` has changed the session's copy."""

    async def take(self, workspace: Workspace) -> str:
        """Bring the session's copy up to date; in words, what that took."""
        for attempt in range(ATTEMPTS):
            await self._read()
            local = await read_local(workspace)
            noted = await _noted(workspace)
            plan = pull(self.files, local.digests, noted)
            try:
                contents = {path: await self._content(path) for path in plan.write}
            except NotFound:  # replaced by somebody else since the record was read
                if attempt == ATTEMPTS - 1:
                    raise
                continue
            await workspace.remove([FOLDER + path for path in plan.remove])
            await workspace.write([FileContent(FOLDER + path, "file", FILE_MODE, [c]) for path, c in contents.items()])
            if plan.base != noted:
                await workspace.write([FileContent(BASE, "file", FILE_MODE, [encode_base(plan.base)])])
            self.brought = bool(plan.remove or contents)
            self._remember(plan.base, {**local.contents, **contents})
            break
        return f"{len(plan.write)} files taken, {len(plan.remove)} removed"

    def _remember(self, base: Digests, contents: Mapping[str, bytes]) -> None:
        self.base, index = base, contents.get(INDEX, b"")
        self.index = index if base.get(INDEX) == content_digest(index) else b""

    async def give(self, workspace: Workspace) -> str:
        """Share what the turn has changed; in words, what became of it. Never fails a turn that is committed."""
        local = await read_local(workspace)
        try:
            shared = await self._share(local)
        except OutliveError as error:
            return f"left for the next turn to share: {error.message}"
        left_out = f"; left out: {', '.join(local.left_out)}" if local.left_out else ""
        return f"{counted(shared, 'file')} shared{left_out}"

    async def _share(self, local: LocalMemory) -> int:
        for _ in range(ATTEMPTS):
            found = changes(self.files, self.base, local.digests)
            if not found:
                return 0
            if await self._write(found, local):
                return len(found.store) + len(found.delete) + len(found.both) + len(found.join)
        raise Unavailable("other sessions change the memory all the time.")

    async def _write(self, found: Changes, local: LocalMemory) -> bool:
        """One compare-and-set with everything; False when somebody else was first: look again then."""
        before, files, made = self.files, dict(self.files), list[str]()
        try:
            contents = {path: local.contents[path] for path in (*found.store, *found.both)}
            contents |= {path: await self._joined(local.contents[path]) for path in found.join}
        except NotFound:
            await self._read()
            return False
        for path in found.both:
            kept_beside(files, path)
        for path, content in contents.items():
            name = f"{content_digest(content)}-{self.engine.new_id()}"
            made.append(name)
            await put_once(self.stores.objects, memory_prefix(self.profile) + name, content, self.engine.clock)
            file = files.get(path, MemoryFile(None))
            if path in found.join:
                file = file.becomes(local.digests[path], "")  # this session's own copy is no news to its next turn
            files[path] = file.becomes(content_digest(content), name)
        for path in found.delete:
            files[path] = files[path].becomes(None, "")
        landed = await self._replace(files)
        await self._remove({file.object for file in before.values()} | set(made))
        return landed

    async def _replace(self, files: Mapping[str, MemoryFile]) -> bool:
        key, expected = memory_key(self.profile), At(self.row.version, self.row.fence) if self.row else Absent()
        body = encode_memory(files)
        write = self.stores.table.write
        try:
            self.row = await retrying(
                lambda: write(key, body, expected=expected, lease=Keep(), expires_at=None), self.engine.clock
            )
        except (AlreadyExists, VersionConflict):
            await self._read()
            return self.row is not None and self.row.body == body  # ours, whose answer was lost
        self.files = dict(files)
        return True

    async def _remove(self, names: set[str]) -> None:
        """Delete the contents among these that the record, as it is now, does not name; what fails a sweep removes."""
        used = {file.object for file in self.files.values()}
        doomed = [memory_prefix(self.profile) + name for name in sorted(names - used) if name]
        with suppress(Unavailable):
            if doomed:
                await self.stores.objects.delete(doomed)

    async def _joined(self, mine: bytes) -> bytes:
        return join_lines(self.index, mine, await self._content(INDEX))

    async def _read(self) -> None:
        key = memory_key(self.profile)
        self.row = await retrying(lambda: self.stores.table.read(key), self.engine.clock)
        self.files = decode_memory(self.row.body, key) if self.row else {}

    async def _content(self, path: str) -> bytes:
        file = self.files[path]
        key = memory_prefix(self.profile) + file.object
        content = await retrying(lambda: self.stores.objects.get(key), self.engine.clock)
        if content_digest(content) != file.digest:
            raise Corrupt(f"memory file {path!r} is damaged ({key}).", fix="Restore the object from a backup.")
        return content


async def _noted(workspace: Workspace) -> dict[str, str]:
    try:
        return decode_base(await workspace.read(BASE))
    except NotFound:
        return {}


async def read_local(workspace: Workspace) -> LocalMemory:
    """The memory in a session's tree; links and what is too large or one too many are left out."""
    contents: dict[str, bytes] = {}
    left_out: list[str] = []
    for stat in await workspace.scan():
        if not stat.path.startswith(FOLDER) or stat.kind == "dir":
            continue
        path = stat.path.removeprefix(FOLDER)
        if stat.kind != "file" or stat.size > MAX_FILE_BYTES or len(contents) == MAX_FILES:
            left_out.append(path)
        else:
            contents[path] = await workspace.read(stat.path)
    return LocalMemory(contents, {p: content_digest(content) for p, content in contents.items()}, tuple(left_out))


async def unnamed_contents(engine: Engine, stores: TenantStores, older_than: float) -> list[str]:
    """Keys of contents that no record names: their worker died before it could name them, or could not delete them."""
    listed = await list_all(stores.objects, ALL, engine.clock)
    rows = await scan_all(stores.table, ALL, engine.clock)
    named = {
        memory_prefix(row.key.removeprefix(ALL)) + file.object
        for row in rows
        for file in decode_memory(row.body, row.key).values()
    }
    return [info.key for info in listed if info.key not in named and info.modified_at < older_than]
