"""Users of their own for agents: which uid a tree gets, so that no two live trees on this machine share one."""

from __future__ import annotations

import fcntl
import os
import pwd
import re
import shutil
import signal
import stat
import subprocess
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from outlive.errors import Invalid, Unavailable

FOLDER = Path("/var/lib/outlive/uids")
"""One small file per uid in use, locked while it is; it lasts as long as trees can, so not below `/run`."""
LOWEST, HIGHEST = 1000, 2**32 - 2
FEWEST = 64
PROBES = 64
SHARED = (Path("/tmp"), Path("/var/tmp"), Path("/dev/shm"))  # noqa: S108 - where others' tools write whatever they are told
SHUT, OPEN = 0o700, 0o710
"""Modes of a tree's root: nobody's while it is idle, its own group's while a worker holds it."""
_RANGE = re.compile(r"(\d{1,10})-(\d{1,10})")


@dataclass(frozen=True, slots=True)
class Users:
    """A range of uids that belong to nobody else; the gid is the same number."""

    first: int
    last: int
    folder: Path = FOLDER

    def check(self) -> None:
        """`Invalid` unless this process can start programs as these users; run once, before the first turn."""
        for uid in (self.first, self.last):
            try:
                subprocess.run(["/bin/true"], user=uid, group=uid, extra_groups=[], check=True)
            except (OSError, subprocess.SubprocessError) as error:
                raise Invalid(
                    f"no program can be started as user {uid}: {error}.",
                    fix="Give the worker the capabilities SETUID, SETGID, CHOWN, KILL and DAC_OVERRIDE, set "
                    "OUTLIVE_AGENT_UIDS to a range that this container maps, or set OUTLIVE_ISOLATION to another mode.",
                ) from error

    def take(self, root: Path) -> tuple[int, int]:
        """A uid for this tree, and the lock that holds it until it is closed; the same one again unless it is taken.

        Whatever still runs or lies open from the tree that had it before is ended and shut first.
        """
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            for uid in self._candidates(root):
                lock = os.open(self.folder / str(uid), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
                if _locked(lock):
                    _pass_on(uid, lock, root)
                    return uid, lock
                os.close(lock)
        except OSError as error:
            fix = f"Make {self.folder} writable, or set OUTLIVE_ISOLATION to another mode."
            raise Unavailable(f"no user can be taken: {error.strerror}.", original=error, fix=fix) from error
        raise Unavailable(f"{PROBES} users in a row are taken.", fix="Widen OUTLIVE_AGENT_UIDS.")

    def _candidates(self, root: Path) -> list[int]:
        count = self.last - self.first + 1
        start = int.from_bytes(blake2b(os.fsencode(root), digest_size=8).digest(), "big")
        found = [self.first + (start + step) % count for step in range(PROBES)]
        return [uid for uid in found if not _has_account(uid)]


def parse_users(text: str, *, folder: Path = FOLDER) -> Users:
    """Users from `FIRST-LAST`; `Invalid` names what is wrong with the range."""
    found = _RANGE.fullmatch(text.strip())
    if found is None:
        raise Invalid(f"OUTLIVE_AGENT_UIDS {text!r} is no range.", fix="Write it like 2000000000-2099999999.")
    first, last = int(found[1]), int(found[2])
    if first < LOWEST or last > HIGHEST or last - first + 1 < FEWEST:
        raise Invalid(
            f"OUTLIVE_AGENT_UIDS {text!r} does not do.",
            fix=f"Use at least {FEWEST} uids from {LOWEST:,} to {HIGHEST:,} that belong to nobody.",
        )
    return Users(first, last, folder)


def _has_account(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def _locked(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _pass_on(uid: int, lock: int, root: Path) -> None:
    """Note whose the uid is now, once nothing of its last tree can be reached with it."""
    last = os.pread(lock, 4096, 0)
    if last:
        _shut_left_open(Path(os.fsdecode(last)), uid)
    if last != os.fsencode(root):
        os.ftruncate(lock, 0)
        os.pwrite(lock, os.fsencode(root), 0)


def _shut_left_open(root: Path, uid: int) -> None:
    """A tree is shut when it is given back; one that is open and unlocked had a worker that died."""
    with suppress(FileNotFoundError, NotADirectoryError):
        info = root.lstat()
        if stat.S_ISDIR(info.st_mode) and info.st_gid == uid and stat.S_IMODE(info.st_mode) != SHUT:
            root.chmod(SHUT)
            end_all(uid)


def end_all(uid: int) -> None:
    """Kill every process of this user."""
    for name in os.listdir("/proc"):
        if name.isdigit():
            with suppress(FileNotFoundError, ProcessLookupError):
                if Path("/proc", name).stat().st_uid == uid:
                    os.kill(int(name), signal.SIGKILL)


def hand_over(folder: Path, user: int) -> None:
    """Give a folder of ours and what is in it to a user who cannot enter it before: what is inside goes first."""
    if user == os.geteuid():
        return
    for _, folders, files, opened in os.fwalk(folder, topdown=False):
        for name in (*folders, *files):
            os.chown(name, user, user, dir_fd=opened, follow_symlinks=False)
    top = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        os.fchown(top, user, user)
    finally:
        os.close(top)


def remove_litter(uid: int, places: Iterable[Path] = SHARED) -> None:
    """Remove what this user left in the folders that every user may write to."""
    for place in places:
        with suppress(FileNotFoundError, NotADirectoryError):
            folder = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
            try:
                for name in [entry.name for entry in os.scandir(folder) if _belongs(entry, uid)]:
                    _remove(folder, name)
            finally:
                os.close(folder)


def _belongs(entry: os.DirEntry[str], uid: int) -> bool:
    try:
        return entry.stat(follow_symlinks=False).st_uid == uid
    except FileNotFoundError:
        return False


def _remove(folder: int, name: str) -> None:
    """By descriptors: nothing is removed through a link that is put in the way meanwhile."""
    with suppress(FileNotFoundError):
        try:
            os.unlink(name, dir_fd=folder)
        except IsADirectoryError:
            shutil.rmtree(name, dir_fd=folder)


def check_reachable(path: Path, what: str, *, bits: int = stat.S_IXOTH) -> None:
    """`Invalid` unless every user can pass through the folders above `path` (and has `bits` on it)."""
    for folder in path.parents:
        if not folder.stat().st_mode & stat.S_IXOTH:
            raise Invalid(
                f"agents run as users of their own, and {what} {path} lies in {folder}, which is closed to others.",
                fix=f"Run `chmod o+x {folder}`, put it elsewhere, or set OUTLIVE_ISOLATION to another mode.",
            )
    if path.stat().st_mode & bits != bits:
        raise Invalid(f"{what} {path} is closed to other users.", fix=f"Run `chmod o+x {path}`.")
