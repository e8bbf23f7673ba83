"""The private trees on this machine: one per session, held by one process, the same path on every host."""

from __future__ import annotations

import asyncio
import fcntl
import os
import stat
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

from outlive.agents.files import empty_folder, read_file, remove_files, write_files
from outlive.agents.residents import Residents
from outlive.agents.tenants import (
    SPARE,
    Tenancy,
    empty_tree,
    make_room,
    remove_left_spares,
    remove_slot,
    tenant_digest,
    tenants_gate,
)
from outlive.agents.tree import IGNORED, TreeLimits, scan_tree
from outlive.agents.tree_notes import boot_id, read_note, remove_note, write_note
from outlive.agents.users import OPEN, SHUT, Users, check_reachable, remove_litter
from outlive.core.keys import SessionId
from outlive.core.trees import TreeState, encode_note
from outlive.errors import Invalid, TooLarge, Unavailable
from outlive.protocols import FileContent, FileStat

T = TypeVar("T")

FOLDERS = ("config", "work", "home", "tmp")
SLOTS = 64
SMALL = 64 * 1024
"""Bytes that are read or added on the event loop: some 50 µs by the page cache, where a thread costs the loop more."""
FEW = 32
"""Entries of a tree that is looked through on the event loop, for the same reason."""
SPARE_VERSION = 12, "8"
"""Where in a session id, and what: a UUID of version 8 is a spare's (RFC 9562, 5.8), every other id is of version 4."""
PASSABLE = 0o711
"""Mode of the base where trees have users of their own: they pass through it and cannot list it."""


class DiskWorkspaces:
    """Implements `protocols.Workspaces` below one folder, by default `<temporary folder>/outlive-<uid>`."""

    def __init__(
        self,
        base: Path | None = None,
        *,
        limits: TreeLimits | None = None,
        ignored: Sequence[str] = IGNORED,
        now: Callable[[], float] = time.time,
        users: Users | None = None,
        tenancy: Tenancy = "parted",
        residents: Residents[Slot] | None = None,
    ) -> None:
        """`base` must be the same absolute path on every host: the agent's own files name it.

        With `users`, each tree belongs to a user of its own; without, `tenancy` says whether tenants may meet.
        `residents` are shared with an agent that keeps processes alive between turns.
        """
        self._base = base.absolute() if base else Path(tempfile.gettempdir()).resolve() / f"outlive-{os.geteuid()}"
        self._limits, self._ignored, self._now = limits or TreeLimits(), tuple(ignored), now
        self._small = replace(self._limits, max_entries=min(FEW, self._limits.max_entries))
        self._users: Users | None = users
        self._tenancy: Tenancy = tenancy
        self._residents: Residents[Slot] = residents or Residents()

    async def check(self) -> None:
        """`Invalid` or `Unavailable` when no tree can be made here: a worker says so before it takes a message."""

        def check() -> None:
            with self._named():
                self._prepare()

        await asyncio.to_thread(check)

    async def open(self, tenant: str, session_id: str) -> DiskWorkspace:
        """See `protocols.Workspaces.open`; `Invalid` when the base folder is not ours alone."""
        if self._tenancy != "parted":
            digest = tenant_digest(tenant)
            await self._residents.clear(lambda slot: os.pread(slot.locks[0], 64, 0) == digest)
        slot = await asyncio.to_thread(self._take, tenant, session_id)
        return DiskWorkspace(slot, self._residents, partial(self._scan, slot))

    def _scan(self, slot: Slot, *, small: bool = False) -> list[FileStat]:
        """`TooLarge` for what is more than the limits allow, or than is `small`."""
        limits = self._small if small else self._limits
        return scan_tree(slot.root, limits=limits, ignored=self._ignored, now=self._now(), owner=slot.owner)

    async def open_spare(self, session_id: str) -> Slot:
        """Lock and return an empty tree of nobody's for a session that does not exist yet; see `spare_session_id`.

        Given back before a session has taken it, it leaves nothing behind.
        """
        return await asyncio.to_thread(self._take_spare, session_id)

    async def remove_left_spares(self) -> None:
        """Remove the spare trees of workers of this machine that died."""

        def remove() -> None:
            if self._base.is_dir():
                with tenants_gate(self._base):
                    remove_left_spares(self._base)

        await asyncio.to_thread(remove)

    def release(self, slot: Slot) -> None:
        """Whoever has opened a spare tree needs it no longer: it is its process's, or given back."""
        self._residents.leave(slot)

    def _take_spare(self, session_id: str) -> Slot:
        slot = self._new(_folder_name("", session_id), SPARE)
        self._residents.enter(slot)
        write_note(slot.note, encode_note(TreeState(SessionId(session_id), 0)))
        return slot

    def _take(self, tenant: str, session_id: str) -> Slot:
        if not tenant or not session_id:
            raise Invalid("a tree needs a tenant and a session id.", fix="Pass both.")
        name, digest = _folder_name(tenant, session_id), tenant_digest(tenant)
        if kept := self._residents.reclaim(self._base, name):
            os.pwrite(kept.locks[0], digest, 0)  # a spare's is somebody's from now on
            with suppress(OSError):  # if somebody has removed it meanwhile; else nothing happens
                kept.root.mkdir(mode=SHUT, exist_ok=True)
                make_folders(kept.root, kept.owner)
            return kept
        slot = self._new(name, digest)
        self._residents.enter(slot)
        return slot

    def _new(self, name: str, digest: bytes) -> Slot:
        """A slot of this name, locked and with its folders."""
        with self._named():
            self._prepare()
            with tenants_gate(self._base) as gate:
                if digest != SPARE:
                    make_room(self._base, gate, digest, self._tenancy)
                slot = _free_slot(self._base, name, digest)
            try:
                return self._made(slot)
            except BaseException:
                slot.give_back()
                raise

    def _prepare(self) -> None:
        """The base folder, ours and passable."""
        _private(self._base, SHUT if self._users is None else PASSABLE)
        if self._users:
            check_reachable(self._base, "the folder of trees")

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise Unavailable(
                f"no tree can be made below {self._base}: {error.strerror}.",
                original=error,
                fix="Make the folder writable, or set OUTLIVE_WORKSPACES to another one.",
            ) from error

    def _made(self, slot: Slot) -> Slot:
        """The slot with its folders, and with its user if it gets one."""
        _private(slot.root, SHUT)
        if self._users is None:
            make_folders(slot.root)
            return slot
        owner, lock = self._users.take(slot.root)
        taken = Slot(slot.root, (*slot.locks, lock), owner)
        try:
            taken.hand_to_owner()
        except BaseException:
            os.close(lock)
            raise
        return taken


@dataclass(frozen=True, slots=True)
class Slot:
    """A tree's root, locked."""

    root: Path
    locks: tuple[int, ...]
    owner: int | None = None
    """The user its agent runs as; None for our own."""

    @property
    def note(self) -> Path:
        """The file that says what the tree holds."""
        return self.root.with_name(self.root.name + ".note")

    def hand_to_owner(self) -> None:
        """Let the owner in. The root stays ours, so nothing directly below it can be renamed or replaced."""
        assert self.owner is not None  # noqa: S101 - why this was called
        work = self.root / "work"
        if not work.is_dir() or work.lstat().st_uid != self.owner:
            self.note.unlink(missing_ok=True)  # made for another user: it is made anew
        make_folders(self.root, self.owner)
        os.chown(self.root, -1, self.owner)
        self.root.chmod(OPEN)

    def give_back(self) -> None:
        """Nobody but us enters an idle tree, so whoever gets its user next finds it shut."""
        if self.owner is not None:
            with suppress(FileNotFoundError):
                self.root.chmod(SHUT)
            remove_litter(self.owner)
        if os.pread(self.locks[0], 64, 0) == SPARE:
            remove_slot(self.root.with_name(self.root.name + ".lock"))
        for lock in reversed(self.locks):
            os.close(lock)


def spare_session_id() -> str:
    """An id for a session whose tree is made before its tenant is known: on every host the path follows from the id."""
    at, version = SPARE_VERSION
    random = uuid4().hex
    return random[:at] + version + random[at + 1 :]


def _folder_name(tenant: str, session_id: str) -> str:
    """Tells tenants apart, but for a spare's id: those are never given out twice, and a lock says whose a tree is."""
    at, version = SPARE_VERSION
    tenant = "" if session_id[at : at + 1] == version else tenant
    return blake2b(f"{len(tenant)}:{tenant}:{session_id}".encode(errors="surrogatepass"), digest_size=16).hexdigest()


def _free_slot(base: Path, name: str, tenant: bytes) -> Slot:
    """The first slot nobody holds, locked: the session's own path, unless a live process is still at work there."""
    for slot in range(1, SLOTS + 1):
        folder = name if slot == 1 else f"{name}-{slot}"
        lock = os.open(base / f"{folder}.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            continue
        before = os.pread(lock, 64, 0)
        if before not in {b"", tenant}:
            empty_tree(base / folder)  # another tenant's, or nobody's who died: nothing of it may be met
        if before != tenant:
            os.ftruncate(lock, 0)
            os.pwrite(lock, tenant, 0)
        return Slot(base / folder, (lock,))
    raise Unavailable(f"{SLOTS} processes hold trees of one session.", fix="End the ones that hang.")


def _private(folder: Path, mode: int) -> None:
    """Make the folder if need be; `Invalid` unless it is a real one of ours that nobody else can read or write."""
    folder.mkdir(mode=SHUT, parents=True, exist_ok=True)
    info = folder.lstat()
    if not stat.S_ISDIR(info.st_mode):
        raise Invalid(f"{folder} is not a folder but a link.", fix="Remove it, or set OUTLIVE_WORKSPACES.")
    if info.st_uid != os.geteuid():
        raise Invalid(f"{folder} belongs to user {info.st_uid}.", fix="Set OUTLIVE_WORKSPACES to a folder of yours.")
    if stat.S_IMODE(info.st_mode) & 0o066:
        raise Invalid(f"{folder} is open to other users.", fix=f"Run `chmod 700 {folder}`.")
    if stat.S_IMODE(info.st_mode) & mode != mode:
        folder.chmod(mode)


def make_folders(root: Path, owner: int | None = None) -> None:
    """The folders of an empty tree; nobody but us and the root's own group can reach them while they change hands."""
    for name in FOLDERS:
        (root / name).mkdir(mode=0o700, exist_ok=True)
        if owner is not None and (root / name).lstat().st_uid != owner:
            os.chown(root / name, owner, owner, follow_symlinks=False)


def _is_new(root: Path) -> bool:
    """Whether there is nothing but the folders of an empty tree, as they were made."""
    found = list(os.scandir(root))
    return all(
        entry.name in FOLDERS
        and entry.is_dir(follow_symlinks=False)
        and stat.S_IMODE(entry.stat(follow_symlinks=False).st_mode) == 0o700
        and _is_empty(entry.path)
        for entry in found
    )


def _is_empty(folder: str) -> bool:
    with os.scandir(folder) as entries:
        return next(entries, None) is None


class DiskWorkspace:
    """Implements `protocols.Workspace`."""

    def __init__(self, slot: Slot, residents: Residents[Slot], scan: Callable[..., list[FileStat]]) -> None:
        self.root, self._owner, self._note = slot.root, slot.owner, slot.note
        self._slot: Slot | None = slot
        self._residents = residents
        self._scan, self._has_few = scan, True
        self._running: set[asyncio.Task[Any]] = set()

    async def note(self) -> bytes | None:
        return self._on_loop(lambda: read_note(self._note))

    async def mark_clean(self, note: bytes) -> None:
        if boot_id() and len(note) <= SMALL:
            self._on_loop(lambda: write_note(self._note, note))
        else:
            await self._off_loop(lambda: write_note(self._note, note))

    async def mark_dirty(self) -> None:
        if boot_id():
            self._on_loop(lambda: remove_note(self._note))
        else:
            await self._off_loop(lambda: remove_note(self._note))

    async def scan(self) -> Sequence[FileStat]:
        if self._has_few:
            with suppress(TooLarge):  # of a tree that is, the thread says so
                return self._on_loop(lambda: self._scan(small=True))
            self._has_few = False
        return await self._off_loop(self._scan)

    async def read(self, path: str, offset: int = 0, length: int | None = None) -> bytes:
        most = SMALL if length is None else length
        if most <= SMALL:
            content = self._on_loop(lambda: read_file(self.root, path, offset, most, self._owner))
            if length is not None or len(content) < most:
                return content
        return await self._off_loop(lambda: read_file(self.root, path, offset, length, self._owner))

    async def write(self, files: Sequence[FileContent]) -> None:
        if len(files) == 1 and files[0].append and sum(map(len, files[0].parts)) <= SMALL:
            self._on_loop(lambda: write_files(self.root, files, self._owner))
        else:
            await self._off_loop(lambda: write_files(self.root, files, self._owner))

    async def remove(self, paths: Sequence[str]) -> None:
        if paths:
            await self._off_loop(lambda: remove_files(self.root, paths))

    async def wipe(self) -> None:
        if boot_id() and self._on_loop(lambda: _is_new(self.root)):
            self._on_loop(lambda: remove_note(self._note))
        else:
            await self._off_loop(self._empty)

    async def close(self) -> None:
        """Also waits for work that went on in a thread after its caller was cancelled; idempotent."""
        while self._running:
            await asyncio.wait(self._running)
        if self._slot is not None:
            slot, self._slot = self._slot, None
            if slot.owner is None:
                self._residents.leave(slot)  # a lock or two are closed
            else:
                await asyncio.shield(asyncio.to_thread(self._residents.leave, slot))

    def _on_loop(self, work: Callable[[], T]) -> T:
        """For what takes less time than the way to a thread and back: a few pages that have just been written."""
        if self._slot is None:
            raise self._given_back()
        return work()

    def _given_back(self) -> Invalid:
        return Invalid(f"the tree {self.root} has been given back.", fix="Open it again.")

    async def _off_loop(self, work: Callable[[], T]) -> T:
        if self._slot is None:
            raise self._given_back()
        task = asyncio.create_task(asyncio.to_thread(work))
        self._running.add(task)
        task.add_done_callback(self._finished)
        return await asyncio.shield(task)

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # its caller has it, unless it was cancelled

    def _empty(self) -> None:
        remove_note(self._note)
        if not _is_new(self.root):
            empty_folder(self.root)
        make_folders(self.root, self._owner)
