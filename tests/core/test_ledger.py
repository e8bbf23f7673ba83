"""The ledger keeps every turn for ever, one line each, and finds the turn that answered a message."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outlive.core.keys import message_digest
from outlive.core.ledger import (
    Attached,
    LedgerLine,
    answered_in,
    decode_line,
    digest_of,
    encode_line,
    line_at,
    lines_of,
)
from outlive.errors import Corrupt

LINE = LedgerLine(
    turn=1, version=1, at=1_790_000_000.5, message_id="m-1", session_key="t:c:a:b", sender="ada", text="hi", reply="ho",
    agent_session_id="s", stop_reason="end_turn", is_error=False, usd=0.0123, input_tokens=1, output_tokens=2,
    cache_read_tokens=3, cache_write_tokens=4, fence=5, worker="w",
)  # fmt: skip
TEXTS = st.text(st.characters() | st.sampled_from('\x00\ud800\r\n\u2028\x85"\\'), max_size=40)
IDS = st.text(st.characters() | st.sampled_from('"\\\x00\ud800'), min_size=1, max_size=8)


def ledger_of(*lines: LedgerLine) -> bytes:
    """A ledger with these lines."""
    return b"".join(map(encode_line, lines))


@pytest.mark.promise("P13")
@given(text=TEXTS, reply=TEXTS, message_id=IDS, usd=st.floats(0, 1e6), at=st.floats(0, 4e9))
@settings(deadline=None)
def test_a_line_reads_back(text: str, reply: str, message_id: str, usd: float, at: float) -> None:
    """A turn of any texts reads back as written and takes exactly one line of ASCII."""
    line = replace(LINE, text=text, reply=reply, message_id=message_id, usd=usd, at=at)
    encoded = encode_line(line)
    assert decode_line(encoded) == line
    assert encoded.isascii()
    assert encoded.splitlines() == [encoded.removesuffix(b"\n")]


@pytest.mark.promise("P13")
@pytest.mark.parametrize("piece", ["x", "\x00", "\ud83d", "\U0001f600", "\r\n", "\u2028", '\\"'])
def test_a_megabyte_of_anything_reads_back(piece: str) -> None:
    """A reply of 1 MB reads back character for character, NUL, lone surrogates and emoji included."""
    line = replace(LINE, reply=piece * (2**20 // len(piece)))
    assert list(lines_of(ledger_of(LINE, line, LINE))) == [LINE, line, LINE]


@given(st.lists(st.tuples(IDS, TEXTS), max_size=8))
@settings(deadline=None)
def test_every_line_is_found_by_its_offset(turns: list[tuple[str, str]]) -> None:
    """Lines come back oldest first, and each is found again where it starts."""
    lines = [replace(LINE, turn=turn, message_id=name, text=text) for turn, (name, text) in enumerate(turns, 1)]
    ledger = ledger_of(*lines)
    offsets = [len(ledger_of(*lines[:turn])) for turn in range(len(lines))]
    assert list(lines_of(ledger)) == lines
    assert [line_at(ledger, offset) for offset in offsets] == lines


def test_the_last_line_needs_no_line_feed() -> None:
    """A ledger cut just before its last line feed has all its lines."""
    assert line_at(ledger_of(LINE)[:-1], 0) == LINE
    assert list(lines_of(ledger_of(LINE, LINE)[:-1])) == [LINE, LINE]


@pytest.mark.parametrize("offset", [1, 9, len(encode_line(LINE)) - 2, len(encode_line(LINE)), 10**6])
def test_an_offset_inside_a_line_or_behind_the_end_is_corrupt(offset: int) -> None:
    """Reading from where no line starts is `Corrupt`, never another turn's reply."""
    with pytest.raises(Corrupt, match="ledger"):
        line_at(encode_line(LINE), offset)


def test_a_field_of_a_later_version_is_left_out() -> None:
    """A line with a field this outlive does not know reads as the rest of it."""
    later = json.loads(encode_line(LINE)) | {"mood": "good"}
    assert decode_line(json.dumps(later).encode()) == LINE


@pytest.mark.parametrize(
    "raw", [b"", b"{}", b"[]", b"null", b"7", b"\xff", encode_line(LINE)[:-2], encode_line(LINE)[1:]]
)
def test_what_is_no_line_is_corrupt(raw: bytes) -> None:
    """A torn, garbled or foreign line is `Corrupt` and says how to go on."""
    with pytest.raises(Corrupt, match=r"ledger\.jsonl cannot be read.*Rewind"):
        decode_line(raw)


NEWER = {
    "attached": (),
    "prompt_version": "",
    "agent_turns": 0,
    "seconds": 0.0,
    "approval": None,
    "lifted": "",
    "joined": (),
    "files": (),
}


@pytest.mark.parametrize("field", [name for name in LedgerLine.__dataclass_fields__ if name not in NEWER])
def test_a_line_without_one_of_its_fields_is_corrupt(field: str) -> None:
    """A line that lacks any one of its first fields is `Corrupt`."""
    fields = json.loads(encode_line(LINE))
    del fields[field]
    with pytest.raises(Corrupt):
        decode_line(json.dumps(fields).encode())


def test_a_line_of_an_older_outlive_is_read() -> None:
    """A line from before prompt version, model calls and time were noted has none of them."""
    fields = {name: value for name, value in json.loads(encode_line(LINE)).items() if name not in NEWER}
    assert decode_line(json.dumps(fields).encode()) == replace(LINE, **NEWER)


@pytest.mark.promise("P2")
@given(st.lists(IDS, min_size=1, max_size=4), TEXTS, st.floats(0, 4e9))
@settings(deadline=None)
def test_what_a_line_answers_is_told_without_the_rest_of_it(answered: list[str], text: str, at: float) -> None:
    """When a line was committed and every id it answers are those that were written, whatever else it says."""
    line = replace(LINE, message_id=answered[0], joined=tuple(answered[1:]), text=text, reply=text, at=at)
    assert answered_in(encode_line(line)) == (at, tuple(answered))


@pytest.mark.parametrize("wanted", ["m-7", '"m-7"', "m", ',"joined":["m-7"]', '{"message_id":"m-7"}', "\ud800"])
@pytest.mark.parametrize("field", ["text", "reply", "sender", "session_key", "worker", "agent_session_id"])
def test_a_message_that_only_mentions_an_id_is_not_taken_for_it(wanted: str, field: str) -> None:
    """An id in a text, even alone or spelled like the ledger's own JSON, is no answer to that id."""
    spellings = [wanted, f'"{wanted}"', f'"message_id":"{wanted}"', json.dumps({"message_id": wanted})]
    lines = [encode_line(replace(LINE, **{field: spelling})) for spelling in spellings]
    assert [answered_in(line) for line in lines] == [(LINE.at, (LINE.message_id,))] * 4


@pytest.mark.parametrize("raw", [b"", b"\n", b"{}", encode_line(LINE)[:40], encode_line(LINE)[40:], b"\xff"])
def test_what_is_no_line_answers_nothing_that_is_known(raw: bytes) -> None:
    """A blank or damaged line is told apart from one that answers another message."""
    assert answered_in(raw) is None


def test_an_empty_ledger_has_no_lines() -> None:
    """A session without turns has answered nothing."""
    assert list(lines_of(b"")) == []


def test_a_line_and_the_window_name_a_message_alike() -> None:
    """The digest of a line is the one under which the head's window knows its message."""
    assert digest_of(LINE) == message_digest("m-1")


def test_what_came_with_a_message_reads_back() -> None:
    """Files of a message read back, fields of a later version are left out, and lines without files stay the same."""
    line = replace(LINE, attached=(Attached("a.txt", "text/plain", 5, "0a"), Attached("b", "", 0)))
    fields = json.loads(encode_line(line))
    fields["attached"][0]["of_a_later_version"] = True
    assert decode_line(json.dumps(fields).encode()) == line
    assert b"attached" not in encode_line(LINE)
