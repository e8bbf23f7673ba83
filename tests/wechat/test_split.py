"""Long texts in parts of so many bytes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from outlive.channels.wechat.split import split_bytes

FAMILY = "\U0001f469\u200d\U0001f469\u200d\U0001f467"


@given(st.text(max_size=400), st.integers(8, 64))
def test_parts_joined_are_the_text(text: str, limit: int) -> None:
    """Any text comes back whole, in parts within the limit, none of them empty."""
    text = text.encode(errors="replace").decode()
    parts = split_bytes(text, limit)
    assert "".join(parts) == text
    assert all(len(part.encode()) <= limit for part in parts)
    assert all(parts) or parts == [""]


def test_a_part_ends_where_people_pause() -> None:
    """Paragraphs are kept whole where they fit, words where nothing else does."""
    assert split_bytes("one two\n\nthree four", 12) == ["one two\n\n", "three four"]
    assert split_bytes("aaaa bbbb cccc", 10) == ["aaaa bbbb ", "cccc"]


def test_a_character_is_never_broken() -> None:
    """Neither the bytes of a Chinese character nor the parts of one emoji are torn apart."""
    assert split_bytes("你好世界", 7) == ["你好", "世界"]
    assert split_bytes("a" * 12 + FAMILY, 24) == ["a" * 12, FAMILY]


def test_a_lone_surrogate_does_no_harm() -> None:
    """Half a character becomes a question mark, as it cannot be sent."""
    assert split_bytes("a\ud800", 10) == ["a?"]
