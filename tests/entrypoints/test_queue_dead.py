"""`outlive queue dead`."""

from __future__ import annotations

from outlive.protocols import Message
from outlive.wiring import App
from tests.entrypoints.conftest import Outlive


def test_a_letter_tells_whose_it_is_and_why(outlive: Outlive) -> None:
    """A dead letter is listed with its session, message, text, attempts and the last failure."""
    outlive("send", "ada", "hello", "--message-id", "m1")
    letter_id = outlive.bury("the model is down")
    found = outlive.ok("queue", "dead")
    (letter,) = found["dead_letters"]
    assert (letter["id"], letter["session_key"], letter["message_id"]) == (letter_id, "local:console:ada:default", "m1")
    assert (letter["text"], letter["receives"], letter["reason"]) == ("hello", 3, "the model is down")
    assert found["after"] is None


def test_people_read_a_table(outlive: Outlive) -> None:
    """Without `--json` each letter is one line; without letters stdout is empty."""
    assert outlive("queue", "dead").out == ""
    outlive("send", "ada", "hello")
    outlive.bury()
    assert "the model is down" in outlive("queue", "dead").out.splitlines()[1]


def test_pages_follow_each_other(outlive: Outlive) -> None:
    """A full page says where the next one begins."""
    for number in range(3):
        outlive("send", f"chat-{number}", "x")
    outlive.bury()
    first = outlive.ok("queue", "dead", "--limit", "2")
    assert len(first["dead_letters"]) == 2
    assert len(outlive.ok("queue", "dead", "--after", first["after"])["dead_letters"]) == 1


def test_a_letter_that_cannot_be_read_is_listed(outlive: Outlive) -> None:
    """A message that is none of ours is listed without a text."""

    async def send(app: App) -> None:
        await app.engine.queue.send(Message("group", "m1", b"\xff"))

    outlive.inside(send)
    outlive.bury()
    assert [letter["text"] for letter in outlive.ok("queue", "dead")["dead_letters"]] == [None]
