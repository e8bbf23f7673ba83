"""`outlive sessions import`."""

from __future__ import annotations

import json
from pathlib import Path
from uuid import uuid4

import pytest

from tests.entrypoints.conftest import Outlive


@pytest.fixture
def archive(outlive: Outlive) -> str:
    """An archive with one session of two turns."""
    outlive.say("one", "two")
    outlive.ok("sessions", "export", "ada", "--to", "ada.tar.zst")
    return "ada.tar.zst"


def test_an_imported_session_goes_on(outlive: Outlive, archive: str) -> None:
    """A session made of an archive answers from the conversation in it."""
    done = outlive("sessions", "import", archive, "--key", "copy")
    assert (done.code, done.out) == (0, "local:console:copy:default\n")
    assert outlive.say("three", key="copy")[0].line.reply == "Message 3: three"


def test_keys_come_with_the_archive(outlive: Outlive, archive: str) -> None:
    """Without `--key` the session has the key it had, in the tenant it is imported into."""
    made = outlive.ok("sessions", "import", archive, "--tenant", "acme")["imported"]
    assert [each["keys"] for each in made] == [["acme:console:ada:default"]]


def test_a_key_in_use_is_refused(outlive: Outlive, archive: str) -> None:
    """A key that has a session exits 1, and no session is made."""
    assert outlive.refused(1, "sessions", "import", archive)["type"] == "AlreadyExists"
    assert len(outlive.ok("sessions", "list")["sessions"]) == 1


@pytest.mark.parametrize(("source", "code", "part"), [("gone.tar", 2, "neither an archive"), ("a.tar", 1, "a.tar")])
def test_what_is_no_archive_is_refused(outlive: Outlive, source: str, code: int, part: str) -> None:
    """A file that is missing exits 2, one that is no archive exits 1; both are named, and no session is made."""
    Path("a.tar").write_text("hello")
    assert part in outlive.refused(code, "sessions", "import", source)["message"]
    assert outlive.ok("sessions", "list")["sessions"] == []


def local_session(folder: Path) -> str:
    """A session of a Claude Code below this config directory; its id."""
    session_id, first = str(uuid4()), str(uuid4())
    entry = {"type": "user", "uuid": first, "parentUuid": None, "sessionId": session_id}
    project = folder / "projects" / "-home-ada"
    project.mkdir(parents=True)
    line = json.dumps(entry | {"message": {"role": "user", "content": "Hello from the laptop"}})
    (project / f"{session_id}.jsonl").write_text(line + "\n")
    return session_id


def test_a_local_claude_code_session_is_taken_over(outlive: Outlive) -> None:
    """The id of a local session makes a session of its transcript, under the key given."""
    session_id = local_session(outlive.folder / "claude")
    outlive.ok("sessions", "import", session_id, "--key", "ada", "--config", str(outlive.folder / "claude"))
    shown = outlive.ok("sessions", "show", "ada")["session"]
    assert (shown["agent_session_id"], shown["line"]["title"]) == (session_id, "Hello from the laptop")


def test_a_local_session_needs_a_key(outlive: Outlive) -> None:
    """Without `--key` a local session is refused with exit 2, and nothing is made."""
    session_id = local_session(outlive.folder / "claude")
    error = outlive.refused(2, "sessions", "import", session_id, "--config", str(outlive.folder / "claude"))
    assert error["fix"] == "Pass --key."
    assert outlive.ok("sessions", "list")["sessions"] == []


def test_a_local_session_that_is_not_there_is_told(outlive: Outlive) -> None:
    """An id without a transcript exits 1 and names the folder that was searched."""
    error = outlive.refused(1, "sessions", "import", str(uuid4()), "--key", "ada", "--config", "claude")
    assert "claude/projects" in error["message"]
