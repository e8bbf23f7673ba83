"""What a local folder does that no suite asks of every store: durability on disk, drafts, and foreign files."""

# ruff: noqa: ASYNC240 - a test may block its own event loop for a look at a small file
from __future__ import annotations

import errno
import os
import stat
import sys
import time
from asyncio.subprocess import PIPE, create_subprocess_exec
from pathlib import Path

import pytest

from outlive.errors import AlreadyExists, Invalid, NotFound, Unavailable
from outlive.objects import folder as module
from outlive.objects.folder import ABANDONED_AFTER, DRAFTS
from outlive.objects.objects import UrlObjects
from outlive.testing.clock import ManualClock


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "objects"


@pytest.fixture
async def objects(root: Path) -> UrlObjects:
    return await open_folder(root)


async def open_folder(root: Path, now: float = 0.0) -> UrlObjects:
    return await UrlObjects.open(root.as_uri(), clock=ManualClock(now))


class Trace:
    """Records flushes and links in their order, as inode numbers and names."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.events: list[object] = []
        self._flush, self._link = module._flush, os.link
        patch.setattr(module, "_flush", self.flush)
        patch.setattr(os, "link", self.link)

    def flush(self, handle: int) -> None:
        self.events.append(os.fstat(handle).st_ino)
        self._flush(handle)

    def link(self, draft: Path, path: Path) -> None:
        self.events.append("link")
        self._link(draft, path)


@pytest.mark.promise("P1")
async def test_a_put_is_on_disk_before_it_returns(
    objects: UrlObjects, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bytes are flushed before they get their name, and each folder up to the root after it."""
    trace = Trace(monkeypatch)
    await objects.put("a/b/k", b"data")
    file, *folders = [(root / name).stat().st_ino for name in ("a/b/k", "a/b", "a", "")]
    assert trace.events == [file, "link", *folders]


@pytest.mark.promise("P1")
async def test_who_finds_an_object_finds_it_durable(
    objects: UrlObjects, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A refused put flushes the folders too, since its caller may take the bytes found for its own."""
    await objects.put("a/k", b"data")
    another = await open_folder(root)
    trace = Trace(monkeypatch)
    with pytest.raises(AlreadyExists):
        await another.put("a/k", b"data")
    assert trace.events[-2:] == [(root / "a").stat().st_ino, root.stat().st_ino]


@pytest.mark.promise("P1")
async def test_a_folder_flushed_once_is_not_flushed_up_to_the_root_again(
    objects: UrlObjects, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second put into a folder flushes its file and that folder only."""
    await objects.put("a/b/k", b"data")
    trace = Trace(monkeypatch)
    await objects.put("a/b/l", b"data")
    assert trace.events == [(root / "a/b/l").stat().st_ino, "link", (root / "a/b").stat().st_ino]


@pytest.mark.promise("P1")
async def test_a_folder_made_anew_is_flushed_up_to_the_root(
    objects: UrlObjects, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was known of a folder that another process has removed since does not count for its successor."""
    await objects.put("a/b/k", b"data")
    await (await open_folder(root)).delete(["a/b/k"])
    trace = Trace(monkeypatch)
    await objects.put("a/b/k", b"data")
    file, *folders = [(root / name).stat().st_ino for name in ("a/b/k", "a/b", "a", "")]
    assert trace.events == [file, "link", *folders]


@pytest.mark.promise("P10")
async def test_a_delete_is_on_disk_before_it_returns(
    objects: UrlObjects, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Deleting flushes the folder that is left, once all folders this emptied are gone."""
    await objects.put("a/b/c/k", b"")
    await objects.put("a/other", b"")
    trace = Trace(monkeypatch)
    await objects.delete(["a/b/c/k"])
    assert trace.events == [(root / "a").stat().st_ino]
    assert sorted(path.name for path in root.iterdir()) == [DRAFTS, "a"]
    assert [path.name for path in (root / "a").iterdir()] == ["other"]


async def test_nobody_else_can_read_the_objects(objects: UrlObjects, root: Path) -> None:
    """Folder and files are the owner's only."""
    await objects.put("k", b"")
    assert stat.S_IMODE(root.stat().st_mode) == 0o700
    assert stat.S_IMODE((root / "k").stat().st_mode) == 0o600


async def test_no_draft_is_left(objects: UrlObjects, root: Path) -> None:
    """Neither a put that succeeds nor one that is refused leaves a file behind."""
    await objects.put("k", b"")
    for key in ("k", "k/below", "s" * 300):
        with pytest.raises((AlreadyExists, Invalid)):
            await objects.put(key, b"")
    assert list((root / DRAFTS).iterdir()) == []


async def test_drafts_of_dead_processes_are_cleared(objects: UrlObjects, root: Path) -> None:
    """Opening removes drafts older than an hour and leaves those that may still be written."""
    (root / DRAFTS / "dead").write_bytes(b"half")
    now = time.time()
    await open_folder(root, now)
    assert [path.name for path in (root / DRAFTS).iterdir()] == ["dead"]
    await open_folder(root, now + ABANDONED_AFTER + 60)
    assert list((root / DRAFTS).iterdir()) == []


async def test_a_full_disk_is_unavailable_and_leaves_nothing(
    objects: UrlObjects, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A put that finds no room says so, and neither object nor draft is there."""

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module, "_flush", full)
    with pytest.raises(Unavailable, match=r"No space left.*free some space"):
        await objects.put("a/k", b"data")
    monkeypatch.undo()
    assert await objects.list("") == []
    assert list((root / DRAFTS).iterdir()) == []


async def test_a_put_that_cannot_be_flushed_is_not_acknowledged(
    objects: UrlObjects, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When a folder cannot be flushed after the link the put is `Unavailable`, whether the object is there or not."""
    flush = module._flush

    def broken(handle: int) -> None:
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(errno.EIO, "Input/output error")
        flush(handle)

    monkeypatch.setattr(module, "_flush", broken)
    with pytest.raises(Unavailable, match="Input/output"):
        await objects.put("a/k", b"data")


async def test_a_folder_is_no_object(objects: UrlObjects) -> None:
    """A key under which others lie is not found, cannot be put, and deleting it deletes nothing."""
    await objects.put("a/b/k", b"")
    with pytest.raises(NotFound):
        await objects.get("a/b")
    with pytest.raises(Invalid, match="'a/b' is a folder of other keys"):
        await objects.put("a/b", b"")
    await objects.delete(["a/b", "a"])
    assert [info.key for info in await objects.list("")] == ["a/b/k"]


async def test_an_object_is_no_folder(objects: UrlObjects) -> None:
    """Below an object's key nothing is found, and nothing can be put: the message says why."""
    await objects.put("a", b"")
    for key in ("a/b", "a/b/c"):
        with pytest.raises(NotFound):
            await objects.get(key)
        with pytest.raises(Invalid, match=f"{key}.*below one that is an object"):
            await objects.put(key, b"")
    assert await objects.list("a/") == []


async def test_a_segment_too_long_for_the_disk_is_invalid(objects: UrlObjects) -> None:
    """A segment over 255 bytes is `Invalid` and named by every call, instead of failing in some other way."""
    key = "s" * 256
    for call in (lambda: objects.put(key, b""), lambda: objects.get(key), lambda: objects.delete([key])):
        with pytest.raises(Invalid, match=r"sss.*too long for this disk"):
            await call()


async def test_what_is_no_object_is_not_listed(objects: UrlObjects, root: Path, tmp_path: Path) -> None:
    """Files with other names, links and empty folders do not show up as objects."""
    await objects.put("k", b"")
    (root / "not a key").write_bytes(b"")
    (root / "empty").mkdir()
    (root / "link").symlink_to(tmp_path)
    (root / "loop").symlink_to(root)
    assert [info.key for info in await objects.list("")] == ["k"]


@pytest.mark.promise("P7")
async def test_an_unmounted_folder_is_no_empty_store(objects: UrlObjects, root: Path) -> None:
    """With an empty folder in its place nothing is "not found" and nothing is written into the wrong disk."""
    await objects.put("k", b"")
    root.rename(root.with_name("unmounted"))
    root.mkdir()
    calls = (lambda: objects.get("k"), lambda: objects.list(""), lambda: objects.put("new", b""))
    for call in (*calls, lambda: objects.delete(["k"]), objects.ping):
        with pytest.raises(Unavailable):
            await call()
    assert list(root.iterdir()) == []


async def test_puts_and_deletes_in_one_folder_do_not_disturb_each_other(root: Path) -> None:
    """Two processes that create and delete in the same folder, one pruning what the other makes, never fail."""
    await open_folder(root)
    jobs = [await create_subprocess_exec(sys.executable, "-c", CHURN, root.as_uri(), n, stderr=PIPE) for n in "12"]
    errors = [(await job.communicate())[1].decode() for job in jobs]
    assert errors == ["", ""]
    assert [path.name for path in root.iterdir()] == [DRAFTS]


CHURN = """
import asyncio, sys
from outlive.objects.objects import UrlObjects
from outlive.testing.clock import ManualClock

async def main():
    objects = await UrlObjects.open(sys.argv[1], clock=ManualClock(0.0))
    for n in range(150):
        key = f"a/b/c/{sys.argv[2]}-{n}"
        await objects.put(key, b"x")
        assert await objects.get(key) == b"x"
        await objects.delete([key])

asyncio.run(main())
"""
