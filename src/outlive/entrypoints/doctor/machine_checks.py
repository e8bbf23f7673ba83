"""Checks of this machine: folders, disk, clock, the database file, what was left behind."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from statistics import median

from outlive.core.wording import counted
from outlive.entrypoints.doctor.findings import Found, fail, warn
from outlive.settings import Settings
from outlive.wiring import embedded_file, workspaces_folder

MIB = 1 << 20
LITTLE_SPACE, NO_SPACE = 1024 * MIB, 64 * MIB
SLOW_FSYNC = 0.05
PROBES = 5
CLOCK_SKEW = 2.0
RELEASED_AT = 1_760_000_000.0
"""No right clock is before this (October 2025)."""
LEFT_BEHIND = 3600.0
"""Seconds after which a temporary folder belongs to nobody."""
MANY_BYTES = 5 * 1024 * MIB


def data_folder(settings: Settings) -> Found:
    """Whether a file can be made, made durable, and removed; and how long the disk takes for it."""
    folder = data_place(settings)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        seconds = median(_probe(folder) for _ in range(PROBES))
    except OSError as error:
        is_full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        fix = "Free some space." if is_full else "Choose another folder with --data, or make this one writable."
        return fail(f"{folder} cannot be written: {error.strerror}.", fix)
    text = f"{folder} can be written, an fsync takes {seconds * 1000:.1f} ms"
    if seconds > SLOW_FSYNC:
        return warn(text, "Each turn waits for about ten of them: a local disk would be faster.")
    return Found(text)


def data_place(settings: Settings) -> Path:
    """The folder of the embedded stores."""
    path = embedded_file(settings)
    return path.parent if path else settings.data


def _probe(folder: Path) -> float:
    """Seconds that making 4 KB durable takes."""
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(b"\0" * 4096)
        file.flush()
        started = time.perf_counter()
        os.fsync(file.fileno())
        return time.perf_counter() - started


def disk_space(settings: Settings) -> Found:
    """Room for data and trees."""
    places = {_existing(data_place(settings)), _existing(workspaces_folder(settings))}
    free, place = min((shutil.disk_usage(place).free, str(place)) for place in places)
    text = f"{free / MIB:,.0f} MiB free at {place}"
    if free < NO_SPACE:
        return fail(text, "Free some space.")
    return warn(text, "Free some space soon.") if free < LITTLE_SPACE else Found(text)


def _existing(folder: Path) -> Path:
    return next(each for each in (folder, *folder.parents) if each.exists())


def clock(settings: Settings) -> Found:
    """The clock against the calendar, and against the file system's."""
    now = time.time()
    text = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now))
    if now < RELEASED_AT:
        return fail(f"{text}, which is before this version was made", "Set the clock (NTP).")
    try:
        with tempfile.TemporaryFile(dir=data_place(settings)) as file:
            skew = os.fstat(file.fileno()).st_mtime - time.time()
    except OSError:  # that is another check's to report
        return Found(text)
    if abs(skew) > CLOCK_SKEW:
        return warn(f"{text}; the data folder's file system is {skew:+.1f} s off", "Set both clocks (NTP).")
    return Found(text)


def database(settings: Settings) -> Found:
    """SQLite's own quick check, reading only."""
    path = embedded_file(settings)
    if path is None:
        return Found("the table is a server's: see `table`")
    if not path.exists():
        return Found(f"{path} does not exist yet")
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=10)) as connection:
            (schema,) = connection.execute("PRAGMA user_version").fetchone()
            damage = [row[0] for row in connection.execute("PRAGMA quick_check(3)") if row[0] != "ok"]
    except sqlite3.OperationalError as error:
        return fail(f"{path} cannot be read: {error}", "See the data folder and the disk space above.")
    except sqlite3.DatabaseError as error:
        damage, schema = [str(error)], 0
    if damage:
        return fail(
            f"{path}: {'; '.join(damage)}", "Restore it from a copy, or move it away to begin with an empty one."
        )
    return Found(f"{path} is sound, schema {schema}, {path.stat().st_size / MIB:,.1f} MiB")


def workspaces(settings: Settings) -> Found:
    """The private trees of this machine."""
    folder = workspaces_folder(settings)
    if not folder.exists():
        return Found(f"{folder} does not exist yet")
    info = folder.lstat()
    if not stat.S_ISDIR(info.st_mode) or info.st_uid != os.geteuid():
        return fail(f"{folder} is not a folder of yours", "Remove it, or set OUTLIVE_WORKSPACES to another one.")
    if stat.S_IMODE(info.st_mode) & 0o066:
        return fail(f"{folder} is open to other users", f"Run `chmod 700 {folder}`.")
    trees = [entry for entry in folder.iterdir() if entry.is_dir()]
    size = sum(_sizes(folder))
    text = f"{counted(len(trees), 'tree')}, {size / MIB:,.1f} MiB in {folder}"
    if size > MANY_BYTES:
        return warn(text, "Stop the workers and remove the folder: the trees are restored when they are needed.")
    return Found(text)


def _sizes(folder: Path) -> Iterator[int]:
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                yield os.lstat(os.path.join(place, name)).st_size
            except FileNotFoundError:  # a turn runs there
                continue


def leftovers(_settings: Settings) -> Found:
    """Folders that a demo which was killed could not remove."""
    folder = Path(tempfile.gettempdir())
    old = time.time() - LEFT_BEHIND
    found = [path for path in folder.glob("outlive-demo-*") if path.lstat().st_mtime < old]
    if found:
        return warn(f"{len(found)} folders of demos in {folder}", f"Remove them: rm -r {folder}/outlive-demo-*")
    return Found(f"nothing was left in {folder}")
