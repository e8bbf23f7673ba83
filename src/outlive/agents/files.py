"""Reading and writing below a session's root, never through a link."""

from __future__ import annotations

import os
import shutil
import stat
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from outlive.agents.tree import RESTORED_AGE, check_link, check_path, kind_of
from outlive.errors import Conflict, Invalid, NotFound, Unavailable
from outlive.protocols import FileContent

READ_ATTEMPTS = 3
FOLDER_MODE = 0o755
CHECKPOINTS = "config/file-history/"
CHECKPOINT_AGE = 86400
"""How much older than the files of `work/` their checkpoints are made: the CLI takes a file of the same size that is
older than its checkpoint for unchanged, and would not take it back."""
AGED = ("work/", CHECKPOINTS)
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


@contextmanager
def _reported(path: str) -> Iterator[None]:
    """A fault of the disk as `Unavailable`, with the path."""
    try:
        yield
    except OSError as error:
        raise Unavailable(
            f"{path!r} cannot be written: {error.strerror}.", original=error, fix="Free the disk or make it writable."
        ) from error


@contextmanager
def _parent(root: Path, path: str, *, create: bool = False, owner: int | None = None) -> Iterator[tuple[int, str]]:
    """The opened folder an entry lies in, and its name there; a link on the way is not followed.

    With `create`, whatever is in the way of a folder gives way to it.
    """
    *folders, name = check_path(path).split("/")
    current = os.open(root, _FOLDER)
    try:
        for folder in folders:
            if create:
                _ensure_folder(current, folder, owner)
            inner = os.open(folder, _FOLDER, dir_fd=current)
            os.close(current)
            current = inner
        yield current, name
    finally:
        os.close(current)


def _ensure_folder(parent: int, name: str, owner: int | None) -> None:
    info = _lstat(parent, name)
    if info is not None and not stat.S_ISDIR(info.st_mode):
        os.unlink(name, dir_fd=parent)
        info = None
    if info is None:
        os.mkdir(name, FOLDER_MODE, dir_fd=parent)
        if owner is not None:
            with _opened(os.open(name, _FOLDER, dir_fd=parent)) as folder:
                os.fchown(folder, owner, owner)


@contextmanager
def _opened(descriptor: int) -> Iterator[int]:
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def owner_of(path: str, owner: int | None) -> int | None:
    """The user an entry must belong to; None when it does not matter. What lies beside the agent's folders is ours."""
    return owner if owner is None or "/" in path else os.geteuid()


def _check_owner(path: str, info: os.stat_result, owner: int | None) -> None:
    """A second name of somebody else's file is not the session's: it would be read and written with our rights."""
    if owner is not None and info.st_uid != owner_of(path, owner):
        raise Invalid(f"{path!r} belongs to user {info.st_uid}.", fix="Remove it, or copy what it names.")


def _lstat(parent: int, name: str) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return None


# ------------------------------------------------------------------------------------------------ reading


def read_file(root: Path, path: str, offset: int, length: int | None, owner: int | None = None) -> bytes:
    """Bytes of a kept file; `NotFound` when there is none, `Conflict` when it does not hold still.

    With `owner`, `Invalid` for a file that is not this user's.
    """
    if offset < 0 or (length is not None and length < 0):
        raise Invalid(f"offset {offset} and length {length} of {path!r} must not be negative.")
    try:
        with _parent(root, path) as (parent, name):
            for _ in range(READ_ATTEMPTS):
                content = _read_once(parent, name, path, (offset, length), owner)
                if content is not None:
                    return content
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotFound(f"{path!r} is not in the session's tree.") from error
    except OSError as error:
        raise Unavailable(f"{path!r} cannot be read: {error.strerror}.", original=error) from error
    raise Conflict(f"{path!r} changes while it is read.", fix="Stop what writes to it, then try again.")


def _read_once(parent: int, name: str, path: str, span: tuple[int, int | None], owner: int | None) -> bytes | None:
    """The bytes, or None when the file changed meanwhile; growth does not count for what only grows."""
    offset, length = span
    file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=parent)
    with open(file, "rb", buffering=0) as stream:
        before = os.fstat(file)
        if not stat.S_ISREG(before.st_mode):
            raise Invalid(f"{path!r} is not a file.", fix="Read files only.")
        _check_owner(path, before, owner)
        stream.seek(offset)
        end = max(before.st_size - offset, 0)
        content = _read_fully(stream.fileno(), end if length is None else min(length, end))
        after = os.fstat(file)
    if kind_of(path) == "append":
        return content if after.st_size >= before.st_size else None
    return content if _same(before, after) else None


def _read_fully(file: int, length: int) -> bytes:
    parts: list[bytes] = []
    while length and (part := os.read(file, min(length, 1 << 24))):
        parts.append(part)
        length -= len(part)
    return b"".join(parts)


def _same(before: os.stat_result, after: os.stat_result) -> bool:
    return (before.st_size, before.st_mtime_ns, before.st_ctime_ns) == (
        after.st_size,
        after.st_mtime_ns,
        after.st_ctime_ns,
    )


# ------------------------------------------------------------------------------------------------ writing


def write_files(root: Path, files: Sequence[FileContent], owner: int | None = None) -> None:
    """Create, replace or extend entries, which belong to `owner`; see `protocols.Workspace.write`."""
    for file in files:
        _check(root, file)
        with _reported(file.path), _parent(root, file.path, create=True, owner=owner) as (parent, name):
            _write(parent, name, file, owner_of(file.path, owner))


def _check(root: Path, file: FileContent) -> None:
    check_path(file.path)
    if file.kind not in {"append", "file", "link", "dir"}:
        raise Invalid(f"{file.path!r} is of the unknown kind {file.kind!r}.")
    if file.mode & ~0o777:
        raise Invalid(f"{file.path!r} has the mode {file.mode:o}.", fix="Use permission bits only.")
    if file.kind == "link":
        check_link(root, file.path, file.target)


def _write(parent: int, name: str, file: FileContent, owner: int | None) -> None:
    if file.kind == "dir":
        _ensure_folder(parent, name, owner)
        with _opened(os.open(name, _FOLDER, dir_fd=parent)) as folder:
            os.fchmod(folder, file.mode)
    elif file.append:
        _append(parent, name, file, owner)
    else:
        _replace(parent, name, file, owner)


def _append(parent: int, name: str, file: FileContent, owner: int | None) -> None:
    with open(_open_to_append(parent, name, file, owner), "ab") as stream:
        if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            raise Invalid(f"{file.path!r} is not a file that can grow.", fix="Remove it first.")
        stream.writelines(file.parts)
        os.fchmod(stream.fileno(), file.mode)


def _open_to_append(parent: int, name: str, file: FileContent, owner: int | None) -> int:
    """An open file of this owner: made, or found and checked."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        found = os.open(name, flags | os.O_CREAT | os.O_EXCL, file.mode, dir_fd=parent)
    except FileExistsError:
        found = os.open(name, flags, dir_fd=parent)
        if owner is not None and os.fstat(found).st_uid != owner:
            os.close(found)
            raise Invalid(f"{file.path!r} belongs to somebody else.", fix="Remove it.") from None
    else:
        if owner is not None:
            os.fchown(found, owner, owner)
    return found


def _replace(parent: int, name: str, file: FileContent, owner: int | None) -> None:
    """Made beside, then renamed over: other names of the old content keep it."""
    fresh = f".outlive-{os.urandom(8).hex()}"
    if file.kind == "link":
        os.symlink(file.target, fresh, dir_fd=parent)
    else:
        _create(parent, fresh, file, owner)
    _clear_way(parent, name)
    os.rename(fresh, name, src_dir_fd=parent, dst_dir_fd=parent)


def _create(parent: int, name: str, file: FileContent, owner: int | None) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    with open(os.open(name, flags, 0o600, dir_fd=parent), "wb") as stream:
        stream.writelines(file.parts)
        stream.flush()
        if owner is not None:
            os.fchown(stream.fileno(), owner, owner)
        os.fchmod(stream.fileno(), file.mode)
        if file.path.startswith(AGED):
            older = CHECKPOINT_AGE if file.path.startswith(CHECKPOINTS) else 0
            restored_at = int(time.time()) - RESTORED_AGE - older
            os.utime(stream.fileno(), (restored_at, restored_at))


def _clear_way(parent: int, name: str) -> None:
    info = _lstat(parent, name)
    if info is not None and stat.S_ISDIR(info.st_mode):
        shutil.rmtree(name, dir_fd=parent)


# ----------------------------------------------------------------------------------------------- removing


def remove_files(root: Path, paths: Iterable[str]) -> None:
    """Remove entries and the folders they leave empty; what is gone already is no fault."""
    for path in sorted(paths, reverse=True):  # what lies inside a folder before the folder
        with _reported(path):
            _remove(root, path)
            _remove_empty(root, path.rpartition("/")[0])


def _remove(root: Path, path: str) -> None:
    with suppress(FileNotFoundError, NotADirectoryError), _parent(root, path) as (parent, name):
        info = _lstat(parent, name)
        if info is None:
            return
        if stat.S_ISDIR(info.st_mode):
            _rmdir(parent, name)
        else:
            os.unlink(name, dir_fd=parent)


def _remove_empty(root: Path, path: str) -> None:
    """Empty folders from here upwards; the kept places themselves stay."""
    while path.count("/") > path.startswith("config/"):
        with suppress(FileNotFoundError, NotADirectoryError), _parent(root, path) as (parent, name):
            if not _rmdir(parent, name):
                return
        path = path.rpartition("/")[0]


def unlink_below(root: Path, path: str) -> None:
    """Remove one file, kept or not, that is reached without a link; otherwise do nothing."""
    *folders, name = path.split("/")
    with ExitStack() as stack, suppress(FileNotFoundError, NotADirectoryError):
        current = stack.enter_context(_opened(os.open(root, _FOLDER)))
        for folder in folders:
            current = stack.enter_context(_opened(os.open(folder, _FOLDER, dir_fd=current)))
        os.unlink(name, dir_fd=current)


def _rmdir(parent: int, name: str) -> bool:
    try:
        os.rmdir(name, dir_fd=parent)
    except FileNotFoundError:
        return True
    except OSError:  # not empty: what is left there is not kept, or goes next
        return False
    return True


def empty_folder(folder: Path) -> None:
    """Remove everything in a folder, whatever modes the agent gave it."""
    with _reported(str(folder)):
        for entry in list(os.scandir(folder)):
            if not entry.is_dir(follow_symlinks=False):
                os.unlink(entry.path)
                continue
            try:
                shutil.rmtree(entry.path)
            except PermissionError:
                if os.geteuid() == 0:  # modes do not stop us, and the way below follows what an agent may swap
                    raise
                _open_up(Path(entry.path))
                shutil.rmtree(entry.path)


def _open_up(folder: Path) -> None:
    folder.chmod(0o700)
    for parent, names, _ in os.walk(folder):
        for name in names:
            if not (inner := Path(parent, name)).is_symlink():
                inner.chmod(0o700)
