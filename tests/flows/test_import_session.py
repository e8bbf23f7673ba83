"""Imports of archives."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from outlive.core.keys import session_key
from outlive.core.ledger import PATH
from outlive.core.trees import content_digest
from outlive.errors import AlreadyExists, Corrupt, Invalid, NotFound, OutliveError, SchemaTooNew, TooLarge, Unavailable
from outlive.flows.run_turn import run_turn
from outlive.flows.sessions import read_archive
from outlive.flows.sessions.export_session import TITLE, export_session, export_tenant
from outlive.flows.sessions.import_session import import_archive
from outlive.flows.sessions.list_versions import list_versions
from outlive.flows.turn.read_ledger import read_lines
from outlive.testing.faults import ErrorBefore, Plan, first_of, on
from tests.flows.conftest import KEY, World

NEW = session_key("acme", "console", "ada", "imported")


@pytest.fixture
async def session(world) -> str:
    """A session of two versions, with a link and an executable in it."""
    turn = await world.say("write a.txt: one")
    async with world.disk(turn.session_id) as workspace:
        (workspace.root / "work/link").symlink_to("b/run.sh")
    await world.say("write b/run.sh: #!/bin/sh")
    return turn.session_id


@pytest.fixture
async def archive(world, session, tmp_path) -> Path:
    """Its export."""
    await export_session(world.worker(), world.stores, session, tmp_path / "out.tar")
    return tmp_path / "out.tar"


async def load(world, archive, **options):
    """Import the archive."""
    return await import_archive(world.worker(), world.stores, archive, **options)


@pytest.fixture
def elsewhere(tmp_path) -> World:
    """Another installation."""
    return World(tmp_path / "elsewhere")


def rewrite(archive: Path, change: Callable[[dict], dict]) -> Path:
    """The archive with another list of members: name -> (header, content)."""
    with tarfile.open(archive) as tar:
        members = {each.name: (each, tar.extractfile(each).read() if each.isfile() else b"") for each in tar}
    with tarfile.open(archive, "w") as tar:
        for name, (header, content) in change(members).items():
            header.name, header.size = name, len(content)
            tar.addfile(header, io.BytesIO(content))
    return archive


def edit(session: str, name: str, change: Callable[[dict], object]) -> Callable[[dict], dict]:
    """A rewrite that changes one of the archive's JSON documents."""

    def edited(members: dict) -> dict:
        path = name if name == TITLE else f"{session}/{name}"
        fields = json.loads(members[path][1])
        change(fields)
        return members | {path: (members[path][0], json.dumps(fields).encode())}

    return edited


@pytest.mark.promise("P13")
@pytest.mark.parametrize("suffix", ["tar", "tar.zst"])
async def test_what_is_imported_is_what_was_exported(world, session, tmp_path, suffix) -> None:
    """An import restores to the exported bytes, modes and links, from a plain archive as from a compressed one."""
    path = tmp_path / f"out.{suffix}"
    await export_session(world.worker(), world.stores, session, path)
    (made,) = await load(world, path, key=NEW)
    assert await world.restored(made.session_id) == world.trees[session, 2]
    assert (made.source, await world.session(NEW)) == (session, made.session_id)


async def test_a_session_moves_to_another_installation(elsewhere, session, archive, world) -> None:
    """Without a key the session gets its own keys there, and its conversation goes on."""
    (made,) = await load(elsewhere, archive)
    assert made.keys == (str(KEY),)
    turn = await elsewhere.say("and on")
    assert (turn.session_id, turn.line.turn, turn.line.reply) == (made.session_id, 3, "Message 3: and on")


@pytest.mark.promise("P2")
async def test_an_imported_session_answers_nothing_twice(elsewhere, archive, world) -> None:
    """A message that was answered before the move is answered from the ledger after it."""
    await load(elsewhere, archive)
    old, _ = await read_lines(world.worker(), world.stores, await world.head())
    engine = elsewhere.worker()
    turn = await run_turn(engine, elsewhere.inbound(old.text, old.message_id))
    assert (turn.how, turn.line, engine.agent.runs) == ("repeat", old, [])


async def test_an_import_keeps_title_and_cost(elsewhere, archive) -> None:
    """The import is listed with the turns, title and cost it had."""
    (made,) = await load(elsewhere, archive)
    summary = (await elsewhere.head(made.session_id)).summary
    assert (summary.turns, summary.title, summary.usd) == (2, "write a.txt: one", 0.002)


async def test_an_imports_history_begins_with_the_import(elsewhere, session, archive) -> None:
    """The first version says where it came from."""
    (made,) = await load(elsewhere, archive)
    (line,) = (await list_versions(elsewhere.worker(), elsewhere.stores, made.session_id)).versions
    assert (line.version, line.kind, line.message) == (1, "import", f"imported from {session}")


async def test_an_older_version_can_be_imported(world, session, tmp_path, elsewhere) -> None:
    """An export of version 1 is imported with its files and the whole ledger."""
    await export_session(world.worker(), world.stores, session, tmp_path / "v1.tar", version=1)
    (made,) = await load(elsewhere, tmp_path / "v1.tar")
    expected = world.trees[session, 1] | {PATH: world.trees[session, 2][PATH]}
    assert await elsewhere.restored(made.session_id) == expected


async def test_a_whole_tenant_moves(world, session, tmp_path, elsewhere) -> None:
    """Every session of a tenant's export is made, under its keys; one that no key pointed at is found by its id."""
    await world.start_anew()
    await world.say("write c.txt: fresh")
    await export_tenant(world.worker(), world.stores, tmp_path / "all.tar.zst")
    seen = []
    made = await load(elsewhere, tmp_path / "all.tar.zst", progress=lambda *each: seen.append(each))
    by_source = {each.source: each for each in made}
    assert (by_source[session].keys, seen) == ((), [(1, 2), (2, 2)])
    assert await elsewhere.restored(by_source[session].session_id) == world.trees[session, 2]
    assert (await elsewhere.restored(await elsewhere.session()))["work/c.txt"][1] == b"fresh"


async def test_an_import_into_another_tenant_belongs_to_it(world, archive) -> None:
    """The keys of an archive are taken over into the tenant that imports it."""
    engine = world.worker()
    (made,) = await import_archive(engine, engine.stores("globex"), archive)
    assert made.keys == ("globex:console:ada:default",)
    assert [key for key in world.server.rows if made.session_id in key] == [f"globex/head/{made.session_id}"]


async def test_replies_that_were_waiting_stay_behind(world, tmp_path, elsewhere) -> None:
    """A reply that was not delivered there is not sent here."""
    world.console.down = Unavailable("away")
    await world.say("hello")
    await export_session(world.worker(), world.stores, await world.session(), tmp_path / "out.tar")
    (made,) = await load(elsewhere, tmp_path / "out.tar")
    assert (await elsewhere.head(made.session_id)).outbox == ()


# ---------------------------------------------------------------------------------------------- refusals


async def refused(world, archive: Path, error: type[OutliveError], match: str, **options) -> None:
    """The import fails so, and nothing has been written."""
    before = world.everything()
    with pytest.raises(error, match=match):
        await load(world, archive, **options)
    assert world.everything() == before


async def test_a_key_in_use_is_refused(world, archive) -> None:
    """An archive whose key has a session is refused, unless another key is given."""
    await refused(world, archive, AlreadyExists, "Choose another key")


async def test_one_key_for_several_sessions_is_refused(world, session, tmp_path, elsewhere) -> None:
    """A key is for one session: with a tenant's archive it is refused."""
    await world.say("other", key=NEW)
    await export_tenant(world.worker(), world.stores, tmp_path / "all.tar")
    await refused(elsewhere, tmp_path / "all.tar", Invalid, "holds 2 sessions", key=NEW)


@pytest.mark.promise("P9")
@pytest.mark.parametrize(
    "name",
    ["../evil", "work/../../evil", "/etc/passwd", "work//x", "work/./x", "home/x", "config/.claude.json", "config/x",
     "work/" + "x" * 300, "a\0b", "ledger.jsonl"],
)  # fmt: skip
async def test_a_path_out_of_the_tree_is_refused(elsewhere, session, archive, name) -> None:
    """No member can lie outside the parts of a tree that a workspace keeps."""

    def add(members: dict) -> dict:
        manifest, header = members[f"{session}/manifest.json"], members[f"{session}/tree/work/a.txt"]
        faces = json.loads(manifest[1])
        faces[name] = faces["work/a.txt"]
        members[f"{session}/manifest.json"] = (manifest[0], json.dumps(faces).encode())
        other = tarfile.TarInfo()
        other.mode = header[0].mode
        return members | {f"{session}/tree/{name}": (other, header[1])}

    await refused(elsewhere, rewrite(archive, add), OutliveError, "may not be in a session|differ at")


@pytest.mark.promise("P9")
@pytest.mark.parametrize("target", ["/etc/passwd", "../../../x", "b/../../../x", "../../x"])
async def test_a_link_out_of_the_tree_is_refused(elsewhere, session, archive, target) -> None:
    """No link can lead outside the tree."""

    def point(members: dict) -> dict:
        header, content = members[f"{session}/tree/work/link"]
        header.linkname = target
        changed = edit(session, "manifest.json", lambda fields: fields["work/link"].update(target=target))(members)
        return changed | {f"{session}/tree/work/link": (header, content)}

    await refused(elsewhere, rewrite(archive, point), Invalid, "leads out of the tree")


@pytest.mark.parametrize("kind", [tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.GNUTYPE_SPARSE])
async def test_devices_pipes_and_hard_links_are_refused(elsewhere, session, archive, kind) -> None:
    """Only plain files, folders and symbolic links are taken out of an archive."""

    def replaced(members: dict) -> dict:
        header = tarfile.TarInfo()
        header.type, header.linkname = kind, f"{session}/session.json"
        return members | {f"{session}/tree/work/a.txt": (header, b"")}

    await refused(elsewhere, rewrite(archive, replaced), OutliveError, "no plain file|no whole tar")


@pytest.mark.promise("P8")
async def test_changed_bytes_are_noticed(elsewhere, session, archive) -> None:
    """A file that is not what the manifest says is named."""

    def flip(members: dict) -> dict:
        header, content = members[f"{session}/tree/work/a.txt"]
        return members | {f"{session}/tree/work/a.txt": (header, content + b"!")}

    await refused(elsewhere, rewrite(archive, flip), Corrupt, "work/a.txt")


@pytest.mark.parametrize("name", ["tree/work/a.txt", "manifest.json", "session.json", "ledger.jsonl"])
async def test_a_missing_member_is_noticed(elsewhere, session, archive, name) -> None:
    """An archive that lacks something it promises is refused with its name."""
    path = f"{session}/{name}"
    changed = rewrite(archive, lambda members: {each: members[each] for each in members if each != path})
    await refused(elsewhere, changed, Corrupt, name.removeprefix("tree/"))


async def test_a_cut_archive_is_refused(elsewhere, archive) -> None:
    """Wherever an archive is cut off, nothing is imported."""
    with tarfile.open(archive) as tar:
        last = tar.getmembers()[-1]
    whole = archive.read_bytes()
    for end in range(0, last.offset_data + last.size, 1499):
        archive.write_bytes(whole[:end])
        await refused(elsewhere, archive, OutliveError, str(archive))


async def test_a_lost_session_is_noticed(elsewhere, session, archive) -> None:
    """An archive that names a session and does not hold it is refused."""
    changed = rewrite(archive, lambda members: {TITLE: members[TITLE]})
    await refused(elsewhere, changed, Corrupt, f"session {session} is missing")


@pytest.mark.promise("P5")
async def test_a_hole_in_a_transcript_is_named(elsewhere, world, session, archive) -> None:
    """A transcript that builds on an entry it lacks is refused by the entry's name."""
    name = f"{session}/tree/config/projects/session/{(await world.head(session)).agent_session_id}.jsonl"

    def cut(members: dict) -> dict:
        header, content = members[name]
        content = b"".join(content.splitlines(keepends=True)[1:])
        path = name.partition("/tree/")[2]
        face = {"digest": content_digest(content), "size": len(content)}
        changed = edit(session, "manifest.json", lambda fields: fields[path].update(face))(members)
        return changed | {name: (header, content)}

    await refused(elsewhere, rewrite(archive, cut), Corrupt, "entries are missing .* lacks [0-9a-f-]{36}")


async def test_another_ledger_is_refused(elsewhere, session, archive) -> None:
    """A ledger that is not the one the head counts in is refused."""

    def longer(members: dict) -> dict:
        header, content = members[f"{session}/ledger.jsonl"]
        return members | {f"{session}/ledger.jsonl": (header, content * 2)}

    await refused(elsewhere, rewrite(archive, longer), Corrupt, r"ledger\.jsonl is not the one")


@pytest.mark.parametrize(
    ("name", "change", "error"),
    [
        (TITLE, lambda fields: fields.update(schema=99), SchemaTooNew),
        (TITLE, lambda fields: fields.pop("sessions"), Corrupt),
        ("session.json", lambda fields: fields["head"].update(schema=99), SchemaTooNew),
        ("session.json", lambda fields: fields.pop("keys"), Corrupt),
        ("session.json", lambda fields: fields["head"].pop("packs"), Corrupt),
        ("manifest.json", lambda fields: fields["work/a.txt"].pop("kind"), Corrupt),
        ("manifest.json", lambda fields: fields.update({"work/a.txt": 1}), Corrupt),
    ],
)
async def test_documents_that_are_garbled_or_too_new_are_refused(
    elsewhere, session, archive, name, change, error
) -> None:
    """A document of an archive that lacks a field, or was written by a newer outlive, is named."""
    await refused(elsewhere, rewrite(archive, edit(session, name, change)), error, name.split(".", maxsplit=1)[0])


@pytest.mark.parametrize("content", [b"", b"not a tar", b"\x28\xb5\x2f\xfd broken", b"\0" * 10240])
async def test_a_file_that_is_no_archive_is_refused(elsewhere, tmp_path, content) -> None:
    """Anything but an export is refused by its name."""
    (tmp_path / "x.tar").write_bytes(content)
    await refused(elsewhere, tmp_path / "x.tar", OutliveError, r"x\.tar")


async def test_a_missing_archive_is_not_found(elsewhere, tmp_path) -> None:
    """A path without a file is not found."""
    await refused(elsewhere, tmp_path / "none.tar", NotFound, r"none\.tar")


async def test_a_strange_member_is_refused(elsewhere, session, archive) -> None:
    """A member that no export writes is refused."""

    def add(members: dict) -> dict:
        return members | {f"{session}/evil.sh": (tarfile.TarInfo(), b"x")}

    await refused(elsewhere, rewrite(archive, add), Invalid, r"evil\.sh")


async def test_too_large_a_session_is_refused(elsewhere, archive, monkeypatch) -> None:
    """A session over the size of a tree is refused before it is read."""
    monkeypatch.setattr(read_archive, "MAX_BYTES", 100)
    await refused(elsewhere, archive, TooLarge, "more than 100 bytes")


async def test_an_import_that_fails_halfway_is_taken_back(world, session, tmp_path, elsewhere) -> None:
    """When the second session of an archive cannot be written, the first is removed again."""
    await world.say("other", key=NEW)
    await export_tenant(world.worker(), world.stores, tmp_path / "all.tar")
    rule = first_of(*(on("objects.put", ErrorBefore(), nth=nth) for nth in range(2, 6)))
    engine = elsewhere.worker("w", Plan(rule, clock=elsewhere.clock))
    before = elsewhere.everything()
    with pytest.raises(Unavailable):
        await import_archive(engine, engine.stores("acme"), tmp_path / "all.tar")
    assert elsewhere.everything() == before
