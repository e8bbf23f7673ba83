"""How far a reader of a stream has come."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlive.core.keys import SessionId
from outlive.core.live import LiveState, LiveTool, advanced
from outlive.core.stream_positions import AskedNews, Position, TextNews, news_of, parse_position
from outlive.errors import Invalid
from outlive.protocols import TextPart, ToolFinished, ToolStarted

START = LiveState(SessionId("0" * 32), "acme:api:ada:default", "m1", 0.0)
EVENTS = st.one_of(
    st.text(min_size=1).map(TextPart),
    st.sampled_from(["a", "b", "c"]).map(lambda name: ToolStarted(name, "Bash", name)),
    st.sampled_from(["a", "b", "c"]).map(lambda name: ToolFinished(name, is_error=False)),
)


def states_of(events):
    """A turn's states, one for each event."""
    states = [START]
    for event in events:
        states.append(advanced(states[-1], event, 0.0))
    return states


def read(states, seen=None):
    """The text as a reader puts it together, and where it is then."""
    text, position = "", seen or Position()
    for state in states:
        for news, behind in news_of(state, position):
            position = parse_position(str(behind))
            if isinstance(news, TextNews):
                text = text + news.text if news.append else news.text
    return text, position


@given(st.lists(EVENTS), st.integers(0, 20))
def test_a_reader_that_comes_back_misses_nothing(events, at) -> None:
    """Wherever a reader breaks off and comes back with its position, its parts together are the turn's text."""
    states = states_of(events)
    before, position = read(states[: at + 1])
    rest, _ = read(states[at + 1 :][-1:], position)
    assert before + rest == states[-1].text


def test_who_comes_later_is_told_the_question_first() -> None:
    """The first news of a message's turn is the message itself, and it comes once."""
    state = replace(START, asked="What is it?", text="It is", revision=1)
    (question, behind), (text, last) = news_of(state, Position())
    assert (question, text) == (AskedNews("What is it?"), TextNews("It is", append=False))
    assert news_of(state, behind) == [(text, last)]


@given(st.lists(EVENTS))
def test_every_end_of_a_tool_is_told_once(events) -> None:
    """Calls that run at one time are each told to have ended, once, however they end."""
    told, position = [], Position()
    states = states_of(events)
    for state in states:
        for news, behind in news_of(state, position):
            position = behind
            told += [(news.number, news.revision)] if isinstance(news, LiveTool) else []
    assert len(told) == len(set(told))
    assert {(tool.number, tool.revision) for tool in states[-1].tools} <= set(told)


def test_text_that_was_written_anew_replaces_what_was_seen() -> None:
    """A turn that was begun again with another text is not taken for the continuation of the first."""
    _, position = read([replace(START, text="one", revision=1)])
    ((news, _),) = news_of(replace(START, text="other words", revision=1), position)
    assert news == TextNews("other words", append=False)


@pytest.mark.parametrize("text", ["", "x", "....", "0.0.0.0.0.0.0", "\N{ARABIC-INDIC DIGIT ONE}" * 7])
def test_what_no_stream_gave_is_refused(text) -> None:
    """A position made by hand that no event could carry is refused."""
    with pytest.raises(Invalid):
        parse_position(text)
