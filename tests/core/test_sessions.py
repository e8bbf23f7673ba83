"""A head and a mapping read back as written, stay small, and are refused when they are not what they should be."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outlive.core.controls import WhileBusy
from outlive.core.keys import SessionId, message_digest, session_key
from outlive.core.packs import PackName, PackRef, pack_name
from outlive.core.session_options import SessionOptions
from outlive.core.sessions import (
    ANSWERED_WINDOW,
    SESSION_TTL,
    Answered,
    Head,
    KeyMapping,
    Pending,
    Summary,
    decode_head,
    decode_mapping,
    delivered,
    encode_head,
    encode_mapping,
    settled,
)
from outlive.errors import Corrupt, SchemaTooNew

ID = SessionId("0123456789abcdef" * 2)
KEY = session_key("acme-production", "telegram", "-1001234567890", "77123")
NAME = f"head/{ID}"
EMPTY = Head(ID, str(KEY), 1_790_000_000.125, 1_790_000_000.125)
MAPPING = KeyMapping(str(KEY), ID, KEY.chat_id, KEY.thread_id, 1.5, 2.5, 3.5)

TEXTS = st.text(st.characters(), max_size=12)
NUMBERS = st.integers(0, 2**48)
TIMES = st.floats(0, 4e9)
DIGESTS = st.text("abcXYZ019-_", min_size=12, max_size=12)
HEADS = st.builds(
    Head,
    session_id=st.just(ID),
    key=TEXTS,
    created_at=TIMES,
    updated_at=TIMES,
    version=NUMBERS,
    agent_session_id=st.none() | TEXTS,
    profile=TEXTS,
    prompt_version=TEXTS,
    clean_fence=NUMBERS,
    lineage=NUMBERS,
    packs=st.lists(st.builds(PackRef, TEXTS.map(PackName), NUMBERS, TEXTS, NUMBERS, st.booleans()), max_size=3).map(
        tuple
    ),
    ledger_size=NUMBERS,
    answered=st.lists(st.builds(Answered, DIGESTS, NUMBERS, NUMBERS, NUMBERS), max_size=4).map(tuple),
    answered_until=NUMBERS,
    outbox=st.lists(st.builds(Pending, TEXTS, TEXTS, NUMBERS, NUMBERS), max_size=2).map(tuple),
    summary=st.builds(Summary, TEXTS, NUMBERS, TIMES, NUMBERS, NUMBERS, NUMBERS),
    region=TEXTS,
    last_active_region=TEXTS,
    options=st.builds(SessionOptions, TEXTS, st.none() | st.sampled_from(WhileBusy)),
)


def long_lived() -> Head:
    """A head after ten thousand turns of three kilobytes each: full window, four packs, one reply on its way."""
    turns = range(10_000 - ANSWERED_WINDOW, 10_000)
    window = tuple(Answered(message_digest(f"{n}"), n, n * 3_111 + n % 7, 1_790_000_000 + n * 86_399) for n in turns)
    packs = tuple(PackRef(pack_name(n, n, 1), 40_000_000 + n, f"{n:032x}", 160_000_000 + n) for n in turns[-4:])
    agent = "c8a5d7b4-6327-435d-819e-66a3508483d9"
    outbox = (Pending("telegram-update-1234567890", str(KEY), 9_999, window[-1].offset),)
    summary = Summary("\u6f22" * 80, 9_999, 123.456789, 10**9, 10**8, 10**10)
    return replace(
        EMPTY, version=9_999, agent_session_id=agent, clean_fence=10_000, packs=packs, ledger_size=31_110_000,
        answered=window, answered_until=1_790_000_000, outbox=outbox, summary=summary, region="eu-central-1",
        last_active_region="us-west-2", prompt_version="a" * 32,
    )  # fmt: skip


def garbled(**changes: Any) -> bytes:
    """A stored head with these fields set to something else."""
    return json.dumps(json.loads(encode_head(long_lived())) | changes).encode()


@given(HEADS)
@settings(deadline=None)
def test_a_head_reads_back(head: Head) -> None:
    """Every field of a head reads back as written, whatever the texts, the numbers and their order are."""
    assert decode_head(encode_head(head), NAME) == head


def test_every_field_of_a_head_is_stored() -> None:
    """The stored head holds every field of `Head` under its own name, and its schema."""
    full = replace(EMPTY, lifted_rules=("Bash",), left=("digest",), options=SessionOptions("opus"))
    assert json.loads(encode_head(full)).keys() == {"schema", *(field.name for field in fields(Head))}


@pytest.mark.parametrize("change", [{"options": {"model": 7}}, {"options": {"while_busy": "later"}}, {"options": []}])
def test_options_that_cannot_be_read_are_corrupt(change: dict[str, Any]) -> None:
    """A model that is no text, a mode that is not known, or what is no object is `Corrupt` and names the record."""
    with pytest.raises(Corrupt, match=NAME):
        decode_head(garbled(**change), NAME)


def test_a_head_without_options_can_be_read_by_older_workers() -> None:
    """Only a head that has options is written in the newest schema."""
    assert [json.loads(encode_head(head))["schema"] for head in (EMPTY, replace(EMPTY, lifted_rules=("Bash",)))] == [
        1,
        2,
    ]
    assert json.loads(encode_head(replace(EMPTY, options=SessionOptions("opus"))))["schema"] == 3


def test_a_head_stays_under_4_kb() -> None:
    """A head with a full window of 64 messages, four packs, a pending reply and a long title is under 4 KB."""
    head = long_lived()
    assert decode_head(encode_head(head), NAME) == head
    assert len(head.answered) == 64
    assert len(encode_head(head)) < 4000


def test_an_answered_message_costs_the_head_little() -> None:
    """A full window costs at most 30 bytes a message."""
    head = long_lived()
    assert len(encode_head(head)) - len(encode_head(replace(head, answered=()))) <= 30 * ANSWERED_WINDOW


@pytest.mark.parametrize("schema", [4, 99])
def test_a_newer_head_is_told_apart(schema: int) -> None:
    """A head of a newer schema is `SchemaTooNew`, names the record and says to upgrade, whatever its fields are."""
    for body in (garbled(schema=schema), garbled(schema=schema, unheard="of"), b'{"schema": %d}' % schema):
        with pytest.raises(SchemaTooNew, match=f"{NAME} has schema {schema}.*Upgrade"):
            decode_head(body, NAME)


@pytest.mark.parametrize("field", json.loads(encode_head(EMPTY)))
def test_a_head_without_one_of_its_fields_is_corrupt(field: str) -> None:
    """A head that lacks any one of its fields is `Corrupt` and names the record."""
    body = json.loads(encode_head(long_lived()))
    del body[field]
    with pytest.raises(Corrupt, match=NAME):
        decode_head(json.dumps(body).encode(), NAME)


def test_a_head_with_an_unknown_field_is_corrupt() -> None:
    """A field this outlive would drop with its next commit makes the head `Corrupt`, and the field is named."""
    with pytest.raises(Corrupt, match=rf"{NAME} has unknown fields: \['mission'\]"):
        decode_head(garbled(mission={}), NAME)


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"null", b"7", b'"schema"', b"\xff", encode_head(EMPTY)[:-1]])
def test_what_is_no_head_is_corrupt(body: bytes) -> None:
    """Bytes that are no head are `Corrupt` and name the record."""
    with pytest.raises(Corrupt, match=f"record {NAME} is not a session head"):
        decode_head(body, NAME)


@pytest.mark.parametrize(
    "changes",
    [
        {"schema": None},
        {"schema": "1"},
        {"schema": []},
        {"packs": None},
        {"packs": [["name", 1]]},
        {"answered": None},
        {"answered": [""]},
        {"answered": ["d" * 12, [1], [1], []]},
        {"answered": ["d" * 24, [1], [1], [1]]},
        {"answered": ["d" * 12, [1], [1]]},
        {"outbox": [["id"]]},
        {"outbox": 7},
        {"summary": None},
        {"summary": {"colour": "red"}},
    ],
)
def test_a_head_with_a_garbled_field_is_corrupt(changes: dict[str, Any]) -> None:
    """A head whose packs, window, outbox, summary or schema cannot be read is `Corrupt` and names the record."""
    with pytest.raises(Corrupt, match=NAME):
        decode_head(garbled(**changes), NAME)


def test_a_session_lives_25_days_after_its_last_turn() -> None:
    """The time to live slides with the last update."""
    assert SESSION_TTL == 25 * 24 * 3600
    assert replace(EMPTY, updated_at=1000.0).expires_at == 1000.0 + SESSION_TTL


def test_a_delivered_reply_leaves_the_outbox() -> None:
    """Delivery takes the reply to this message out of the outbox, leaves the others, and repeats harmlessly."""
    one, other = Pending("m-1", str(KEY), 1, 0), Pending("m-2", str(KEY), 2, 90)
    head = replace(EMPTY, outbox=(one, other))
    assert delivered(head, "m-1").outbox == (other,)
    assert delivered(delivered(head, "m-1"), "m-1") == replace(head, outbox=(other,))


def test_an_orderly_end_is_noted_by_fence() -> None:
    """The head of a lease that ended in order says so, and nothing else changes."""
    assert settled(EMPTY, 7) == replace(EMPTY, clean_fence=7)


@given(st.builds(KeyMapping, TEXTS, st.just(ID), TEXTS, TEXTS, TIMES, TIMES, TIMES))
@settings(deadline=None)
def test_a_mapping_reads_back(mapping: KeyMapping) -> None:
    """The seven fields of a mapping read back as written."""
    assert decode_mapping(encode_mapping(mapping), "key/a") == mapping


def test_a_mapping_has_the_seven_fields_of_the_original_design() -> None:
    """A stored mapping has exactly the seven fields other tools look for, and its schema."""
    names = {"schema", "session_key", "session_id", "chat_id", "thread_id", "created_at", "updated_at", "ttl"}
    assert json.loads(encode_mapping(MAPPING)).keys() == names


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"{}",
        b"\xff",
        encode_mapping(MAPPING)[:-1],
        encode_mapping(MAPPING).replace(b"ttl", b"tt1"),
    ],
)
def test_what_is_no_mapping_is_corrupt(body: bytes) -> None:
    """A mapping that cannot be read, or has a field missing or unknown, is `Corrupt` and names the record."""
    with pytest.raises(Corrupt, match="record key/a is not a session mapping"):
        decode_mapping(body, "key/a")
