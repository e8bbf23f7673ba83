"""What becomes of messages, events and callbacks of every kind."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlive.channels.wechat.decisions import Control, Drop, Poll, Say, Stranger, Turn
from outlive.channels.wechat.parse_account import HELLO, parse_account
from outlive.channels.wechat.parse_bot import EMPTY, parse_bot
from outlive.channels.wechat.rules import Rules, key_of, listed
from outlive.core.answers import Answer
from outlive.core.messages import FileRef

RULES = Rules(frozenset({"*"}))
NOW = 1_750_000_000.0
BASE = {"ToUserName": "gh_1", "FromUserName": "oAda", "CreateTime": "1750000000", "MsgId": "77", "MsgType": "text"}


def account(**fields: str) -> Any:
    """The decision about a message to the account."""
    return parse_account({**BASE, **fields}, RULES)


def bot(rules: Rules = RULES, **fields: Any) -> Any:
    """The decision about a callback of the bot."""
    base = {"msgid": "m1", "aibotid": "b1", "chattype": "single", "from": {"userid": "ada"}, "msgtype": "text"}
    return parse_bot(json.dumps({**base, **fields}).encode(), rules, NOW)


def test_the_parsers_need_the_standard_library_alone() -> None:
    """What reads and checks a request can run where nothing is installed; only sealed ones need a package."""
    names = ("parse_account", "parse_bot", "plain_xml", "signing")
    modules = ", ".join(f"outlive.channels.wechat.{name}" for name in names)
    code = f"import sys, {modules}; print({{'httpx', 'pydantic', 'cryptography', 'starlette'}} & sys.modules.keys())"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "set()"


def test_a_text_is_a_turn() -> None:
    """Text, sender, time and an id that a repeat carries too."""
    inbound = account(Content=" hi ").inbound
    assert (inbound.text, inbound.sender, inbound.sent_at) == ("hi", "oAda", 1750000000.0)
    assert inbound.message_id == "wechat:gh_1:77"
    assert str(inbound.key) == "wechat_oAda:wechat:oAda:default"


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"MsgType": "voice", "MediaId": "v", "Recognition": "a"}, "[as the machine heard it] a\n[file: inbox/77.amr]"),
        ({"MsgType": "location", "Location_X": "1", "Location_Y": "2", "Label": "here"}, "[location: 1, 2 here]"),
        ({"MsgType": "link", "Title": "T", "Url": "http://x", "Description": "D"}, "[link: T http://x]\nD"),
        ({"MsgType": "image", "MediaId": "i"}, "[file: inbox/77.jpg]"),
    ],
)  # fmt: skip
def test_other_kinds_are_put_into_words(fields: dict[str, str], text: str) -> None:
    """Voice, places, links and pictures are messages, too."""
    assert account(**fields).inbound.text == text


def test_a_picture_is_a_file() -> None:
    """The file is named by its message, and fetched by its media id."""
    assert account(MsgType="image", MediaId="i").inbound.files == (FileRef("77.jpg", "image", 0, "i"),)


def test_events_have_ids_of_sender_and_time() -> None:
    """Menu clicks are messages; following is greeted; what has no id of its own gets one."""
    clicked = account(MsgType="event", Event="CLICK", EventKey="weather")
    assert clicked.inbound.message_id == "wechat:gh_1:oAda:1750000000:click"
    assert account(MsgType="event", Event="subscribe") == Say(HELLO, "wechat:gh_1:oAda:1750000000:subscribe")
    assert isinstance(account(MsgType="event", Event="unsubscribe"), Drop)


@pytest.mark.parametrize(
    "fields",
    [
        {"Content": ""}, {"Content": "  "}, {"MsgType": "hologram"}, {"MsgId": "x", "Content": "a"},
        {"MsgType": "image"}, {"CreateTime": "", "Content": "a"}, {"FromUserName": "", "Content": "a"},
        {"FromUserName": "x" * 300, "Content": "a"}, {"Content": "a" * 300_000}, {"MsgType": "event", "Event": "SCAN"},
        {"MsgType": "link"}, {"FromUserName": "a\x00b", "Content": "a"},
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_dropped(fields: dict[str, str]) -> None:
    """Empty, unknown, garbled and overlong messages are dropped with a reason."""
    dropped = account(**fields)
    assert isinstance(dropped, Drop)
    assert dropped.reason


@given(st.dictionaries(st.sampled_from([*BASE, "Content", "Event", "MediaId"]), st.text(max_size=20)))
def test_no_message_is_an_error(fields: dict[str, str]) -> None:
    """Whatever the fields hold, there is a decision."""
    assert parse_account(fields, RULES) is not None


@pytest.mark.parametrize("parse", ["account", "bot"])
def test_commands_go_round_the_queue(parse: str) -> None:
    """Our own commands are controls, others are for the agent."""
    read = (lambda text: account(Content=text)) if parse == "account" else (lambda text: bot(text={"content": text}))
    assert isinstance(read("/STOP"), Control)
    assert (read("/new now").name, read("/new now").argument) == ("new", "now")
    assert isinstance(read("/deploy"), Turn)
    assert isinstance(read("/ stop"), Turn)


@pytest.mark.parametrize("parse", ["account", "bot"])
def test_an_answer_in_words_is_an_answer(parse: str) -> None:
    """What answers the agent's question carries the answer, not only its words."""
    text = "/once 0a1b2c3d"
    read = account(Content=text) if parse == "account" else bot(text={"content": text})
    assert read.inbound.answer == Answer("0a1b2c3d", "once")


def test_strangers_are_told_apart() -> None:
    """Who is not in the list is a stranger with a wish; a group may be let in as a whole."""
    closed = Rules(frozenset({"oBob", "g1"}))
    assert isinstance(parse_account({**BASE, "Content": "hi"}, closed), Stranger)
    assert isinstance(bot(closed, text={"content": "hi"}), Stranger)
    group = bot(closed, chattype="group", chatid="g1", text={"content": "@bot hi"})
    assert group.inbound.text == "ada: hi"
    assert not Rules().knows("oAda", "")


def test_a_bots_message_is_a_turn() -> None:
    """Text, id and the address for a late answer; a quoted message goes along."""
    quote = {"msgtype": "text", "text": {"content": "before"}}
    turn = bot(text={"content": "hi"}, quote=quote, response_url="https://x/1")
    assert turn.inbound.text == "[in answer to: before]\nhi"
    assert (turn.inbound.message_id, turn.response_url) == ("wecom:b1:m1", "https://x/1")


def test_a_bot_reads_text_of_other_kinds() -> None:
    """Voice comes as text, mixed messages as text and pictures; one with nothing in it is answered, not run."""
    mixed = {
        "msg_item": [{"msgtype": "text", "text": {"content": "look"}}, {"msgtype": "image", "image": {"url": "u"}}]
    }
    assert bot(msgtype="voice", voice={"content": "hello"}).inbound.text == "hello"
    read = bot(msgtype="mixed", mixed=mixed).inbound
    (file,) = read.files
    assert (read.text, file.mime, file.ref) == (f"look\n[file: inbox/{file.name}]", "image", "u")
    assert bot(msgtype="mixed", mixed={"msg_item": []}) == Say(EMPTY, "wecom:b1:m1")


@pytest.mark.parametrize("kind", ["image", "file", "video"])
def test_a_bots_files_are_named(kind: str) -> None:
    """A picture, a file or a film without words is a message that names where it will lie."""
    read = bot(msgtype=kind, **{kind: {"url": f"https://x/{kind}"}}).inbound
    (file,) = read.files
    assert (read.text, file.ref) == (f"[file: inbox/{file.name}]", f"https://x/{kind}")


def test_a_poll_names_its_stream_and_session() -> None:
    """A request for the answer leads to the chat's own session."""
    assert bot(msgtype="stream", stream={"id": "s1"}) == Poll(key_of(RULES, "wecom", "ada"), "s1")


@pytest.mark.parametrize(
    "fields",
    [
        {"msgtype": "event", "event": {"eventtype": "feedback_event"}}, {"from": None}, {"msgtype": 5}, {"msgid": ""},
        {"text": {"content": 5}}, {"text": None}, {"msgtype": "stream"}, {"chattype": "group"},
        {"msgtype": "mixed", "mixed": {"msg_item": 5}}, {"text": {"content": "a" * 300_000}},
    ],
)  # fmt: skip
def test_a_callback_that_cannot_be_read_is_dropped(fields: dict[str, Any]) -> None:
    """Unknown events and garbled callbacks are dropped with a reason."""
    assert isinstance(bot(**fields), Drop)


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"\xff", b"[" * 100_000, b'{"from": {}}'])
def test_a_callback_that_is_none_is_dropped(body: bytes) -> None:
    """Broken JSON, other encodings and deep nesting are dropped."""
    assert isinstance(parse_bot(body, RULES, NOW), Drop)


def test_odd_ids_have_tenants_of_their_own() -> None:
    """An id that is no tenant's name stands behind a digest; two ids never share one."""
    keys = {key_of(Rules(), "wecom", chat).tenant for chat in ("a@b.c", "a@b.d", "张三", "ada")}
    assert len(keys) == 4
    assert key_of(Rules(tenant="acme"), "wecom", "a@b.c").tenant == "acme"


def test_lists_of_ids_are_read() -> None:
    """Commas and white space stand between ids."""
    assert listed(" a, b\nc ,") == {"a", "b", "c"}
