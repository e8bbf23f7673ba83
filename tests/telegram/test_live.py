"""What people see while a turn runs, step by step on a clock of the test's own."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from outlive.channels.shown_turns import MAX_FAULTS
from outlive.channels.telegram.client import BotClient
from outlive.channels.telegram.live import LiveBoard
from outlive.core.keys import session_key
from outlive.protocols import TextPart, ToolStarted
from outlive.testing.clock import ManualClock
from outlive.testing.telegram import BLOCKED, FakeTelegram, too_many

ADA = session_key("t", "telegram", "42")
GROUP = session_key("t", "telegram", "-1001", "5")


@pytest.fixture
def board(bot: BotClient, clock: ManualClock) -> LiveBoard:
    """Shows turns; the test makes its steps."""
    return LiveBoard(bot, clock)


async def steps(board: LiveBoard, key: object, clock: ManualClock, seconds: float) -> None:
    """So many seconds of a turn, a quarter at a time."""
    turn = board._turns[key]
    for _ in range(int(seconds * 4)):
        await board.step(turn)
        clock.advance(0.25)


async def test_typing_is_shown_all_the_time(telegram: FakeTelegram, board: LiveBoard, clock: ManualClock) -> None:
    """The typing sign, gone after 5 s, is renewed every 4 s, in the topic where the turn runs."""
    board.begin(GROUP)
    await steps(board, GROUP, clock, 12)
    calls = telegram.called("sendChatAction")
    assert len(calls) == 3
    assert {call.get("message_thread_id") for call in calls} == {5}


async def test_a_private_chat_sees_drafts(telegram: FakeTelegram, board: LiveBoard, clock: ManualClock) -> None:
    """The same draft grows with the text at most once a second, can be stopped, and leaves no message."""
    board.begin(ADA)
    for part in ("Once ", "upon ", "a time"):
        board.hear(ADA, TextPart(part))
        await steps(board, ADA, clock, 1)
    drafts = telegram.called("sendMessageDraft")
    assert [draft.get("text") for draft in drafts] == ["Once", "Once upon", "Once upon a time"]
    assert len({draft.get("draft_id") for draft in drafts}) == 1
    assert all(draft.get("can_stop") for draft in drafts)
    await board.end(ADA)
    assert telegram.sent() == []


async def test_a_draft_is_kept_alive(telegram: FakeTelegram, board: LiveBoard, clock: ManualClock) -> None:
    """A draft that does not change is sent again before its 30 seconds are over."""
    board.begin(ADA)
    await steps(board, ADA, clock, 60)
    assert len(telegram.called("sendMessageDraft")) == 3


async def test_a_group_sees_one_edited_message(telegram: FakeTelegram, board: LiveBoard, clock: ManualClock) -> None:
    """In a group one message is edited at most every 3 s, has a Stop button, and is gone in the end."""
    board.begin(GROUP)
    for number in range(20):
        board.hear(GROUP, TextPart(f"{number} "))
        await steps(board, GROUP, clock, 0.5)
    (message,) = telegram.sent(-1001)
    assert message["reply_markup"]["inline_keyboard"][0][0]["callback_data"] == "stop"
    assert len(telegram.called("editMessageText")) <= 3
    await board.end(GROUP)
    assert telegram.sent(-1001) == []


async def test_a_tool_is_named_while_it_runs(telegram: FakeTelegram, board: LiveBoard, clock: ManualClock) -> None:
    """A running tool stands below the text until there is more text."""
    board.begin(ADA)
    board.hear(ADA, TextPart("Let me see."))
    board.hear(ADA, ToolStarted("1", "Bash", "ls"))
    await steps(board, ADA, clock, 1)
    board.hear(ADA, TextPart("Done."))
    await steps(board, ADA, clock, 1)
    drafts = [draft.get("text") for draft in telegram.called("sendMessageDraft")]
    assert drafts == ["Let me see.\n\n⏳ Bash: ls", "Let me see.\n\nDone."]


async def test_a_long_text_shows_its_end(telegram: FakeTelegram, board: LiveBoard, clock: ManualClock) -> None:
    """Of a text over the limit the newest part is shown."""
    board.begin(ADA)
    board.hear(ADA, TextPart("word " * 2000 + "the end"))
    await steps(board, ADA, clock, 1)
    (draft,) = telegram.called("sendMessageDraft")
    assert draft.get("text").endswith("the end")


async def test_a_rate_limit_silences_the_picture(telegram: FakeTelegram, board: LiveBoard, clock: ManualClock) -> None:
    """After a 429 nothing is shown until `retry_after` is over; the turn itself does not notice."""
    telegram.order("sendChatAction", too_many(20))
    board.begin(ADA)
    await steps(board, ADA, clock, 15)
    assert len(telegram.calls) <= 2
    await steps(board, ADA, clock, 10)
    assert telegram.called("sendChatAction")


async def test_a_picture_that_cannot_be_shown_is_given_up(
    telegram: FakeTelegram, board: LiveBoard, clock: ManualClock
) -> None:
    """After three refusals the turn is shown no more."""
    telegram.world.blocked.add(42)
    assert BLOCKED.code == 403
    board.begin(ADA)
    await steps(board, ADA, clock, 60)
    assert len(telegram.calls) == MAX_FAULTS


async def test_no_draft_follows_the_reply(telegram: FakeTelegram, board: LiveBoard, clock: ManualClock) -> None:
    """Once the reply is on its way the turn is shown no more."""
    turn = board.begin(ADA)
    board.run(ADA)
    await board.hush(ADA)
    board.hear(ADA, TextPart("late"))
    await board.step(turn)
    assert all(call.get("text") != "late" for call in telegram.called("sendMessageDraft"))


async def test_no_message_is_left_behind_in_a_group(
    telegram: FakeTelegram, board: LiveBoard, bot: BotClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A turn that ends while its message is on the way to the group waits for the id, and takes the message away."""
    call, arrived, gate = bot.call, asyncio.Event(), asyncio.Event()

    async def slow(method: str, *arguments: Any, **named: Any) -> Any:
        answer = await call(method, *arguments, **named)
        if method == "sendMessage":
            arrived.set()
            await gate.wait()
        return answer

    monkeypatch.setattr(bot, "call", slow)
    board.begin(GROUP).hear(TextPart("one"))
    board.run(GROUP)
    await asyncio.wait_for(arrived.wait(), 10)
    ending = asyncio.create_task(board.end(GROUP))
    await asyncio.sleep(0.05)
    gate.set()
    await ending
    assert (len(telegram.called("sendMessage")), telegram.sent(-1001)) == (1, [])


async def test_an_answer_nobody_expected_ends_the_picture_only(
    board: LiveBoard, bot: BotClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A picture that breaks on what the service says is logged and given up, and the reply can be sent."""

    async def odd(*_: Any, **__: Any) -> Any:
        raise KeyError("message_id")

    monkeypatch.setattr(bot, "call", odd)
    board.begin(GROUP)
    board.run(GROUP)
    await asyncio.sleep(0.01)
    await board.hush(GROUP)
    assert "shown no more" in caplog.text
