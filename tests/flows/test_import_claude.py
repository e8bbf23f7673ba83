"""Imports of local Claude Code sessions."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from outlive.core.keys import session_key
from outlive.errors import AlreadyExists, Corrupt, Invalid, NotFound, OutliveError, TooLarge
from outlive.flows.sessions import import_claude
from outlive.flows.sessions.import_claude import ClaudeSession, import_claude_session
from tests.flows.conftest import KEY

ID = "8a7d3f0e-1b2c-4d5e-8f90-a1b2c3d4e5f6"
PROJECT = "-home-ada-code"
OURS = "config/projects/session"


def entry(uuid: str, parent: str | None, kind: str, content: object) -> str:
    """A line of a transcript."""
    fields = {"parentUuid": parent, "type": kind, "message": {"role": kind, "content": content}, "uuid": uuid}
    return json.dumps(fields, separators=(",", ":")) + "\n"


TRANSCRIPT = (
    '{"type":"queue-operation","operation":"enqueue"}\n'
    + entry("u1", None, "user", [{"type": "text", "text": "Name the\n file"}])
    + entry("u2", "u1", "assistant", "Done.")
)


@pytest.fixture
def config(tmp_path) -> Path:
    """A config directory with one whole session in it, and other things."""
    files = {
        f"projects/{PROJECT}/{ID}.jsonl": TRANSCRIPT,
        f"projects/{PROJECT}/{ID}/subagents/agent-1.jsonl": entry("s1", None, "user", "look"),
        f"projects/{PROJECT}/{ID}/subagents/agent-1.meta.json": "{}",
        f"projects/{PROJECT}/{ID}/tool-results/big.txt": "x" * 1000,
        f"projects/{PROJECT}/memory/notes.md": "shared by all",
        f"projects/{PROJECT}/other.jsonl": "{}\n",
        f"tasks/{ID}/1.json": '{"subject":"write tests"}',
        f"tasks/{ID}/.lock": "",
        f"file-history/{ID}/abc@v1": "old content",
        ".claude.json": "{}",
    }
    for path, content in files.items():
        (tmp_path / "claude" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "claude" / path).write_text(content)
    return tmp_path / "claude"


@pytest.fixture
def work(tmp_path) -> Path:
    """A working directory."""
    (tmp_path / "code/src").mkdir(parents=True)
    (tmp_path / "code/src/app.py").write_text("print()")
    (tmp_path / "code/log.jsonl").write_text("{}\n")
    (tmp_path / "code/empty").mkdir()
    (tmp_path / "code/latest").symlink_to("src/app.py")
    (tmp_path / "code/.venv").mkdir()
    (tmp_path / "code/.venv/python").symlink_to("/usr/bin/python3")
    return tmp_path / "code"


async def load(world, config: Path, **options):
    """Import the session."""
    fields = {name: options.pop(name) for name in ("project", "work", "ignored", "session_id") if name in options}
    source = ClaudeSession(config, **({"session_id": ID} | fields))
    return await import_claude_session(world.worker(), world.stores, source, options.pop("key", KEY), **options)


async def refused(world, config: Path, error: type[OutliveError], match: str, **options) -> None:
    """The import fails so, and nothing has been written."""
    before = world.everything()
    with pytest.raises(error, match=match):
        await load(world, config, **options)
    assert world.everything() == before


async def test_all_of_the_session_is_taken_over(world, config) -> None:
    """Transcript, subagents, tool results, tasks and file checkpoints become a session's tree, and nothing else."""
    made = await load(world, config)
    tree = await world.restored(made.session_id)
    assert {path: content.decode() for path, (_, content) in tree.items()} == {
        f"{OURS}/{ID}.jsonl": TRANSCRIPT,
        f"{OURS}/{ID}/subagents/agent-1.jsonl": entry("s1", None, "user", "look"),
        f"{OURS}/{ID}/subagents/agent-1.meta.json": "{}",
        f"{OURS}/{ID}/tool-results/big.txt": "x" * 1000,
        f"config/tasks/{ID}/1.json": '{"subject":"write tests"}',
        f"config/file-history/{ID}/abc@v1": "old content",
    }


async def test_the_conversation_goes_on(world, config) -> None:
    """The next turn resumes the agent's own session."""
    made = await load(world, config)
    turn = await world.say("and now")
    assert (turn.session_id, turn.line.agent_session_id, turn.line.reply) == (made.session_id, ID, "Message 2: and now")


async def test_the_session_is_listed_by_what_was_said_first(world, config) -> None:
    """The title is the start of the first thing the user said, in one line."""
    made = await load(world, config)
    head = await world.head(made.session_id)
    assert (head.summary.title, head.key, head.agent_session_id) == ("Name the file", str(KEY), ID)


async def test_a_working_directory_can_come_along(world, config, work) -> None:
    """The working directory is taken with its links, modes and empty folders, without what is ignored."""
    (work / "src/app.py").chmod(0o755)
    made = await load(world, config, work=work, ignored=[".venv"])
    tree = await world.restored(made.session_id)
    assert {path: content for path, content in tree.items() if path.startswith("work/")} == {
        "work/src/app.py": (0o755, b"print()"),
        "work/log.jsonl": (0o644, b"{}\n"),
        "work/empty": (0o755, b""),
        "work/latest": (0o777, "src/app.py"),
    }


async def test_the_source_is_only_read(world, config, work) -> None:
    """Nothing below the config directory or the working directory is changed."""
    before = {path: path.lstat().st_mtime_ns for path in [*config.rglob("*"), *work.rglob("*")]}
    await load(world, config, work=work, ignored=[".venv"])
    assert {path: path.lstat().st_mtime_ns for path in [*config.rglob("*"), *work.rglob("*")]} == before


@pytest.mark.promise("P5")
async def test_a_hole_is_named(world, config) -> None:
    """A transcript that builds on an entry it lacks is refused by file and entry."""
    path = config / f"projects/{PROJECT}/{ID}.jsonl"
    path.write_text(TRANSCRIPT + entry("u4", "u3", "user", "lost"))
    await refused(world, config, Corrupt, rf"{ID}\.jsonl lacks u3")


async def test_a_hole_can_be_allowed_and_is_reported(world, config) -> None:
    """With holes allowed the session is imported, and the report names what is missing."""
    path = config / f"projects/{PROJECT}/{ID}.jsonl"
    path.write_text(TRANSCRIPT + entry("u4", "u3", "user", "lost"))
    made = await load(world, config, allow_holes=True)
    assert made.holes == {f"{OURS}/{ID}.jsonl": ["u3"]}


@pytest.mark.parametrize(("end", "match"), [("{broken\n", "line 4 is not JSON"), ('{"type":', "middle of a line")])
async def test_a_transcript_that_cannot_be_read_is_named(world, config, end, match) -> None:
    """A line that is no JSON, or a last line that is still being written, is refused."""
    with (config / f"projects/{PROJECT}/{ID}.jsonl").open("a") as file:
        file.write(end)
    await refused(world, config, Corrupt, match)


@pytest.mark.parametrize("target", ["/etc/passwd", "../../outside"])
async def test_a_link_out_of_the_working_directory_is_refused(world, config, work, target) -> None:
    """A link that leads out of the tree is refused by its path."""
    (work / "evil").symlink_to(target)
    await refused(world, config, Invalid, "work/evil", work=work, ignored=[".venv"])


async def test_a_link_out_of_the_tool_results_is_refused(world, config) -> None:
    """A link in the agent's own files that leads out is refused."""
    (config / f"projects/{PROJECT}/{ID}/tool-results/evil").symlink_to("/etc/passwd")
    await refused(world, config, Invalid, "leads out of the tree")


async def test_a_folder_that_is_a_link_is_refused(world, config, work) -> None:
    """A folder of the session that is a link to somewhere else is not followed."""
    (config / f"tasks/{ID}/1.json").unlink()
    (config / f"tasks/{ID}/.lock").unlink()
    (config / f"tasks/{ID}").rmdir()
    (config / f"tasks/{ID}").symlink_to(work)
    await refused(world, config, Invalid, "is a link")


async def test_a_pipe_is_refused(world, config, work) -> None:
    """Something that is no file is refused by its path."""
    os.mkfifo(work / "pipe")
    await refused(world, config, Invalid, "pipe", work=work, ignored=[".venv"])


@pytest.mark.promise("P9")
@pytest.mark.parametrize("session_id", ["", "../secret", "8A7D3F0E-1B2C-4D5E-8F90-A1B2C3D4E5F6", f"{ID}/../x"])
async def test_an_id_that_is_none_is_refused(world, config, session_id) -> None:
    """Only a UUID in lower case names a session: nothing else becomes part of a path."""
    await refused(world, config, Invalid, "is not valid", session_id=session_id)


async def test_an_unknown_session_is_not_found(world, config) -> None:
    """A session that is nowhere below the config directory is not found."""
    await refused(world, config, NotFound, "no transcript", session_id=ID.replace("8a", "9a"))
    await refused(world, config, NotFound, "no transcript", project="other")


async def test_a_session_in_two_projects_needs_one_named(world, config) -> None:
    """When several projects have the session the import asks which, and takes the one it is told."""
    (config / "projects/-tmp").mkdir()
    (config / f"projects/-tmp/{ID}.jsonl").write_text(entry("x", None, "user", "copy"))
    await refused(world, config, Invalid, f"several projects: {PROJECT}, -tmp|several projects: -tmp, {PROJECT}")
    made = await load(world, config, project="-tmp")
    assert (await world.head(made.session_id)).summary.title == "copy"


async def test_a_key_in_use_is_refused(world, config) -> None:
    """A key that has a session keeps it."""
    await world.say("mine")
    await refused(world, config, AlreadyExists, "Choose another key")
    made = await load(world, config, key=(other := session_key("acme", "console", "other")))
    assert await world.session(other) == made.session_id


async def test_too_much_is_refused_before_it_is_read(world, config, work, monkeypatch) -> None:
    """A session over the size of a tree is refused by the file that was too much."""
    monkeypatch.setattr(import_claude, "MAX_BYTES", 500)
    await refused(world, config, TooLarge, "more than 500 bytes")
