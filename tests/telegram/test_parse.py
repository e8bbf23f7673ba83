"""One update, one decision: who is heard, where, and what the agent gets to read."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlive.channels.telegram.decisions import Control, Decision, Drop, Moved, Stranger, Turn
from outlive.channels.telegram.parse import parse_update
from outlive.channels.telegram.rules import Place, Rules, numbers, place_of
from outlive.core.answers import Answer

RULES = Rules(7, "the_bot", allowed=frozenset({42, -100}))
ADA = {"id": 42, "is_bot": False, "first_name": "Ada"}
BOT = {"id": 7, "is_bot": True, "first_name": "Bot"}
PRIVATE = {"id": 42, "type": "private"}
GROUP = {"id": -100, "type": "supergroup", "is_forum": True, "title": "G"}
MENTION = {"text": "@the_bot hi", "entities": [{"type": "mention", "offset": 0, "length": 8}]}


def message(*, chat: dict[str, Any] = PRIVATE, sender: dict[str, Any] = ADA, **fields: Any) -> dict[str, Any]:
    """A message as Telegram writes it."""
    return {"message_id": 3, "date": 1_750_000_000, "chat": chat, "from": sender, **fields}


def parsed(rules: Rules = RULES, kind: str = "message", **fields: Any) -> Decision:
    """What becomes of a message."""
    return parse_update({"update_id": 9, kind: message(**fields)}, rules)


def turn(rules: Rules = RULES, **fields: Any) -> Turn:
    """The turn that a message has to be."""
    found = parsed(rules, **fields)
    assert isinstance(found, Turn), found
    return found


def test_a_private_message_is_a_turn() -> None:
    """Its session is the chat's own, in the chat's own tenant, and its id comes from bot and update."""
    inbound = turn(text="hello").inbound
    assert str(inbound.key) == "telegram_42:telegram:42:default"
    assert (inbound.message_id, inbound.text, inbound.sender) == ("telegram:7:9", "hello", "42")
    assert inbound.sent_at == 1_750_000_000


def test_the_tenant_may_be_shared() -> None:
    """With a tenant in the rules every chat is in it."""
    assert turn(replace(RULES, tenant="acme"), text="x").inbound.key.tenant == "acme"


@pytest.mark.parametrize(("thread", "part"), [(5, "5"), (1, "default"), (None, "default")])
def test_a_topic_is_a_thread(thread: int | None, part: str) -> None:
    """A forum topic is a session of its own; the General topic is the group's own session, however it is named."""
    topic = {"message_thread_id": thread, "is_topic_message": True} if thread else {}
    key = turn(chat=GROUP, **MENTION, **topic).inbound.key
    assert (key.chat_id, key.thread_id) == ("-100", part)
    assert place_of(key) == Place(-100, 5 if thread == 5 else None, is_private=False)


def test_a_reply_thread_is_no_topic() -> None:
    """A thread id without a topic is a chain of replies, not a session."""
    assert turn(chat=GROUP, **MENTION, message_thread_id=77).inbound.key.thread_id == "default"


# ------------------------------------------------------------------------------------------- who is heard


@pytest.mark.parametrize(
    "fields",
    [
        MENTION,
        {"caption": "see @the_bot", "caption_entities": [{"type": "mention", "offset": 4, "length": 8}], "photo": []},
        {"text": "😀@THE_BOT", "entities": [{"type": "mention", "offset": 2, "length": 8}]},
        {"text": "you", "entities": [{"type": "text_mention", "offset": 0, "length": 3, "user": {"id": 7}}]},
        {"text": "yes", "reply_to_message": message(chat=GROUP, sender=BOT, text="really?")},
    ],
    ids=["mention", "in a caption", "behind an emoji", "by id", "a reply to the bot"],
)
def test_the_bot_hears_what_is_said_to_it(fields: dict[str, Any]) -> None:
    """In a group a mention by entity or a reply to the bot is a turn."""
    assert isinstance(parsed(chat=GROUP, **fields), Turn)


@pytest.mark.parametrize(
    "fields",
    [
        {"text": "hello all"},
        {"text": "mail@the_bot"},
        {"text": "@the_botany hi", "entities": [{"type": "mention", "offset": 0, "length": 11}]},
        {"text": "x", "is_topic_message": True, "message_thread_id": 3, "reply_to_message": message(sender=BOT)},
        {"text": "x", "reply_to_message": message(sender=BOT, forum_topic_created={"name": "T"})},
        {"text": "/start@other_bot"},
        {"text": "/unknown"},
    ],
    ids=["to nobody", "no entity", "another name", "topic root", "topic's creation", "other bot", "no command"],
)
def test_the_bot_does_not_hear_the_rest(fields: dict[str, Any]) -> None:
    """In a group what is not said to the bot is dropped, be it a reply that only names its topic."""
    assert parsed(chat=GROUP, **fields) == Drop("not said to the bot")


def test_everything_is_heard_when_told_so() -> None:
    """With `hears_all` a group's message needs no mention, and carries its sender's name."""
    assert turn(replace(RULES, hears_all=True), chat=GROUP, text="hi").inbound.text == "Ada: hi"


@pytest.mark.parametrize("text", ["hello", "/new", "/debug"])
@pytest.mark.defect(20)
def test_a_stranger_is_told_apart(text: str) -> None:
    """Who is not in the allow-list is a stranger with the wish, message or command, in private and in groups."""
    eve = {**ADA, "id": 66, "first_name": "Eve", "username": "ada"}
    for place in ({"chat": {"id": 66, "type": "private"}}, {"chat": GROUP, "sender": eve}):
        found = parsed(replace(RULES, hears_all=True), **({"sender": eve} | place), text=text)
        assert isinstance(found, Stranger)
        assert (found.sender, found.name) == ("66", "Eve")


def test_a_group_that_is_not_allowed_is_not_heard() -> None:
    """A group outside the allow-list is dropped with its id, even for people who are known."""
    assert parsed(chat={**GROUP, "id": -5}, **MENTION) == Drop("group -5 is not in the allow-list")


def test_usernames_are_no_identities() -> None:
    """Ids alone are read from the setting."""
    assert numbers(" 42, -100  7") == {42, -100, 7}


# ------------------------------------------------------------------------------------------ what is read


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        (
            {"text": "b", "forward_origin": {"type": "user", "sender_user": {"first_name": "Bob"}}},
            "[forwarded from Bob]\nb",
        ),
        ({"text": "b", "forward_origin": {"type": "hidden_user", "sender_user_name": "X"}}, "[forwarded from X]\nb"),
        ({"text": "why?", "reply_to_message": message(sender=BOT, text="no")}, "[in reply to Bot: no]\nwhy?"),
        (
            {"text": "why?", "reply_to_message": message(text="a b"), "quote": {"text": "b"}},
            "[in reply to Ada: b]\nwhy?",
        ),
        ({"location": {"latitude": 1.5, "longitude": 2.0}}, "[location: 1.5, 2.0]"),
        ({"contact": {"first_name": "Bob", "phone_number": "+1"}}, "[contact: Bob, +1]"),
    ],
)
def test_context_comes_in_words(fields: dict[str, Any], text: str) -> None:
    """Where a message comes from and what it answers is said before it; places and contacts are words."""
    assert turn(**fields).inbound.text == text


def test_the_largest_photo_is_taken() -> None:
    """Of a photo's sizes the largest is fetched, its caption is the text, and the text names the file."""
    sizes = [{"file_id": f"p{n}", "width": n, "height": n, "file_size": n} for n in (90, 800, 320)]
    inbound = turn(photo=sizes, caption="look").inbound
    assert [(file.ref, file.name, file.mime) for file in inbound.files] == [("p800", "3-photo.jpg", "image/jpeg")]
    assert inbound.text == "look\n[file: inbox/3-photo.jpg]"


@pytest.mark.parametrize("kind", ["document", "voice", "audio", "video", "video_note", "animation"])
def test_every_kind_of_file_is_taken(kind: str) -> None:
    """A file without a caption is a turn that names it."""
    inbound = turn(**{kind: {"file_id": "f", "file_size": 1}}).inbound
    assert len(inbound.files) == 1
    assert inbound.text == f"[file: inbox/{inbound.files[0].name}]"


def test_a_file_that_is_too_large_is_only_named() -> None:
    """A file over 20 MB is not fetched, and the text says so."""
    inbound = turn(document={"file_id": "f", "file_name": "big.iso", "file_size": 30_000_000}).inbound
    assert inbound.files == ()
    assert inbound.text == "[3-big.iso: 30,000,000 bytes, too large to be fetched]"


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("../../etc/passwd", "passwd"),
        ("..", "file"),
        ("a\\b\\c.txt", "c.txt"),
        ("x" * 200 + ".pdf", "x" * 76 + ".pdf"),
        ("a\nb\x00.txt", "a_b_.txt"),
        (".hidden", "hidden"),
        ("日本.txt", "日本.txt"),
    ],
)
def test_file_names_are_made_safe(name: str, safe: str) -> None:
    """A name from outside is one plain path segment of at most 80 bytes with the message's number before it."""
    (file,) = turn(document={"file_id": "f", "file_name": name, "file_size": 1}).inbound.files
    assert file.name == f"3-{safe}"


# ---------------------------------------------------------------------------------- commands and the rest


@pytest.mark.parametrize("text", ["/stop", "/STOP", "/stop@The_Bot", "/stop now"])
def test_a_command_is_a_control(text: str) -> None:
    """A command of ours, addressed to the bot or to nobody, is a control with its argument."""
    found = parsed(text=text)
    assert isinstance(found, Control)
    assert (found.name, found.argument) == ("stop", "now" if "now" in text else "")


def test_a_mention_before_a_command_is_no_hindrance() -> None:
    """A command behind the bot's name is a command."""
    found = parsed(chat=GROUP, text="@the_bot /new", entities=[{"type": "mention", "offset": 0, "length": 8}])
    assert isinstance(found, Control)


@pytest.mark.parametrize("chat", [PRIVATE, GROUP], ids=["private", "group"])
def test_an_answer_in_words_is_an_answer(chat: dict[str, Any]) -> None:
    """`/deny ID words` answers a question, in a group too, and its text stays as it was written."""
    inbound = turn(chat=chat, text="/deny 3fa9c1d2 not today").inbound
    assert (inbound.answer, inbound.text) == (Answer("3fa9c1d2", "deny", "not today"), "/deny 3fa9c1d2 not today")


@pytest.mark.defect(15)
def test_an_edited_message_is_asked_only_if_told_so() -> None:
    """An edit is dropped; with `takes_edits` it is a turn that says so, and an edited command is never run."""
    assert parsed(kind="edited_message", text="x") == Drop("an edited message")
    listening = replace(RULES, takes_edits=True)
    edited = parse_update({"update_id": 9, "edited_message": message(text="x")}, listening)
    assert isinstance(edited, Turn)
    assert edited.inbound.text == "[edited]\nx"
    assert isinstance(parse_update({"update_id": 9, "edited_message": message(text="/new")}, listening), Drop)


@pytest.mark.parametrize("data", ["stop", "a:1:allow"])
def test_a_button_is_a_control(data: str) -> None:
    """A pressed Stop button is the command, another button goes on with its data; both can be answered."""
    press = {"id": "q", "from": ADA, "message": message(sender=BOT), "data": data}
    found = parse_update({"update_id": 9, "callback_query": press}, RULES)
    assert isinstance(found, Control)
    assert (found.name, found.argument, found.callback_id) == (
        ("stop", "", "q") if data == "stop" else ("button", data, "q")
    )


def test_the_stop_of_a_draft_is_a_control() -> None:
    """`stopped_message_generation` is /stop in that chat."""
    found = parse_update({"update_id": 9, "stopped_message_generation": {"chat": PRIVATE, "draft_id": 1}}, RULES)
    assert isinstance(found, Control)
    assert (found.name, str(found.key)) == ("stop", "telegram_42:telegram:42:default")


@pytest.mark.parametrize("fields", [{"migrate_to_chat_id": -1007}, {"migrate_from_chat_id": -5}])
def test_a_group_that_moves_is_noticed(fields: dict[str, Any]) -> None:
    """Both service messages of a move say from where to where."""
    assert parsed(chat=GROUP, **fields) in {Moved(-100, -1007), Moved(-5, -100)}


def test_a_moved_group_keeps_its_session() -> None:
    """Messages under the new id go to the session of the first one, and tenant and key do not change."""
    rules = replace(RULES, allowed=frozenset({42, -1007}), first_chats={-1007: -100})
    key = turn(rules, chat={**GROUP, "id": -1007}, **MENTION).inbound.key
    assert str(key) == "telegram_-100:telegram:-100:default"


@pytest.mark.parametrize(
    "update",
    [
        None,
        [],
        "x",
        {},
        {"update_id": 1},
        {"update_id": "1", "message": message(text="x")},
        {"update_id": 1, "poll": {}},
        {"update_id": 1, "never_seen": {"deep": [1]}},
        {"update_id": 1, "message": 5},
        {"update_id": 1, "message": message(text="")},
        {"update_id": 1, "message": message(text=" \n ")},
        {"update_id": 1, "message": message(text=7)},
        {"update_id": 1, "message": message(sticker={"file_id": "s"})},
        {"update_id": 1, "message": message(new_chat_members=[ADA])},
        {"update_id": 1, "message": message(text="x" * 300_000)},
        {"update_id": 1, "message": message(text="x", sender={**BOT, "id": 8})},
        {"update_id": 1, "message": message(text="x", sender={**ADA, "id": 777000})},
        {"update_id": 1, "message": {**message(text="x"), "chat": {"id": "42"}}},
        {"update_id": 1, "message": message(photo=[{"width": 1}])},
        {"update_id": 1, "callback_query": {"id": "q", "from": ADA, "data": "x"}},
        {"update_id": 1, "channel_post": message(text="x")},
    ],
)
def test_what_is_not_for_us_is_dropped(update: object) -> None:
    """Unknown types, broken fields, stickers, service messages, empty and overlong texts are dropped with a reason."""
    found = parse_update(update, RULES)
    assert isinstance(found, Drop)
    assert found.reason


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(sorted(message(text="x"))), inner),
    max_leaves=12,
)
KINDS = st.sampled_from(["message", "edited_message", "callback_query", "stopped_message_generation", "poll"])


@given(kind=KINDS, content=JSON, more=st.dictionaries(st.sampled_from(["text", "entities", "photo", "quote"]), JSON))
def test_no_update_is_an_error(kind: str, content: object, more: dict[str, Any]) -> None:
    """Whatever JSON stands for an update, it becomes a decision."""
    for inner in (content, {**message(text="hello"), **more}):
        assert isinstance(parse_update({"update_id": 1, kind: inner}, RULES), Decision)
