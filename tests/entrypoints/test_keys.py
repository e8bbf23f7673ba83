"""`outlive keys`, and what an erase does to backups where the stores are encrypted."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from outlive.encryption.sealing import key_id_of
from tests.encryption.places import key_file
from tests.entrypoints.conftest import Outlive

SECRET = "the number is 4711"


def in_the_queue(outlive: Outlive) -> list[bytes]:
    """What a queue's own tables hold of its messages."""
    with closing(sqlite3.connect(outlive.folder / "data" / "outlive.db")) as queue:
        return [body for name in ("messages", "dead_letters") for (body,) in queue.execute(f"SELECT body FROM {name}")]


def test_no_message_waits_in_the_open(sealed: Outlive) -> None:
    """A message that waits or died lies sealed in the queue, and the commands for dead letters show its text."""
    sealed("send", "ada", SECRET)
    assert [key_id_of(body) is not None for body in in_the_queue(sealed)] == [True]
    letter_id = sealed.bury("the model is down")
    assert [key_id_of(body) is not None for body in in_the_queue(sealed)] == [True]
    assert [letter["text"] for letter in sealed.ok("queue", "dead")["dead_letters"]] == [SECRET]
    assert SECRET in sealed("queue", "show", letter_id).out


@pytest.fixture
def sealed(outlive: Outlive, tmp_path: Path) -> Outlive:
    """The command, encrypting with a key file, and closing tenants within a moment."""
    outlive.monkeypatch.setenv("OUTLIVE_KEY_WRAP", key_file(tmp_path / "master.key").as_uri())
    outlive.monkeypatch.setenv("OUTLIVE_KEY_SECONDS", "0.05")
    outlive.monkeypatch.setenv("OUTLIVE_LIVE", "true")
    outlive.monkeypatch.setenv("OUTLIVE_TRACE", "on")
    return outlive


def backup(outlive: Outlive) -> Path:
    """A copy of table and objects, but for the keys."""
    data, copy = outlive.folder / "data", outlive.folder / "backup"
    shutil.copytree(data / "objects", copy / "objects")
    with (
        closing(sqlite3.connect(data / "outlive.db")) as source,
        closing(sqlite3.connect(copy / "outlive.db")) as target,
    ):
        source.backup(target)
    return copy


def restore(outlive: Outlive, copy: Path) -> None:
    """Table and objects as they were when they were copied."""
    data = outlive.folder / "data"
    for file in data.glob("outlive.db*"):
        file.unlink()
    shutil.rmtree(data / "objects")
    shutil.copytree(copy, data, dirs_exist_ok=True)


def test_no_word_lies_in_the_open(sealed: Outlive) -> None:
    """Every object and every record's body is sealed, the archive's too, while the session reads as ever."""
    sealed.say(f"write a.txt: {SECRET}", SECRET)
    sealed.ok("archive", "collect")
    objects = [file for file in (sealed.folder / "data" / "objects").rglob("*") if file.is_file()]
    with closing(sqlite3.connect(sealed.folder / "data" / "outlive.db")) as table:
        bodies = [body for (body,) in table.execute("SELECT body FROM records")]
    assert {key_id_of(value) is not None for value in [*bodies, *(file.read_bytes() for file in objects)]} == {True}
    assert sealed.ok("sessions", "show", "ada")["session"]["line"]["turns"] == 2
    assert sealed.ok("archive", "verify")["entries"] == 2


@pytest.mark.promise("P10")
def test_an_erase_makes_backups_unreadable(sealed: Outlive) -> None:
    """A copy made before an erase opens before it, and after it is damaged for everybody, and says why."""
    sealed.say(SECRET)
    copy = backup(sealed)
    restore(sealed, copy)
    assert sealed.ok("sessions", "show", "ada")["session"]["line"]["turns"] == 1
    tiers = {tier["name"]: tier for tier in sealed.ok("sessions", "erase", "--all", "--yes")["tiers"]}
    assert (tiers["keys"]["found"], tiers["keys"]["left"]) == (1, 0)
    restore(sealed, copy)
    assert "was destroyed" in sealed.refused(1, "sessions", "show", "ada")["message"]


def test_a_tenant_may_begin_anew(sealed: Outlive) -> None:
    """After an erase the same tenant talks again, under another key, from its first turn."""
    sealed.say(SECRET)
    sealed.ok("sessions", "erase", "--all", "--yes")
    (turn,) = sealed.say("hello")
    record = sealed.ok("keys", "show")
    assert turn.line.turn == 1
    assert [key["destroyed_at"] is None for key in record["keys"]] == [False, True]


def test_a_destroyed_key_takes_everything_with_it(sealed: Outlive) -> None:
    """After `keys destroy` nothing is read or written, and an erase clears up behind it."""
    sealed.say(SECRET)
    assert sealed.ok("keys", "destroy", "--yes")["status"] == "destroyed"
    assert "was destroyed" in sealed.refused(1, "sessions", "show", "ada")["message"]
    assert sealed.ok("sessions", "erase", "--all", "--yes")["complete"]
    assert sealed.say("hello")[0].line.turn == 1


def test_a_wrapping_key_is_replaced(sealed: Outlive) -> None:
    """After a new line in the key file and `keys rotate` the session opens without the old line."""
    sealed.say(SECRET)
    before = sealed.ok("keys", "show")["keys"][0]
    path = key_file(sealed.folder / "master.key")
    after = sealed.ok("keys", "rotate")["keys"][0]
    path.write_text(path.read_text().splitlines()[0])
    assert (after["id"], after["wrap"] != before["wrap"]) == (before["id"], True)
    assert sealed.ok("sessions", "show", "ada")["session"]["line"]["turns"] == 1


def test_a_destroy_has_to_be_confirmed(sealed: Outlive) -> None:
    """Without `--yes` and without a terminal nothing is destroyed."""
    sealed.say(SECRET)
    sealed.refused(2, "keys", "destroy")
    assert sealed.ok("keys", "show")["status"] == "open"


def test_keys_need_encryption(outlive: Outlive) -> None:
    """Where nothing is encrypted the commands say how it is switched on."""
    assert "OUTLIVE_KEY_WRAP" in outlive.refused(2, "keys", "show")["fix"]


def test_keys_in_the_table_they_seal_are_refused(sealed: Outlive) -> None:
    """A table of keys that is the data's own is refused: a backup would hold both."""
    sealed.monkeypatch.setenv("OUTLIVE_KEYS", f"sqlite:///{sealed.folder / 'data' / 'outlive.db'}")
    assert "a table of their own" in sealed.refused(2, "keys", "show")["message"]


def test_plain_data_is_read_where_that_is_asked_for(outlive: Outlive) -> None:
    """A session from before encryption is damaged for a strict reader, and goes on where plain data may be read."""
    outlive.say("one")
    outlive.monkeypatch.setenv("OUTLIVE_KEY_WRAP", key_file(outlive.folder / "master.key").as_uri())
    assert "is not encrypted" in outlive.refused(1, "sessions", "show", "ada")["message"]
    outlive.monkeypatch.setenv("OUTLIVE_KEY_PLAIN", "read")
    assert outlive.say("two")[0].line.turn == 2
