"""An inbound message is accepted whole or refused by field, and its queue form reads back."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outlive.core.keys import session_key
from outlive.core.messages import MAX_TEXT_BYTES, FileRef, Inbound, check_inbound, decode_inbound, encode_inbound
from outlive.errors import Corrupt, Invalid, SchemaTooNew, TooLarge

QUEUE_BYTES = 256 * 1024
HELLO = Inbound(session_key("acme", "telegram", "42"), "m-1", "hello", 1_790_000_000.25, "ada")
WIDEST = session_key("t" * 64, "\U0001f600" * 25, "\U0001f600" * 25, "\U0001f600" * 25)
TEXTS = st.text(st.characters(), max_size=200)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8), lambda inner: st.lists(inner, max_size=7)
)


@given(text=TEXTS, sender=TEXTS, at=st.floats(allow_nan=False))
@settings(deadline=None)
def test_the_queue_form_reads_back(text: str, sender: str, at: float) -> None:
    """A message of any text, NUL and lone surrogates included, reads back as it was."""
    inbound = replace(HELLO, text=text, sender=sender, sent_at=at)
    assert decode_inbound(encode_inbound(inbound)) == inbound


def test_an_ordinary_message_is_accepted() -> None:
    """A message with an id and one to 196,608 plain letters passes, with a sender or without."""
    check_inbound(HELLO)
    check_inbound(replace(HELLO, sender="", text="\x00."))
    check_inbound(replace(HELLO, text="a" * 196_608))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("text", ""),
        ("text", " \n\t\u2003"),
        ("message_id", ""),
        ("message_id", "a\x00b"),
        ("message_id", "\ud800"),
        ("message_id", "m" * 257),
        ("sender", "s" * 257),
        ("sender", "\ud800"),
    ],
)
def test_a_bad_field_is_refused_by_name(field: str, value: str) -> None:
    """A message with an empty text, or a bad id or sender, is `Invalid`; the field and the fix are named."""
    with pytest.raises(Invalid, match=f"^{field} ") as refused:
        check_inbound(replace(HELLO, **{field: value}))
    assert refused.value.fix


@pytest.mark.promise("P13")
@pytest.mark.parametrize("character", ["a", "\u00e9", "\u6f22", "\U0001f600", "\x00", "\ud800", '"', "\n"])
def test_the_longest_accepted_message_fits_into_a_queue(character: str) -> None:
    """Whatever its script, the longest text that is accepted fits into a queue entry of 256 KB with the widest key."""
    longest = MAX_TEXT_BYTES // (len(json.dumps(character)) - 2)
    inbound = Inbound(WIDEST, "\u6f22" * 85, "." + character * (longest - 1), 1.0, "\u6f22" * 85)
    check_inbound(inbound)
    assert len(encode_inbound(inbound)) < QUEUE_BYTES
    with pytest.raises(TooLarge, match=f"text is .* {MAX_TEXT_BYTES:,} bytes at most"):
        check_inbound(replace(inbound, text="." + character * (longest + 1)))


def test_a_message_of_a_newer_outlive_is_told_apart() -> None:
    """A queued message of a newer schema is `SchemaTooNew` whatever its fields are, not damaged."""
    with pytest.raises(SchemaTooNew, match="schema 3"):
        decode_inbound(b'[3,{"unheard":"of"}]')


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b"[1]",
        b'["1","a","b","c",0,""]',
        b"\xff",
        b"null",
        encode_inbound(HELLO)[:-1],
        encode_inbound(HELLO).replace(b"acme:", b"..:"),
        encode_inbound(HELLO).replace(b"acme:", b"%ff:"),
        encode_inbound(HELLO).replace(b'"acme:telegram:42:default"', b"7"),
        encode_inbound(HELLO).replace(b'"ada"', b'"ada",1'),
    ],
)
def test_what_is_no_queued_message_is_corrupt(body: bytes) -> None:
    """A body that is no message, or has a field missing, added or garbled, is `Corrupt` with a way out."""
    with pytest.raises(Corrupt, match="queued message cannot be read") as damaged:
        decode_inbound(body)
    assert damaged.value.fix


@given(st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode()))
@settings(deadline=None)
def test_any_body_is_a_message_or_corrupt(body: bytes) -> None:
    """No bytes whatever make reading a queued message fail with anything but `Corrupt`."""
    with suppress(Corrupt):
        assert isinstance(decode_inbound(body), Inbound)


PHOTO = FileRef("1-photo.jpg", "image/jpeg", 10, "file-1")


def test_files_travel_with_their_message() -> None:
    """A message with files reads back with them, and one without is written as before."""
    inbound = replace(HELLO, files=(PHOTO, FileRef("2-b.txt", "", 0, "file-2")))
    assert decode_inbound(encode_inbound(inbound)) == inbound
    assert b"files" not in encode_inbound(HELLO)


@pytest.mark.parametrize(
    "files",
    [
        (replace(PHOTO, name="../a"),),
        (replace(PHOTO, name=".a"),),
        (replace(PHOTO, name=""),),
        (replace(PHOTO, name="a\x00"),),
        (replace(PHOTO, ref="r" * 2049),),
        tuple(replace(PHOTO, name=str(n), ref="r" * 2048) for n in range(6)),
        (PHOTO, PHOTO),
        tuple(replace(PHOTO, name=str(n)) for n in range(21)),
    ],
)
def test_a_bad_file_is_refused_by_name(files: tuple[FileRef, ...]) -> None:
    """A file whose name leads elsewhere, a name given twice, and too many files are refused."""
    with pytest.raises(Invalid, match=r"^files") as refused:
        check_inbound(replace(HELLO, files=files))
    assert refused.value.fix
