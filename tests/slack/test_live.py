"""What people see while a turn runs: a stream that becomes the reply, or one edited message that goes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from outlive.channels.slack.channel import SlackChannel
from outlive.channels.slack.live import LiveTurn, settled
from outlive.core.approvals import Approval
from outlive.core.keys import SessionKey, session_key
from outlive.protocols import Reply, TextPart, ToolStarted
from outlive.testing.clock import ManualClock
from outlive.testing.slack import DOWN, FakeSlack, bad, shown, too_many

TOP = session_key("t", "slack", "D0U0ADA")


@pytest.fixture
async def key(slack: FakeSlack) -> SessionKey:
    """A thread in a channel."""
    return session_key("t", "slack", "C0GEN", slack.say("hello", channel="C0GEN")["event"]["ts"])


async def shows(channel: SlackChannel, clock: ManualClock, turn: LiveTurn, *texts: str) -> None:
    """The turn says one thing after the other, each shown in its time."""
    for text in texts:
        turn.hear(TextPart(text))
        clock.advance(4)
        await channel.live.step(turn)


def reply(key: SessionKey, text: str) -> Reply:
    """A committed reply."""
    return Reply(str(key), "m1", 1, text)


async def test_a_stream_becomes_the_reply(
    slack: FakeSlack, channel: SlackChannel, clock: ManualClock, key: SessionKey
) -> None:
    """The text is streamed to whoever asked as it grows, and the reply is that very message, once."""
    turn = channel.live.begin(key, "U0ADA")
    await shows(channel, clock, turn, "**one** ", "two ")
    assert slack.texts("C0GEN") == ["**one** two "]
    await channel.deliver(reply(key, "**one** two three"))
    assert slack.texts("C0GEN") == ["**one** two three"]
    assert not slack.world.streams
    assert slack.called("chat.startStream")[0]["recipient_user_id"] == "U0ADA"


async def test_the_status_says_what_runs(
    slack: FakeSlack, channel: SlackChannel, clock: ManualClock, key: SessionKey
) -> None:
    """The line below the thread names the tool, is said again before it runs out, and is gone in the end."""
    turn = channel.live.begin(key, "U0ADA")
    await channel.live.step(turn)
    turn.hear(ToolStarted("t1", "Bash", "ls"))
    await channel.live.step(turn)
    clock.advance(90)
    await channel.live.step(turn)
    said = [call["status"] for call in slack.called("assistant.threads.setStatus")]
    assert said == ["is thinking…", "is using Bash: ls", "is using Bash: ls"]
    await channel.live.end(key)
    assert slack.world.statuses["C0GEN", key.thread_id] == ""


async def test_a_reply_of_other_words_replaces_the_stream(
    slack: FakeSlack, channel: SlackChannel, clock: ManualClock, key: SessionKey
) -> None:
    """What was said between tools is shown meanwhile; in the end the same message is the reply, and nothing else."""
    turn = channel.live.begin(key, "U0ADA")
    await shows(channel, clock, turn, "Let me look.")
    turn.hear(ToolStarted("t1", "Bash", "ls"))
    await shows(channel, clock, turn, "There it is.")
    assert slack.texts("C0GEN") == ["Let me look.\n\nThere it is."]
    await channel.deliver(reply(key, "There it is."))
    assert slack.texts("C0GEN") == ["There it is."]


async def test_a_stream_that_ran_out_is_edited(
    slack: FakeSlack, channel: SlackChannel, clock: ManualClock, key: SessionKey
) -> None:
    """After a long silence Slack closes the stream: nothing is lost, the message becomes the reply by an edit."""
    turn = channel.live.begin(key, "U0ADA")
    await shows(channel, clock, turn, "one ")
    clock.advance(600)
    await shows(channel, clock, turn, "two ")
    assert turn.is_cut
    await channel.deliver(reply(key, "one two three"))
    assert slack.texts("C0GEN") == ["one two three"]


async def test_a_long_reply_begins_in_the_stream(
    slack: FakeSlack, channel: SlackChannel, clock: ManualClock, key: SessionKey
) -> None:
    """A reply of several messages begins with the streamed one, and is whole."""
    text = "\n\n".join(f"Paragraph {n} " + "word " * 150 for n in range(40))
    turn = channel.live.begin(key, "U0ADA")
    await shows(channel, clock, turn, text[:5000], text[5000:])
    await channel.deliver(reply(key, text))
    assert len(slack.texts("C0GEN")) > 1
    assert "".join(slack.texts("C0GEN")) == text


@pytest.mark.parametrize("method", ["chat.stopStream", "chat.update"])
async def test_a_stream_that_cannot_end_gives_way(
    slack: FakeSlack, channel: SlackChannel, clock: ManualClock, key: SessionKey, method: str
) -> None:
    """When the stream cannot become the reply it goes, and the reply is a message of its own."""
    turn = channel.live.begin(key, "U0ADA")
    await shows(channel, clock, turn, "something else" if method == "chat.update" else "one ")
    slack.order(method, DOWN)
    await channel.deliver(reply(key, "one two"))
    assert slack.texts("C0GEN") == ["one two"]


async def test_a_place_without_streams_is_edited(
    slack: FakeSlack, channel: SlackChannel, clock: ManualClock, key: SessionKey
) -> None:
    """Where Slack refuses a stream, one message with a Stop button is edited; in the end it goes."""
    slack.order("chat.startStream", bad("channel_type_not_supported"))
    turn = channel.live.begin(key, "U0ADA")
    await shows(channel, clock, turn, "one ", "two ", "three ")
    (message,) = slack.sent("C0GEN")
    assert (shown(message), message["blocks"][1]["elements"][0]["action_id"]) == ("one two three ", "outlive_stop")
    await channel.deliver(reply(key, "one two three four"))
    assert slack.texts("C0GEN") == ["one two three four"]


async def test_outside_of_threads_a_message_is_edited(
    slack: FakeSlack, channel: SlackChannel, clock: ManualClock
) -> None:
    """A private chat without threads takes no stream: one message is edited there, at most every three seconds."""
    turn = channel.live.begin(TOP, "U0ADA")
    await channel.live.step(turn)
    assert slack.sent() == []
    await shows(channel, clock, turn, "one ")
    turn.hear(TextPart("two"))
    await channel.live.step(turn)
    assert slack.texts() == ["one "]
    assert slack.called("chat.startStream") == []


async def test_a_limit_keeps_the_picture_quiet(
    slack: FakeSlack, channel: SlackChannel, clock: ManualClock, key: SessionKey
) -> None:
    """After a 429 nothing is shown until its time is over, nothing is lost of the text, and no fault is counted."""
    turn = channel.live.begin(key, "U0ADA")
    await shows(channel, clock, turn, "one ")
    slack.order("chat.appendStream", too_many(20))
    await shows(channel, clock, turn, "two ", "three ")
    assert slack.texts("C0GEN") == ["one "]
    clock.advance(20)
    await channel.live.step(turn)
    assert (slack.texts("C0GEN"), turn.faults) == (["one two three "], 0)


async def test_faults_end_the_picture_only(
    slack: FakeSlack, channel: SlackChannel, clock: ManualClock, key: SessionKey
) -> None:
    """A picture that fails again and again is given up; the reply arrives all the same."""
    for method in ("chat.startStream", "chat.postMessage", "assistant.threads.setStatus"):
        slack.order(method, DOWN, times=1)
    turn = channel.live.begin(key, "U0ADA")
    await shows(channel, clock, turn, *"abcdef")
    assert slack.called("chat.postMessage") == []
    await channel.deliver(reply(key, "done"))
    assert slack.texts("C0GEN") == ["done"]


async def test_a_reply_waits_for_what_is_being_shown(
    slack: FakeSlack, channel: SlackChannel, key: SessionKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reply that comes while the stream is being opened becomes that stream: no half message is left behind."""
    call, opened, gate = channel.client.call, asyncio.Event(), asyncio.Event()

    async def slow(method: str, *arguments: Any, **named: Any) -> Any:
        answer = await call(method, *arguments, **named)
        if method == "chat.startStream":
            opened.set()
            await gate.wait()
        return answer

    monkeypatch.setattr(channel.client, "call", slow)
    channel.live.begin(key, "U0ADA").hear(TextPart("one "))
    channel.live.run(key)
    await asyncio.wait_for(opened.wait(), 10)
    delivering = asyncio.create_task(channel.deliver(reply(key, "one two")))
    await asyncio.sleep(0.05)
    gate.set()
    await delivering
    assert slack.texts("C0GEN") == ["one two"]


async def test_a_question_ends_its_stream_with_buttons(
    slack: FakeSlack, channel: SlackChannel, clock: ManualClock, key: SessionKey
) -> None:
    """A streamed message that becomes a question carries the three answers."""
    question = Approval("0123abcd", "Bash", "ls", "d", "Bash", "m1", "U0ADA", 0, 9)
    turn = channel.live.begin(key, "U0ADA")
    await shows(channel, clock, turn, "Let me look. ")
    await channel.deliver(Reply(str(key), "m1", 1, "May I?", question=question))
    (message,) = slack.sent("C0GEN")
    assert (shown(message), len(message["blocks"][-1]["elements"])) == ("May I?", 3)


def test_what_may_call_everybody_is_held_back() -> None:
    """A half-written broadcast is not streamed until it is known what it is."""
    assert (settled("see <!chan"), settled("see <!channel> now"), settled("a < b and so on, really")) == (
        "see ",
        "see &lt;!channel> now",
        "a < b and so on, really",
    )
