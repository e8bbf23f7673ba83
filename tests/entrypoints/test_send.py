"""`outlive send`."""

from __future__ import annotations

import pytest

from outlive.core.messages import MAX_TEXT_BYTES
from tests.entrypoints.conftest import NO_REPLIES_LEFT, FailingAgent, Outlive


def test_a_message_is_queued_and_its_id_printed(outlive: Outlive) -> None:
    """Stdout holds the id and nothing else, and one message waits."""
    done = outlive("send", "ada", "hello", "--message-id", "m1")
    assert (done.code, done.out) == (0, "m1\n")
    assert "outlive worker" in done.err
    assert outlive.ok("queue", "depth") == {"waiting": 1, "in_flight": 0, "dead": 0, **NO_REPLIES_LEFT}


def test_ids_are_made_up(outlive: Outlive) -> None:
    """Two messages without an id of their own have different ones, and both wait."""
    ids = {outlive.ok("send", "ada", "hello")["message_id"] for _ in range(2)}
    assert len(ids) == outlive.ok("queue", "depth")["waiting"] == 2


def test_a_repeat_is_told_and_not_queued(outlive: Outlive) -> None:
    """The same id for the same session a second time is said to be a duplicate, succeeds, and adds nothing."""
    first, second = (outlive.ok("send", "ada", "hello", "--message-id", "m1") for _ in range(2))
    assert (first["duplicate"], second["duplicate"]) == (False, True)
    assert "already" in outlive("send", "ada", "hello", "--message-id", "m1").err
    assert outlive.ok("queue", "depth")["waiting"] == 1


def test_a_dash_reads_stdin(outlive: Outlive) -> None:
    """With `-` for a text the whole of stdin is the message."""
    outlive("send", "ada", "-", "--message-id", "m1", stdin="two\nlines\n")
    outlive("worker", "--once")
    assert outlive.ok("sessions", "show", "ada")["conversation"]["turns"][0]["text"] == "two\nlines\n"


def test_the_tenant_comes_from_the_key_or_the_option(outlive: Outlive) -> None:
    """A key that names a tenant wins over `--tenant`, which wins over the default."""
    keys = [
        outlive.ok("send", *words)["session_key"]
        for words in (["ada", "x"], ["ada", "x", "--tenant", "acme"], ["b:console:ada:t", "x", "--tenant", "acme"])
    ]
    assert keys == ["local:console:ada:default", "acme:console:ada:default", "b:console:ada:t"]


def test_a_new_session_beside_one_of_another_channel_is_told(outlive: Outlive) -> None:
    """A short key that begins a session names the same chat's on another channel, until it has one itself."""
    outlive.say("x", key="api:ada:default")
    assert outlive.ok("send", "ada", "hello")["elsewhere"] == "api:ada:default"
    hint = "local:console:ada:default is a new session. To go on with api:ada:default,"
    assert hint in outlive("send", "ada", "hello").err
    outlive("worker", "--once")
    assert outlive.ok("send", "ada", "hello")["elsewhere"] == ""


@pytest.mark.parametrize("key", ["console:ada:default", "ada:work", "bob"])
def test_what_was_meant_or_is_nowhere_else_gets_no_hint(outlive: Outlive, key: str) -> None:
    """A key that names its channel, another thread and another chat begin a session without a word."""
    outlive.say("x", key="api:ada:default")
    assert "new session" not in outlive("send", key, "hello").err


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["ada", " \n"], "text is empty"),
        (["ada", "x" * (MAX_TEXT_BYTES + 1)], "text is 196,609 bytes long"),
        (["", "x"], "session key '' is not valid"),
        (["a:b:c:d:e", "x"], "session key 'a:b:c:d:e' is not valid"),
        (["a:", "x"], "thread_id is empty"),
        (["a\x00", "x"], "control character"),
        (["../etc:console:ada:t", "x"], "tenant '../etc' is not valid"),
        (["ada", "x", "--message-id", "x" * 257], "message_id is 257 bytes long"),
        (["ada", "x", "--message-id", ""], "message_id is empty"),
        (["ada", "x", "--task", ""], "task_id is empty"),
    ],
)
def test_bad_input_is_refused_before_the_queue(outlive: Outlive, words: list[str], part: str) -> None:
    """A message that cannot be accepted exits 2, names what is wrong and the fix, and nothing is queued."""
    error = outlive.refused(2, "send", *words)
    assert part in error["message"]
    assert error["fix"]
    assert outlive.ok("queue", "depth")["waiting"] == 0


@pytest.mark.parametrize(
    ("content", "part"),
    [(b"", "text is empty"), (b"caf\xe9", "stdin is not text"), (b"x" * 300_000, "text is 196,609")],
)
def test_bad_input_from_stdin_is_refused(outlive: Outlive, content: bytes, part: str) -> None:
    """Nothing, bytes that are no text, and too much exit 2, and nothing is queued."""
    (outlive.folder / "message").write_bytes(content)
    with (outlive.folder / "message").open(encoding="utf-8") as file:
        done = outlive.with_stdin(file, "send", "ada", "-", "--json")
    assert (done.code, part in done.error["message"]) == (2, True)
    assert outlive.ok("queue", "depth")["waiting"] == 0


# ------------------------------------------------------------------------------------------------ waiting


def test_an_answer_that_is_there_is_printed_at_once(outlive: Outlive) -> None:
    """`--wait` on a message that has been answered prints its reply alone on stdout, and runs nothing."""
    outlive("send", "ada", "hello", "--message-id", "m1")
    outlive("worker", "--once")
    done = outlive("send", "ada", "hello", "--message-id", "m1", "--wait")
    assert (done.code, done.out) == (0, "Message 1: hello\n")
    assert outlive.ok("sessions", "show", "ada")["session"]["line"]["turns"] == 1


def test_the_whole_answer_is_one_json_document(outlive: Outlive) -> None:
    """`--wait --json` prints message, session, turn and reply as one document."""
    outlive("send", "ada", "hello", "--message-id", "m1")
    outlive("worker", "--once")
    sent = outlive.ok("send", "ada", "hello", "--message-id", "m1", "--wait")
    assert (sent["duplicate"], sent["turn"], sent["version"], sent["reply"]) == (True, 1, 1, "Message 1: hello")


def test_an_answer_of_any_age_is_found(outlive: Outlive) -> None:
    """The reply to a message that 70 others have followed is found in the ledger."""
    outlive("send", "ada", "the first", "--message-id", "m1")
    outlive("worker", "--once")
    outlive.say(*(f"later {number}" for number in range(70)))
    assert outlive("send", "ada", "again", "--message-id", "m1", "--wait").out == "Message 1: the first\n"


def test_a_wait_says_for_what(outlive: Outlive) -> None:
    """Before it waits, `--wait` names the commands that answer; with --json stderr stays for the error alone."""
    assert "`outlive worker`" in outlive("send", "ada", "hello", "--wait", "--timeout", "0").err
    assert "Waiting" not in outlive("send", "ada", "hello", "--wait", "--timeout", "0", "--json").err


def test_waiting_in_vain_says_how_to_go_on(outlive: Outlive) -> None:
    """After the timeout it exits 1, the message stays queued, and the fix repeats its id."""
    error = outlive.refused(1, "send", "ada", "hello", "--message-id", "m1", "--wait", "--timeout", "0")
    assert error["type"] == "Unavailable"
    assert "--message-id m1" in error["fix"]
    assert outlive.ok("queue", "depth")["waiting"] == 1


def test_a_message_that_was_given_up_ends_the_wait(outlive: Outlive) -> None:
    """When the message is a dead letter `--wait` exits 1 with the last failure and the command that sends it again."""
    outlive("send", "ada", "hello", "--message-id", "m1")
    letter = outlive.bury()
    error = outlive.refused(1, "send", "ada", "hello", "--message-id", "m1", "--wait")
    assert "the model is down" in error["message"]
    assert f"outlive queue redrive {letter}" in error["fix"]


def test_a_failed_attempt_does_not_end_the_wait(outlive: Outlive) -> None:
    """While a message has attempts left `--wait` goes on until its timeout."""
    outlive("send", "ada", "hello", "--message-id", "m1")
    outlive.agent(FailingAgent())
    outlive("worker", "--once")
    assert outlive.refused(1, "send", "ada", "x", "--message-id", "m1", "--wait", "--timeout", "0")["type"] == (
        "Unavailable"
    )
