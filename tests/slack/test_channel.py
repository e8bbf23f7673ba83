"""Replies on their way out: whole, in order, once where that can be known, and in plain text when need be."""

from __future__ import annotations

import pytest

from outlive.channels.slack.channel import SILENCE, SlackChannel
from outlive.channels.slack.client import SlackClient
from outlive.channels.slack.faults import ChatGone, NotInvited
from outlive.core.approvals import Approval
from outlive.core.keys import session_key
from outlive.core.messages import FileRef
from outlive.errors import RateLimited, TooLarge, Unavailable
from outlive.memory.table import MemoryTable
from outlive.protocols import Reply
from outlive.testing.clock import ManualClock
from outlive.testing.slack import DOWN, FakeSlack, bad, too_many

ADA = session_key("slack_D0U0ADA", "slack", "D0U0ADA")
LONG = "\n\n".join(f"Paragraph {n} " + "word " * 150 for n in range(60))
QUESTION = Approval("0123abcd", "Bash", "ls", "d", "Bash", "m1", "U0ADA", 0, 9)


def reply(text: str, key: object = ADA, question: Approval | None = None) -> Reply:
    """A committed reply."""
    return Reply(str(key), "m1", 1, text, question=question)


async def test_a_reply_is_markdown_with_text_beside_it(slack: FakeSlack, channel: SlackChannel) -> None:
    """Markdown arrives as a block, its plain text beside it, escaped, and no link grows a preview."""
    await channel.deliver(reply("**hi** <there> & so"))
    (message,) = slack.sent()
    assert message["blocks"] == [{"type": "markdown", "text": "**hi** <there> & so"}]
    assert message["text"] == "**hi** &lt;there&gt; &amp; so"
    assert slack.called("chat.postMessage")[0]["unfurl_links"] == "false"


async def test_a_thread_gets_its_replies(slack: FakeSlack, channel: SlackChannel) -> None:
    """A thread's reply goes into it, a private chat's own is no reply to anything."""
    asked = slack.say("hello", channel="C0GEN")["event"]["ts"]
    await channel.deliver(reply("hi", session_key("t", "slack", "C0GEN", asked)))
    await channel.deliver(reply("hi"))
    assert [m.get("thread_ts") for m in (*slack.sent("C0GEN"), *slack.sent())] == [asked, None]


async def test_a_long_reply_arrives_whole_and_in_order(slack: FakeSlack, channel: SlackChannel) -> None:
    """A reply over the limit is several messages, and nothing of it is cut off."""
    await channel.deliver(reply(LONG))
    assert len(slack.texts()) > 3
    assert "".join(slack.texts()) == LONG


@pytest.mark.parametrize("is_new_process", [False, True])
async def test_a_repeat_sends_only_what_is_missing(
    slack: FakeSlack,
    channel: SlackChannel,
    client: SlackClient,
    table: MemoryTable,
    clock: ManualClock,
    is_new_process: bool,
) -> None:
    """When a chunk fails, the next try begins with it, in the same process or in another."""
    again = SlackChannel(client, table, clock) if is_new_process else channel
    for error, kind in ((too_many(600), RateLimited), (DOWN, Unavailable)):
        await client.call("chat.postMessage", {"channel": "C0GEN", "text": "elsewhere"})
        sent = len(slack.texts())
        slack.order("chat.postMessage", error)
        with pytest.raises(kind):
            await (again if sent else channel).deliver(reply(LONG))
    await again.deliver(reply(LONG))
    await again.deliver(reply(LONG))
    assert "".join(slack.texts()) == LONG


async def test_blocks_that_are_refused_are_left_out(slack: FakeSlack, channel: SlackChannel) -> None:
    """When Slack does not take the Markdown the text is sent as it is written, the buttons with it."""
    slack.order("chat.postMessage", bad("invalid_blocks"), times=2)
    with pytest.raises(Exception, match="invalid_blocks"):
        await channel.deliver(reply("**hi**"))
    slack.order("chat.postMessage", bad("invalid_blocks"))
    await channel.deliver(reply("**hi** <x>", question=QUESTION))
    (message,) = slack.sent()
    assert (message["text"], [block["type"] for block in message["blocks"]]) == (
        "**hi** &lt;x&gt;",
        ["section", "actions"],
    )


async def test_a_message_that_is_too_long_is_sent_in_parts(slack: FakeSlack, channel: SlackChannel) -> None:
    """When Slack takes less than it says, the text comes in smaller messages, whole."""
    slack.order("chat.postMessage", bad("msg_too_long"), times=2)
    text = "word " * 2000
    await channel.deliver(reply(text))
    assert [len(each) for each in slack.texts()] == [3000, 3000, 3000, 1000]
    assert "".join(slack.texts()) == text


async def test_a_question_has_buttons(slack: FakeSlack, channel: SlackChannel) -> None:
    """The last message of a question carries the three answers, and tells how they are typed in Slack."""
    await channel.deliver(reply(f"{LONG}\n\n/once 0123abcd  this one time", question=QUESTION))
    *others, last = slack.sent()
    assert [element["value"] for element in last["blocks"][1]["elements"]] == [
        "/once 0123abcd",
        "/always 0123abcd",
        "/deny 0123abcd",
    ]
    assert all(len(message["blocks"]) == 1 for message in others)
    assert slack.texts()[-1].endswith("!once 0123abcd  this one time")


@pytest.mark.parametrize("text", ["", " \n "])
async def test_an_empty_reply_says_so(slack: FakeSlack, channel: SlackChannel, text: str) -> None:
    """A reply without visible text is a message all the same."""
    await channel.deliver(reply(text))
    assert slack.texts() == [SILENCE]


async def test_who_cannot_be_reached_is_named(slack: FakeSlack, channel: SlackChannel) -> None:
    """An archived channel, and one that the app is not in, are errors that no retry mends."""
    slack.world.channel("C0OLD", is_archived=True)
    slack.world.channel("C0OUT", is_member=False)
    with pytest.raises(ChatGone):
        await channel.deliver(reply("hi", session_key("t", "slack", "C0OLD", "1.1")))
    with pytest.raises(NotInvited):
        await channel.deliver(reply("hi", session_key("t", "slack", "C0OUT", "1.1")))


async def test_a_failure_is_said_once_a_minute(slack: FakeSlack, channel: SlackChannel, clock: ManualClock) -> None:
    """Error messages to a channel are at least a minute apart."""
    assert await channel.notify(ADA, "failed")
    assert not await channel.notify(ADA, "failed again")
    clock.advance(60)
    assert await channel.notify(ADA, "once more")
    assert slack.texts() == ["failed", "once more"]


async def test_files_go_out_and_come_in(slack: FakeSlack, channel: SlackChannel) -> None:
    """A file is sent under its name into its thread, what was sent can be fetched, and too much is refused."""
    asked = slack.say("hello")["event"]["ts"]
    key = session_key("t", "slack", "D0U0ADA", asked)
    await channel.send_file(key, "/some/where/report.txt", b"data", "here")
    ((file_id, where),) = slack.world.shared.items()
    assert (slack.world.files[file_id]["name"], where["thread_ts"], where["initial_comment"]) == (
        "report.txt",
        asked,
        "here",
    )
    assert await channel.fetch(FileRef("x", "", 4, file_id)) == b"data"
    with pytest.raises(TooLarge):
        await channel.send_file(key, "big", b"x" * (50 * 1024 * 1024 + 1))
