"""Exports."""

from __future__ import annotations

import asyncio
import io
import json
import secrets
import tarfile
import tracemalloc

import pytest
import zstandard

from outlive.core.keys import SessionId, session_key
from outlive.core.ledger import PATH
from outlive.core.trees import content_digest
from outlive.errors import AlreadyExists, Corrupt, Invalid, NotFound, Unavailable
from outlive.flows.sessions import write_archive
from outlive.flows.sessions.export_session import TITLE, export_session, export_tenant, export_user
from outlive.flows.sessions.sweep_session import sweep_session
from outlive.flows.turn.find_session import point_key
from tests.flows.conftest import Meanwhile

PHONE = session_key("acme", "telegram", "42")


@pytest.fixture
async def session(world) -> str:
    """A session of three versions."""
    for text in ("write a.txt: one", "write b/c.txt: two", "write a.txt: three"):
        turn = await world.say(text)
    return turn.session_id


async def export(world, session: str, path, **options):
    """Export one session."""
    return await export_session(world.worker(), world.stores, session, path, **options)


def members(path) -> dict[str, tuple]:
    """Name -> mode and content, for every member."""
    data = path.read_bytes()
    plain = zstandard.ZstdDecompressor().decompressobj().decompress(data) if path.suffix == ".zst" else data
    with tarfile.open(fileobj=io.BytesIO(plain)) as tar:
        return {each.name: (each.mode, tar.extractfile(each).read() if each.isfile() else b"") for each in tar}


@pytest.mark.parametrize("name", ["out.tar", "out.tar.zst"])
async def test_an_export_holds_the_tree_byte_for_byte(world, session, tmp_path, name) -> None:
    """The archive's tree and ledger are those of the version, in content and mode."""
    exported = await export(world, session, tmp_path / name)
    found = members(tmp_path / name)
    tree = world.trees[session, 3]
    kept = {path: content for path, content in tree.items() if path != PATH}
    assert {path.split("/tree/")[1]: each for path, each in found.items() if "/tree/" in path} == kept
    assert found[f"{session}/ledger.jsonl"][1] == tree[PATH][1]
    assert (exported.sessions, exported.files) == ((session,), len(tree))


async def test_any_tar_can_read_it(world, session, tmp_path) -> None:
    """The system's own tar lists the archive."""
    await export(world, session, tmp_path / "out.tar")
    tar = await asyncio.create_subprocess_exec("tar", "-tf", tmp_path / "out.tar", stdout=asyncio.subprocess.PIPE)
    listed, _ = await tar.communicate()
    assert f"{session}/tree/work/b/c.txt" in listed.decode().splitlines()


async def test_an_export_takes_little_memory(world, tmp_path) -> None:
    """An archive of megabytes is written with one stored pack in memory, and never a whole unpacked one."""
    for number in range(12):
        turn = await world.say(f"write {number}.txt: {secrets.token_hex(90_000)}")
    tracemalloc.start()
    exported = await export(world, turn.session_id, tmp_path / "out.tar")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert exported.bytes > 9_000_000
    assert peak < 5_000_000


async def test_the_manifest_names_every_file_with_its_digest(world, session, tmp_path) -> None:
    """Each path of the manifest has kind, mode, size and the digest of its bytes."""
    await export(world, session, tmp_path / "out.tar")
    found = members(tmp_path / "out.tar")
    manifest = json.loads(found[f"{session}/manifest.json"][1])
    assert {path: (face["mode"], face["digest"]) for path, face in manifest.items()} == {
        path: (mode, content_digest(content))
        for path, (mode, content) in world.trees[session, 3].items()
        if path != PATH
    }


async def test_the_head_and_the_keys_are_in_it(world, session, tmp_path) -> None:
    """The archive says what the head said, which version it is, and which keys point at it."""
    await point_key(world.worker(), world.stores, PHONE, SessionId(session), None)
    await export(world, session, tmp_path / "out.tar")
    found = members(tmp_path / "out.tar")
    fields = json.loads(found[f"{session}/session.json"][1])
    assert (fields["version"], fields["head"]["session_id"]) == (3, session)
    assert fields["keys"] == ["acme:console:ada:default", "acme:telegram:42:default"]
    assert json.loads(found[TITLE][1])["sessions"] == [session]


async def test_an_older_version_comes_with_todays_ledger(world, session, tmp_path) -> None:
    """An export of version 1 has its files, and the ledger of all that was said."""
    await export(world, session, tmp_path / "out.tar", version=1)
    found = members(tmp_path / "out.tar")
    assert found[f"{session}/tree/work/a.txt"][1] == b"one"
    assert f"{session}/tree/work/b/c.txt" not in found
    assert found[f"{session}/ledger.jsonl"][1] == world.trees[session, 3][PATH][1]


async def test_manifests_of_other_versions_come_when_asked_for(world, session, tmp_path) -> None:
    """With manifests, the archive says what every other kept version held."""
    await export(world, session, tmp_path / "out.tar", manifests=True)
    found = members(tmp_path / "out.tar")
    assert {name for name in found if "/versions/" in name} == {f"{session}/versions/{n}.json" for n in (1, 2)}
    assert json.loads(found[f"{session}/versions/1.json"][1])["work/a.txt"]["size"] == 3


def strange_files(work) -> None:
    """An executable, a link, an empty folder, and a name that breaks a line."""
    (work / "run me.sh").write_text("#!/bin/sh\n")
    (work / "run me.sh").chmod(0o755)
    (work / "naïve\nname").write_text("x")
    (work / "link").symlink_to("a.txt")
    (work / "empty").mkdir(mode=0o700)


async def test_links_modes_and_strange_names_survive(world, session, tmp_path) -> None:
    """A link, an executable and names with spaces, newlines and accents are in the archive as they were."""
    async with world.disk(session) as workspace:
        strange_files(workspace.root / "work")
    await world.say("look")
    await export(world, session, tmp_path / "out.tar")
    with tarfile.open(tmp_path / "out.tar") as tar:
        found = {each.name.partition("/tree/work/")[2]: each for each in tar}
    assert (found["run me.sh"].mode, found["naïve\nname"].size) == (0o755, 1)
    assert (found["link"].linkname, found["empty"].isdir()) == ("a.txt", True)


async def test_a_running_session_is_exported_as_last_committed(world, session, tmp_path) -> None:
    """An export needs no lease, and holds nothing of a turn that has not committed."""
    async with world.running("write new.txt: soon"):
        await export(world, session, tmp_path / "out.tar")
    assert f"{session}/tree/work/new.txt" not in members(tmp_path / "out.tar")


async def test_an_export_that_a_sweep_undercuts_takes_the_newer_version(world, session, tmp_path) -> None:
    """When the version is swept away while it is being read, the export holds the newest one instead."""
    world.keep = 1

    async def undercut() -> None:
        for number in range(8):
            await world.say(f"write a.txt: {number}")
        await sweep_session(world.worker(), world.stores, session)

    engine = world.worker("w2", Meanwhile("objects.get", undercut))
    await export_session(engine, engine.stores("acme"), session, tmp_path / "out.tar")
    assert members(tmp_path / "out.tar")[f"{session}/tree/work/a.txt"][1] == b"7"


async def test_progress_counts_files(world, session, tmp_path) -> None:
    """Whoever watches hears of every file."""
    seen = []
    await export(world, session, tmp_path / "o.tar", progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]


# ------------------------------------------------------------------------------------- users and tenants


@pytest.fixture
async def people(world) -> dict:
    """Two sessions of ada, one of bob, one that has no turn yet."""
    keys = {name: session_key("acme", "console", *name.split("/")) for name in ("ada", "ada/work", "bob")}
    await world.start_anew(session_key("acme", "console", "ada", "empty"))
    return {name: (await world.say(f"write a.txt: {name}", key=key)).session_id for name, key in keys.items()}


async def test_a_users_export_has_a_folder_for_each_session(world, people, tmp_path) -> None:
    """All sessions of the chat with a version are in one archive, and nobody else's."""
    exported = await export_user(world.worker(), world.stores, "ada", tmp_path / "ada.tar")
    assert set(exported.sessions) == {people["ada"], people["ada/work"]}
    assert {name.split("/")[0] for name in members(tmp_path / "ada.tar")} == {TITLE, *exported.sessions}


async def test_a_tenants_export_has_every_session(world, people, tmp_path) -> None:
    """All sessions of the tenant are in one archive, and another tenant's are not."""
    await world.say("theirs", key=session_key("other", "console", "ada"), remember=False)
    seen = []
    exported = await export_tenant(
        world.worker(), world.stores, tmp_path / "all.tar.zst", progress=lambda *each: seen.append(each)
    )
    assert (set(exported.sessions), seen) == (set(people.values()), [(1, 3), (2, 3), (3, 3)])
    assert members(tmp_path / "all.tar.zst")[f"{people['bob']}/tree/work/a.txt"][1] == b"bob"


async def test_expired_sessions_are_not_exported(world, people, tmp_path) -> None:
    """A session whose time is over is not in its user's export."""
    world.clock.advance(26 * 86400)
    assert (await export_user(world.worker(), world.stores, "ada", tmp_path / "ada.tar")).sessions == ()


async def test_a_damaged_session_fails_the_export_of_its_tenant(world, people, tmp_path) -> None:
    """An export that cannot be whole is none: the pack is named and no archive is left."""
    (name,) = world.packs(people["bob"])
    world.flip(people["bob"], name)
    with pytest.raises(Corrupt, match=name):
        await export_tenant(world.worker(), world.stores, tmp_path / "all.tar")
    assert [path for path in tmp_path.iterdir() if path.is_file()] == []


# ---------------------------------------------------------------------------------------------- refusals


async def test_an_archive_that_exists_is_kept(world, session, tmp_path) -> None:
    """An export does not replace a file, unless it is told to."""
    path = tmp_path / "out.tar"
    path.write_text("mine")
    with pytest.raises(AlreadyExists, match=r"out\.tar"):
        await export(world, session, path)
    assert path.read_text() == "mine"
    await export(world, session, path, overwrite=True)
    assert f"{session}/session.json" in members(path)


async def test_a_file_that_appears_meanwhile_is_kept(world, session, tmp_path) -> None:
    """An export does not replace a file that somebody else writes while it runs."""
    path = tmp_path / "out.tar"
    with pytest.raises(AlreadyExists):
        await export(world, session, path, progress=lambda *_: path.write_text("mine"))
    assert path.read_text() == "mine"


@pytest.mark.parametrize("name", ["out.zip", "out", "missing/out.tar"])
async def test_a_place_that_cannot_be_written_is_refused(world, session, tmp_path, name) -> None:
    """Another kind of name, or a folder that is not there, is refused by name."""
    with pytest.raises(Invalid, match=name):
        await export(world, session, tmp_path / name)


async def test_a_full_disk_leaves_nothing_behind(world, session, tmp_path, monkeypatch) -> None:
    """When the disk is full the export says so, and neither archive nor draft is left."""

    def full(_file) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(write_archive, "_sync", full)
    with pytest.raises(Unavailable, match="No space left"):
        await export(world, session, tmp_path / "out.tar")
    assert [path for path in tmp_path.iterdir() if path.is_file()] == []


async def test_an_export_is_for_its_owner_only(world, session, tmp_path) -> None:
    """The archive cannot be read by other users of the machine."""
    await export(world, session, tmp_path / "out.tar")
    assert (tmp_path / "out.tar").stat().st_mode & 0o777 == 0o600


async def test_what_is_not_there_is_not_exported(world, session, tmp_path) -> None:
    """An unknown session, or a version that does not exist, leaves no archive."""
    with pytest.raises(NotFound):
        await export(world, "f" * 32, tmp_path / "out.tar")
    with pytest.raises(Invalid, match="Choose one from 1 to 3"):
        await export(world, session, tmp_path / "out.tar", version=9)
    assert not (tmp_path / "out.tar").exists()
