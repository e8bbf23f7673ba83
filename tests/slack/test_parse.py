"""What becomes of events, buttons and slash commands: who is heard, as what, under which id."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlive.channels.slack.content import MAX_DOWNLOAD, words_of
from outlive.channels.slack.decisions import Challenge, Control, Decision, Drop, Overheard, Stranger, Turn
from outlive.channels.slack.interactive import parse_interaction, parse_slash
from outlive.channels.slack.parse import parse_callback
from outlive.channels.slack.rules import Rules

RULES = Rules("U0BOT", "T0TEAM", allowed=frozenset({"U0ADA", "C0GEN"}))
TS = "1700000000.000001"


def event(**fields: Any) -> dict[str, Any]:
    """A message of Ada's in private, with fields changed; None takes one away."""
    said = {"type": "message", "channel": "D0ADA", "channel_type": "im", "user": "U0ADA", "text": "hello", "ts": TS}
    whole = {name: value for name, value in {**said, **fields}.items() if value is not None}
    return {"type": "event_callback", "event_id": "Ev1", "team_id": "T0TEAM", "event": whole}


def in_channel(text: str = "<@U0BOT> hello", **fields: Any) -> dict[str, Any]:
    """The same in a channel."""
    return event(**{"channel": "C0GEN", "channel_type": "channel", "text": text, **fields})


def turn(decision: Decision) -> Turn:
    """The decision, which has to be a turn."""
    assert isinstance(decision, Turn), decision
    return decision


def test_a_private_message_is_a_turn() -> None:
    """What somebody known says in private is a message, named by channel and time, in the chat's own session."""
    inbound = turn(parse_callback(event(), RULES)).inbound
    assert (inbound.text, inbound.sender, inbound.sent_at) == ("hello", "U0ADA", 1700000000.000001)
    assert inbound.message_id == f"slack:T0TEAM:D0ADA:{TS}"
    assert str(inbound.key) == "slack_D0ADA:slack:D0ADA:default"


@pytest.mark.parametrize(
    ("body", "thread"),
    [
        (event(thread_ts="1600000000.000001"), "1600000000.000001"),
        (in_channel(), TS),
        (in_channel(thread_ts="1600000000.000001"), "1600000000.000001"),
    ],
)
def test_threads_are_sessions(body: dict[str, Any], thread: str) -> None:
    """A thread is a session, and a mention in a channel begins one."""
    assert turn(parse_callback(body, RULES)).inbound.key.thread_id == thread


@pytest.mark.parametrize(
    ("rules", "tenant"),
    [
        (RULES, "slack_C0GEN"),
        (replace(RULES, by_workspace=True), "slack_T0TEAM"),
        (replace(RULES, tenant="acme"), "acme"),
    ],
)
def test_tenants_are_as_set(rules: Rules, tenant: str) -> None:
    """Each channel is a tenant, or each workspace, or all share one."""
    assert turn(parse_callback(in_channel(), rules)).inbound.key.tenant == tenant


def test_both_events_of_a_mention_have_one_id() -> None:
    """A mention comes as `message` and as `app_mention`, with two event ids: it is one message."""
    message = turn(parse_callback(in_channel(), RULES)).inbound
    mention = turn(
        parse_callback({**in_channel(type="app_mention", channel_type=None), "event_id": "Ev2"}, RULES)
    ).inbound
    assert mention == message


@pytest.mark.parametrize(
    ("hears", "body", "kind"),
    [
        ("mention", in_channel("hello"), Drop),
        ("mention", in_channel("hello", thread_ts="1.1"), Drop),
        ("mention", in_channel("ask <@U0BOT|bot>, please"), Turn),
        ("mention", in_channel("!stop", thread_ts="1.1"), Control),
        ("mention", in_channel("!stop"), Drop),
        ("thread", in_channel("hello"), Drop),
        ("thread", in_channel("hello", thread_ts="1.1"), Overheard),
        ("all", in_channel("hello"), Turn),
    ],
)
def test_channels_are_heard_as_set(hears: Any, body: dict[str, Any], kind: type[Decision]) -> None:
    """In channels a mention is heard, and what else is heard depends on the setting."""
    assert isinstance(parse_callback(body, replace(RULES, hears=hears)), kind)


@pytest.mark.parametrize("body", [event(user="U0EVE"), in_channel(user="U0EVE"), event(user="U0EVE", team="T0ELSE")])
def test_who_is_not_known_is_a_stranger(body: dict[str, Any]) -> None:
    """Strangers are strangers in private and in channels: an allowed channel lets nobody in by itself."""
    assert isinstance(parse_callback(body, RULES), Stranger)


def test_other_channels_are_not_heard() -> None:
    """In a channel that is not in the allow-list nobody is heard, known or not."""
    body = in_channel()
    body["event"]["channel"] = "C0ELSE"
    assert isinstance(parse_callback(body, RULES), Drop)


def test_a_workspace_lets_its_own_people_in() -> None:
    """With a workspace in the allow-list its members are known everywhere in it; guests of a shared channel are not."""
    rules = replace(RULES, allowed=frozenset({"T0TEAM"}))
    assert isinstance(parse_callback(in_channel(user="U0EVE", subtype=None), rules), Turn)
    assert isinstance(parse_callback(in_channel(user="U0EVE", user_team="T0ELSE"), rules), Stranger)


@pytest.mark.parametrize(
    "body",
    [
        event(bot_id="B0BOT"),
        event(user="U0BOT"),
        event(user=None),
        event(subtype="message_changed"),
        event(subtype="bot_message", user=None),
        event(subtype="channel_join"),
        event(text=""),
        event(text=5),
        event(ts="soon"),
        event(type="reaction_added"),
        event(channel=None),
        event(text="x" * 300_000),
        in_channel() | {"team_id": "T0ELSE"},
        {"type": "app_rate_limited"},
        {"type": "event_callback"},
        {"type": "event_callback", "event": []},
        {},
        [],
        None,
        "x",
    ],
)
def test_what_is_not_for_us_is_dropped(body: Any) -> None:
    """The app's own messages, other kinds of events, empty, huge and unreadable ones are dropped, with a reason."""
    decision = parse_callback(body, RULES)
    assert isinstance(decision, Drop)
    assert decision.reason


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(junk=JSON, name=st.sampled_from(["text", "ts", "user", "channel", "files", "thread_ts", "subtype", "bot_id"]))
def test_nothing_makes_it_fail(junk: Any, name: str) -> None:
    """Whatever a field or a whole request is, there is a decision."""
    parse_callback(event(**{name: junk}), RULES)
    parse_callback({"type": "event_callback", "event": junk, "authorizations": junk}, RULES)
    parse_interaction({"type": "block_actions", name: junk, "actions": junk}, RULES)
    parse_interaction(junk, RULES)
    parse_slash(junk, RULES)


def test_the_address_is_verified() -> None:
    """Slack's question whether the address is ours gets its answer."""
    assert parse_callback({"type": "url_verification", "challenge": "abc"}, RULES) == Challenge("abc")


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ("<@U0BOT> hello", "hello"),
        ("<@U0BOT|bot>: hello", "hello"),
        ("see <https://a.example|here> &amp; &lt;there&gt;", "see here (https://a.example) & <there>"),
        ("<https://a.example>", "https://a.example"),
        ("ask <@U0EVE> in <#C0GEN|general>, <!here>", "ask <@U0EVE> in #general, @here"),
    ],
)
def test_words_are_as_people_read_them(said: str, read: str) -> None:
    """Links, names and signs are written out, and the app's own name at the beginning is left out."""
    assert words_of({"text": said}, "U0BOT") == read


def test_a_channel_says_who_speaks() -> None:
    """In a channel the agent reads who wrote it, by an id that it can mention."""
    assert turn(parse_callback(in_channel(), RULES)).inbound.text == "<@U0ADA>: hello"


def test_files_are_named() -> None:
    """Files that can be fetched go along under safe names; others are told of with the reason."""
    files = [
        {"id": "F1", "name": "../a b.txt", "mimetype": "text/plain", "size": 4},
        {"id": "F2", "name": "big.iso", "size": MAX_DOWNLOAD + 1},
        {"id": "F3", "name": "gone", "mode": "tombstone"},
        {"id": "F4", "name": "doc", "mode": "external"},
    ]
    inbound = turn(parse_callback(event(text="", subtype="file_share", files=files), RULES)).inbound
    assert [(file.name, file.ref, file.size) for file in inbound.files] == [("F1-a b.txt", "F1", 4)]
    assert inbound.text.splitlines()[0] == "[file: inbox/F1-a b.txt]"
    assert [word in inbound.text for word in ("too large", "deleted", "outside of Slack")] == [True] * 3


@pytest.mark.parametrize(
    ("text", "name", "argument"), [("!stop", "stop", ""), (" !link 1234 5678 ", "link", "1234 5678")]
)
def test_commands_are_controls(text: str, name: str, argument: str) -> None:
    """A command goes round the queue."""
    control = parse_callback(event(text=text), RULES)
    assert isinstance(control, Control)
    assert (control.name, control.argument) == (name, argument)


@pytest.mark.parametrize("text", ["!important", "! stop", "stop", "!stopping now"])
def test_what_is_no_command_is_a_message(text: str) -> None:
    """An exclamation mark alone makes no command."""
    assert turn(parse_callback(event(text=text), RULES)).inbound.text == text


def test_answers_may_be_written() -> None:
    """An answer to a question can be typed with an exclamation mark, since Slack keeps the slash for itself."""
    inbound = turn(parse_callback(event(text="!deny 0123abcd not today"), RULES)).inbound
    assert inbound.answer is not None
    assert (inbound.answer.choice, inbound.answer.note) == ("deny", "not today")


def press(action_id: str, value: str = "", **message: Any) -> dict[str, Any]:
    """A pressed button."""
    return {
        "type": "block_actions",
        "team": {"id": "T0TEAM"},
        "user": {"id": "U0ADA"},
        "channel": {"id": "C0GEN"},
        "message": {"ts": TS, "thread_ts": "1600000000.000001", **message},
        "actions": [{"action_id": action_id, "value": value, "action_ts": "1700000001.5"}],
    }


def test_buttons_answer_and_stop() -> None:
    """A button's answer goes to the session of its thread, and Stop goes round the queue."""
    answer = turn(parse_interaction(press("outlive_answer_once", "/once 0123abcd"), RULES)).inbound
    assert (answer.text, answer.key.thread_id) == ("/once 0123abcd", "1600000000.000001")
    stop = parse_interaction(press("outlive_stop"), RULES)
    assert isinstance(stop, Control)
    assert (stop.name, stop.key) == ("stop", answer.key)


@pytest.mark.parametrize(
    "body",
    [
        press("other_app"),
        press("outlive_answer_once", "rm -rf"),
        {"type": "view_submission"},
        {},
        press("x") | {"actions": []},
    ],
)
def test_other_buttons_are_dropped(body: dict[str, Any]) -> None:
    """Buttons that are none of ours do nothing."""
    assert isinstance(parse_interaction(body, RULES), Drop)


def test_strangers_press_nothing() -> None:
    """A button pressed by somebody unknown does nothing by itself."""
    body = press("outlive_answer_once", "/once 0123abcd") | {"user": {"id": "U0EVE"}}
    assert isinstance(parse_interaction(body, RULES), Stranger)


@pytest.mark.parametrize(("text", "name"), [("", "help"), ("stop", "stop"), ("!Stop now", "stop"), ("dance", "dance")])
def test_slash_commands_are_controls(text: str, name: str) -> None:
    """What is typed behind the slash command is a command, answered where Slack says."""
    fields = {"channel_id": "D0ADA", "team_id": "T0TEAM", "user_id": "U0ADA", "trigger_id": "1.2", "response_url": "u"}
    control = parse_slash({**fields, "text": text}, RULES)
    assert isinstance(control, Control)
    assert (control.name, control.response_url) == (name, "u")
