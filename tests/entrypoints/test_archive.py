"""`outlive archive collect`, `verify` and `dataset`."""

from __future__ import annotations

import json

from tests.entrypoints.conftest import Outlive


def test_what_is_collected_verifies(outlive: Outlive) -> None:
    """Turns are collected once, and the log that holds them is whole."""
    outlive.say("one", "two")
    assert outlive.ok("archive", "collect")["turns"] == 2
    assert outlive.ok("archive", "collect")["turns"] == 0
    found = outlive.ok("archive", "verify")
    assert (found["segments"], found["entries"], len(found["digest"])) == (1, 2, 64)


def test_a_changed_log_exits_1_and_is_named(outlive: Outlive) -> None:
    """After an edit of the stored log `verify` names the segment."""
    outlive.say("one")
    outlive.ok("archive", "collect")
    (segment,) = (outlive.folder / "data" / "objects").rglob("000000000001.json")
    segment.chmod(0o600)
    segment.write_bytes(segment.read_bytes().replace(b'"turn":1', b'"turn":7'))
    assert "segment 1" in outlive.refused(1, "archive", "verify")["message"]


def test_a_data_set_is_written_once(outlive: Outlive) -> None:
    """A conversation is a line of the file, without the address in it; an existing file is not overwritten."""
    outlive.say("mail ada@example.org")
    file = outlive.folder / "set.jsonl"
    assert outlive.ok("archive", "dataset", str(file))["redacted"]["email"] >= 1
    assert json.loads(file.read_text())["messages"][0]["content"] == "mail [email]"
    outlive.refused(2, "archive", "dataset", str(file))


def test_an_archive_that_is_down_keeps_nobody_from_talking(outlive: Outlive) -> None:
    """Turns and sweeps go on, `collect` and `doctor` say that it is down, and the doctor how many turns wait."""
    outlive.monkeypatch.setenv("OUTLIVE_ARCHIVE", "postgresql://me@127.0.0.1:1/x")
    outlive.say("one", "two")
    assert "does not answer" in outlive.refused(1, "archive", "collect")["message"]
    assert "does not answer" in outlive.ok("sweep")["archive_down"]
    checks = {check["name"]: check for check in outlive("doctor", "--json").json["checks"]}
    assert checks["archive"]["status"] == "fail"
    assert "2 turns of tenant local not in it yet" in str(checks["archive"])
