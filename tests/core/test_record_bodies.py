"""Bodies of records as a store that bills by the kilobyte holds them."""

from __future__ import annotations

import zlib
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlive.core.keys import SessionId, message_digest
from outlive.core.limits import BODY_BYTES
from outlive.core.packs import PackRef, pack_name
from outlive.core.record_bodies import MARK, PACK_FROM, WORDS, pack, unpack
from outlive.core.sessions import ANSWERED_WINDOW, Answered, Head, encode_head
from outlive.errors import Corrupt

BODY = b'{"session_id":"' + b"".join(b"%d," % (number * number) for number in range(300))
OLD = bytes.fromhex("4f4c523158a4800af4a84b4c1a85a370148ec251484f08005e611553")
"""A stored body of before: 700 times `ab`."""


def full_head(turns: int) -> Head:
    """A head as it looks after so many turns, whose message ids and packs are as random as real ones."""
    random = Random(turns)
    packs = tuple(
        PackRef(pack_name(number, number, 1), 40_000 + number, random.randbytes(8).hex(), 90_000)
        for number in range(min(turns, 4))
    )
    answered = tuple(
        Answered(message_digest(str(number)), number, 1500 * number + random.randrange(9), 1_750_000_000 + 251 * number)
        for number in range(turns)
    )[-ANSWERED_WINDOW:]
    head = Head(SessionId(random.randbytes(16).hex()), "acme:console:ada:default", 1_750_000_000.25, 1_760_000_000.5)
    return replace(head, version=turns, packs=packs, answered=answered, agent_session_id=random.randbytes(16).hex())


@given(st.binary() | st.binary().map(lambda data: (data + b"x") * PACK_FROM) | st.binary().map(MARK.__add__))
def test_what_is_packed_is_unpacked(body: bytes) -> None:
    """Any body comes back as it was, one that begins with the mark included."""
    assert unpack(pack(body), "r") == body


@pytest.mark.parametrize(("turns", "most"), [(1, 400), (40, 860), (64, 1250), (5000, 1300)])
def test_a_head_shrinks(turns: int, most: int) -> None:
    """A head of 40 turns leaves room in one write unit for its keys and numbers, and any other one in two."""
    assert len(pack(encode_head(full_head(turns)))) <= most


@pytest.mark.parametrize("body", [b"", b"x" * (PACK_FROM - 1), Random(1).randbytes(4000)])
def test_what_would_not_gain_stays_as_it_is(body: bytes) -> None:
    """Small and random bodies (sealed ones) are stored without a change."""
    assert pack(body) == body


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-1], lambda data: data + b"x", lambda data: data[:9], lambda data: data[:4]]
)
def test_a_damaged_body_is_named(damage) -> None:
    """A body that was cut or went on is `Corrupt`, naming the record and the fix."""
    with pytest.raises(Corrupt, match="record acme/head/1 does not unpack") as caught:
        unpack(damage(pack(BODY)), "acme/head/1")
    assert "backup" in str(caught.value.fix)


def test_any_changed_byte_is_found() -> None:
    """No flipped byte behind the mark yields another body."""
    packed = pack(BODY)
    for at in range(len(MARK), len(packed)):
        with pytest.raises(Corrupt):
            unpack(packed[:at] + bytes([packed[at] ^ 1]) + packed[at + 1 :], "r")


def test_a_bomb_does_not_go_off() -> None:
    """A stream of more than a record's limit is `Corrupt`, and one of the limit is not."""
    assert len(unpack(_deflated(BODY_BYTES), "r")) == BODY_BYTES
    for size in (BODY_BYTES + 1, 100 * BODY_BYTES):
        with pytest.raises(Corrupt):
            unpack(_deflated(size), "r")


def test_bodies_of_before_are_read() -> None:
    """The dictionary has not changed since the first body was packed with it."""
    assert unpack(OLD, "r") == b"ab" * 700


def _deflated(size: int) -> bytes:
    stream = zlib.compressobj(zdict=WORDS)
    return MARK + stream.compress(bytes(size)) + stream.flush()
