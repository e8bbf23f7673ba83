"""`outlive sessions show`."""

from __future__ import annotations

import signal

import pytest

from outlive.core.keys import session_key
from outlive.core.messages import FileRef, Inbound
from outlive.flows.run_turn import run_turn
from tests.entrypoints.conftest import Outlive, stuck


def test_a_session_is_shown_with_its_conversation(outlive: Outlive) -> None:
    """The document has the session's head, files and keys, and the last turns, oldest first."""
    outlive.say("one", "write a.txt: x")
    shown = outlive.ok("sessions", "show", "ada")
    assert (shown["session"]["line"]["version"], shown["session"]["profile"]) == (2, "default")
    assert shown["session"]["keys"] == ["local:console:ada:default"]
    assert [turn["text"] for turn in shown["conversation"]["turns"]] == ["one", "write a.txt: x"]


def test_an_id_and_a_key_name_the_same_session(outlive: Outlive) -> None:
    """The session is found by its id as well as by a key that points at it."""
    (turn,) = outlive.say("one")
    assert outlive.ok("sessions", "show", turn.session_id) == outlive.ok("sessions", "show", "ada")


def test_people_read_fields_and_turns(outlive: Outlive) -> None:
    """Without `--json` the fields and what was said stand on stdout."""
    outlive.say("one", "two")
    out = outlive("sessions", "show", "ada").out
    assert "2, after 2 turns" in out
    assert "  user: two\n  agent: Message 2: two\n" in out


def test_the_conversation_is_read_page_by_page(outlive: Outlive) -> None:
    """`--turns` limits the page, and the hint's `--before` gives the one before it."""
    outlive.say("one", "two", "three")
    done = outlive("sessions", "show", "ada", "--turns", "2")
    assert ("user: one" in done.out, "--before 2" in done.err) == (False, True)
    earlier = outlive.ok("sessions", "show", "ada", "--turns", "2", "--before", "2")["conversation"]
    assert ([turn["text"] for turn in earlier["turns"]], earlier["before"]) == (["one"], None)


def test_the_conversation_can_be_left_out(outlive: Outlive) -> None:
    """With `--turns 0` no turn is printed."""
    outlive.say("one")
    assert outlive.ok("sessions", "show", "ada", "--turns", "0")["conversation"]["turns"] == []


def test_an_interrupted_turn_is_shown(outlive: Outlive) -> None:
    """A turn that was cut off is named with its message, and how it is finished."""
    outlive.agent(stuck(signal.SIGTERM))
    outlive("chat", "--session", "ada", stdin="hello\n")
    assert "its next delivery finishes it" in outlive("sessions", "show", "ada").out
    assert outlive.ok("sessions", "show", "ada")["session"]["interrupted"][0]["text"] == "hello"


def test_a_running_turn_is_shown(outlive: Outlive) -> None:
    """A session that is held says so, and until when."""
    outlive.say("one")
    outlive.hold("ada")
    assert "its lease lasts until" in outlive("sessions", "show", "ada").out


@pytest.mark.parametrize(("name", "code"), [("nobody", 1), ("0" * 32, 1), ("a:b:c:d:e", 2)])
def test_a_session_that_is_not_there_is_told(outlive: Outlive, name: str, code: int) -> None:
    """An unknown key or id exits 1 with a fix, a name that is neither exits 2."""
    assert outlive.refused(code, "sessions", "show", name)["fix"]


def test_a_session_of_the_same_name_elsewhere_is_pointed_at(outlive: Outlive) -> None:
    """A short key without a session tells which key was looked up, and how to write that of another channel."""
    outlive.say("one", key="api:ada:default")
    told = outlive.refused(1, "sessions", "show", "ada")
    assert "local:console:ada:default" in told["message"]
    assert told["fix"] == "Name the channel too: api:ada:default has one."
    outlive.ok("sessions", "show", "api:ada:default")
    assert "CHANNEL:bob:default" in outlive.refused(1, "sessions", "show", "bob")["fix"]


def test_files_of_a_turn_are_named(outlive: Outlive) -> None:
    """What came with a message stands below it with type and size, and says so where the turn has not left it."""
    lost = FileRef("a.txt", "text/plain", 5, "somewhere")
    message = Inbound(session_key("local", "console", "ada"), "m1", "look", 0.0, files=(lost,))
    outlive.inside(lambda app: run_turn(app.engine, message))
    shown = outlive("sessions", "show", "ada").out
    assert "with inbox/a.txt (text/plain, 5 bytes), which the turn has not left there" in shown
    (turn,) = outlive.ok("sessions", "show", "ada")["conversation"]["turns"]
    assert turn["attached"] == [{"name": "a.txt", "mime": "text/plain", "size": 5, "digest": ""}]
