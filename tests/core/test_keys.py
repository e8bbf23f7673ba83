"""Names are checked where they come in, and no storage key made of them leaves its tenant."""

from __future__ import annotations

import re
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outlive.core.keys import (
    MAX_KEY_BYTES,
    SessionKey,
    check_part,
    head_key,
    mapping_key,
    message_digest,
    pack_prefix,
    parse_session_id,
    parse_session_key,
    parse_tenant,
    quote_part,
    session_key,
)
from outlive.errors import Invalid

SESSION = parse_session_id("0123456789abcdef" * 2)
SEGMENT = re.compile(r"(?!\.{1,2}\Z)[A-Za-z0-9._%=-]+")
TENANTS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", fullmatch=True)
PRINTABLE = st.characters(exclude_categories=("Cs", "Cc"))
PARTS = st.text(PRINTABLE, min_size=1, max_size=20)
TRICKY = st.text(st.sampled_from("./\\:~%2eE=*? \u00e9\U0001f600"), min_size=1, max_size=20)
KEYS = st.builds(session_key, TENANTS, PARTS | TRICKY, PARTS | TRICKY, PARTS | TRICKY)


def is_legal(storage_key: str) -> bool:
    """Whether every segment may stand in an object key, and none leads elsewhere."""
    return all(SEGMENT.fullmatch(segment) for segment in storage_key.split("/"))


@given(KEYS)
@settings(deadline=None)
def test_the_text_form_of_a_session_key_reads_back(key: SessionKey) -> None:
    """A session key of any printable parts is what its text form is read back as."""
    assert parse_session_key(str(key)) == key


@pytest.mark.promise("P9")
@given(KEYS)
@settings(deadline=None)
def test_a_mapping_key_stays_inside_its_tenant(key: SessionKey) -> None:
    """A mapping's storage key has five legal segments below the tenant's, whatever the chat is called."""
    stored = f"{key.tenant}/{mapping_key(key)}"
    assert is_legal(stored)
    assert stored.split("/")[:2] == [key.tenant, "key"]
    assert stored.count("/") == 4


@pytest.mark.promise("P9")
@given(KEYS, KEYS)
@settings(deadline=None)
def test_two_session_keys_never_share_a_mapping(one: SessionKey, other: SessionKey) -> None:
    """Two session keys have the same storage key only when they are the same key."""
    places = {(key.tenant, mapping_key(key)) for key in (one, other)}
    assert len(places) == len({one, other})


@pytest.mark.parametrize(
    ("one", "other"),
    [(("a/b", "c"), ("a", "b/c")), (("a:b", "c"), ("a", "b:c")), (("%2E", "c"), (".", "c")), (("a", "C"), ("a", "c"))],
)
def test_separators_inside_a_part_do_not_move_it(one: tuple[str, str], other: tuple[str, str]) -> None:
    """Parts that differ only in where a separator stands, how they are quoted or in case are different sessions."""
    assert mapping_key(session_key("t", "c", *one)) != mapping_key(session_key("t", "c", *other))


@given(st.lists(st.sampled_from("a.\u00e9\u20ac\U0001f600"), min_size=1, max_size=128).map("".join))
@settings(deadline=None)
def test_an_accepted_session_key_fits_into_a_table(part: str) -> None:
    """A session key is refused, or its mapping's storage key has at most the 1,024 bytes a table takes."""
    with suppress(Invalid):
        key = session_key("t" * 64, part, part, part)
        assert len(f"{key.tenant}/{mapping_key(key)}".encode()) <= 1024


def test_three_long_parts_are_too_much_together() -> None:
    """Parts that are short enough one by one but too long together once encoded are `Invalid` with the limit."""
    smile = "\U0001f600" * 27
    assert len(str(session_key("t", smile, smile, smile + "x" * 20))) == MAX_KEY_BYTES - 4
    assert len(str(session_key("t" * 5, smile, smile, smile + "x" * 20))) == MAX_KEY_BYTES
    with pytest.raises(Invalid, match=f"session key is 1001 bytes long.*{MAX_KEY_BYTES} bytes at most"):
        session_key("t" * 6, smile, smile, smile + "x" * 20)


@pytest.mark.parametrize("part", [".", "..", "...", "~", "a.b", "/", "../..", "%", "%2e%2e", "\\", "con", "a b"])
def test_a_quoted_part_is_one_legal_segment(part: str) -> None:
    """A quoted part is never empty, `.` or `..` and holds no separator."""
    assert SEGMENT.fullmatch(quote_part(part))


def test_the_keys_of_a_session_are_legal() -> None:
    """The head's key and the packs' prefix are made of legal segments and the session id."""
    assert (head_key(SESSION), pack_prefix(SESSION)) == (f"head/{SESSION}", f"sessions/{SESSION}/packs/")
    assert is_legal(head_key(SESSION))
    assert is_legal(pack_prefix(SESSION) + "x")


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("chat", "local:console:chat:default"),
        ("chat:7", "local:console:chat:7"),
        ("telegram:chat:7", "local:telegram:chat:7"),
        ("acme:telegram:chat:7", "acme:telegram:chat:7"),
        ("a%3Ab", "local:console:a%3Ab:default"),
    ],
)
def test_what_a_session_key_leaves_out_is_filled_in(text: str, key: str) -> None:
    """One to four parts make a session key; the tenant, channel and thread it leaves out have their defaults."""
    assert str(parse_session_key(text)) == key


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "session key ''"),
        ("a:b:c:d:e", "session key 'a:b:c:d:e'"),
        (":", "chat_id is empty"),
        ("chat:", "thread_id is empty"),
        (":chat:7", "channel is empty"),
        (":telegram:chat:7", "tenant ''"),
        ("a b:telegram:chat:7", "tenant 'a b'"),
        ("chat%00", "chat_id 'chat\\x00'"),
        ("%ff", "session key '%ff'"),
    ],
)
def test_a_bad_session_key_is_refused_by_part(text: str, named: str) -> None:
    """A session key that cannot be read is `Invalid`, names its bad part and says what to do."""
    with pytest.raises(Invalid, match=re.escape(named)) as refused:
        parse_session_key(text)
    assert refused.value.fix


@given(st.text(st.characters() | st.sampled_from(":%/"), max_size=40))
@settings(deadline=None)
def test_any_text_is_a_session_key_or_invalid(text: str) -> None:
    """No text whatever makes reading a session key fail with anything but `Invalid`."""
    try:
        key = parse_session_key(text)
    except Invalid:
        return
    assert is_legal(f"{key.tenant}/{mapping_key(key)}")


@pytest.mark.promise("P9")
@pytest.mark.parametrize(
    "text",
    ["", "-a", "_a", ".", "..", "a.b", "a/b", "a\\b", "a:b", "a%2Fb", "\u00e9", "a\n", "a b", "\u0660", "a" * 65],
)
def test_a_tenant_that_could_leave_its_prefix_is_refused(text: str) -> None:
    """A tenant is 1 to 64 ASCII letters, digits, `_` or `-`; anything else is `Invalid` and named."""
    with pytest.raises(Invalid, match="tenant " + re.escape(repr(text))):
        parse_tenant(text)


@given(TENANTS)
def test_a_tenant_is_kept_as_it_is(text: str) -> None:
    """A valid tenant is its own storage prefix, letter for letter."""
    assert parse_tenant(text) == text
    assert is_legal(text)


@pytest.mark.parametrize("text", ["", "0" * 31, "0" * 33, "A" * 32, "g" * 32, "../" + "0" * 29, "0" * 32 + "\n"])
def test_a_session_id_is_32_hexadecimal_digits(text: str) -> None:
    """Anything but 32 lower-case hexadecimal digits is no session id."""
    with pytest.raises(Invalid, match="session id " + re.escape(repr(text))):
        parse_session_id(text)


@pytest.mark.parametrize("bad", ["\x00", "\x1f", "\n", "\x7f", "\ud800", chr(0xDFFF)])
@pytest.mark.parametrize("field", ["channel", "chat_id", "thread_id"])
def test_control_characters_and_half_characters_are_refused(field: str, bad: str) -> None:
    """A part with a control character or a lone surrogate is `Invalid` and its field is named."""
    parts = {"channel": "c", "chat_id": "c", "thread_id": "c"} | {field: f"a{bad}b"}
    with pytest.raises(Invalid, match=f"^{field} "):
        session_key("t", **parts)


def test_lengths_are_counted_in_bytes() -> None:
    """64 letters of two bytes are the longest such part: 128 bytes pass, 130 are refused with the limit."""
    check_part("chat_id", "\u00e9" * 64)
    with pytest.raises(Invalid, match=r"chat_id is 130 bytes long.*128 bytes at most"):
        check_part("chat_id", "\u00e9" * 65)


@given(st.sets(PARTS, min_size=2, max_size=50))
@settings(deadline=None)
def test_message_digests_tell_ids_apart(ids: set[str]) -> None:
    """A message digest is twelve ASCII characters, the same for one id and different for different ids."""
    digests = {message_digest(each) for each in ids} | {message_digest(each) for each in ids}
    assert len(digests) == len(ids)
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{12}", digest) for digest in digests)
