"""Splitting: joined chunks give back the text, each within the limits, and nothing that belongs together is cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlive.channels.telegram.markdown import Entity, Formatted, formatted, utf16_length
from outlive.channels.telegram.split import LIMIT, MAX_ENTITIES, is_boundary, shortened, split

PYTHON = (("language", "python"),)
FAMILY = "👨‍👩‍👧‍👦"
PIECES = st.sampled_from(["word ", "\n", "\n\n", FAMILY, "🇩🇪", "é", "e\u0301", "👍🏽", "a" * 30, "1️⃣", "한국", "x"])
TEXTS = st.lists(PIECES, max_size=60).map("".join)
MARKDOWN = st.lists(
    st.sampled_from(
        [
            "**bold** ",
            "`code` ",
            "```py\nx = 1\ny = 2\n```\n\n",
            "[link](http://a.example) ",
            "> said\n\n",
            "text\n",
            "- item\n",
        ]
    )
    | st.text(max_size=12),
    max_size=40,
).map("".join)


@st.composite
def formatted_texts(draw: st.DrawFn) -> Formatted:
    """A text with entities that lie inside it."""
    text = draw(TEXTS)
    size = utf16_length(text)
    spans = draw(st.lists(st.tuples(st.integers(0, size), st.integers(1, 30)), max_size=12)) if size else []
    kinds = st.sampled_from(["bold", "pre", "code", "text_link"])
    return Formatted(text, tuple(Entity(draw(kinds), at, min(n, size - at)) for at, n in spans if at < size))


@given(whole=formatted_texts(), limit=st.integers(24, 80))
def test_joined_chunks_are_the_text(whole: Formatted, limit: int) -> None:
    """Whatever the text, its chunks joined are the text again, and each is within the limit and not empty."""
    chunks = split(whole, limit)
    assert "".join(chunk.text for chunk in chunks) == whole.text
    assert all(0 < utf16_length(chunk.text) <= limit for chunk in chunks)


@given(whole=formatted_texts(), limit=st.integers(24, 80))
def test_every_entity_lies_inside_its_chunk(whole: Formatted, limit: int) -> None:
    """Each chunk's entities begin and end inside it, and all together cover what they covered before."""
    chunks = split(whole, limit)
    assert all(e.offset >= 0 and e.length > 0 and e.end <= utf16_length(c.text) for c in chunks for e in c.entities)
    assert sum(e.length for c in chunks for e in c.entities) == sum(e.length for e in whole.entities)


@given(text=TEXTS, limit=st.integers(24, 80))
def test_no_visible_character_is_cut(text: str, limit: int) -> None:
    """Every cut lies between two characters as people see them, be they families, flags or accents."""
    at = 0
    for chunk in split(Formatted(text), limit):
        at += len(chunk.text)
        assert is_boundary(text, at)


@given(markdown=MARKDOWN)
def test_any_markdown_becomes_messages(markdown: str) -> None:
    """Any Markdown converts, and its chunks give back the converted text within the limits of a message."""
    whole = formatted(markdown)
    chunks = split(whole, 64)
    assert "".join(chunk.text for chunk in chunks) == whole.text
    assert all(utf16_length(chunk.text) <= 64 and len(chunk.entities) <= MAX_ENTITIES for chunk in chunks)
    assert all(e.offset >= 0 and e.end <= utf16_length(whole.text) for e in whole.entities)


def test_a_code_block_stays_one_in_every_chunk() -> None:
    """A code block longer than a message is a code block of the same language in each of its chunks."""
    whole = formatted("```python\n" + "print('hello')\n" * 600 + "```")
    chunks = split(whole)
    assert len(chunks) > 1
    assert all(
        [(e.type, dict(e.extra)) for e in chunk.entities] == [("pre", {"language": "python"})] for chunk in chunks
    )
    assert all(chunk.text.endswith("\n") for chunk in chunks[:-1])


def test_a_cut_keeps_an_inline_entity_whole() -> None:
    """A link or bold words that would lie over the cut go into the next chunk as a whole."""
    text = "a " * 20 + "[bold words here] end"
    at = text.index("[")
    whole = Formatted(text, (Entity("bold", at, len("[bold words here]")),))
    first, second = split(whole, 50)
    assert (first.entities, second.text) == ((), "[bold words here] end")


def test_a_paragraph_is_the_best_place_to_cut() -> None:
    """Between two paragraphs rather than in a line, and in a line rather than in a word."""
    assert [c.text for c in split(Formatted("one two\n\nthree four five"), 18)] == ["one two\n\n", "three four five"]
    assert [c.text for c in split(Formatted("one two three"), 9)] == ["one two ", "three"]


def test_many_entities_make_more_chunks() -> None:
    """No chunk has more than the 100 entities that Telegram shows."""
    whole = formatted("**b** " * 250)
    assert len(whole.entities) == 250
    assert [len(chunk.entities) for chunk in split(whole)] == [100, 100, 50]


@pytest.mark.parametrize("size", [0, 1, LIMIT, LIMIT + 1, 3 * LIMIT])
def test_a_text_is_cut_only_when_it_must(size: int) -> None:
    """A text of up to 4,096 units is one message, an empty one is none."""
    assert len(split(Formatted("x" * size))) == -(-size // LIMIT)


def test_a_shortened_text_says_so() -> None:
    """A text over the limit ends in an ellipsis, within the limit; another is left alone."""
    assert shortened("ab", 2) == "ab"
    assert shortened("abc", 2) == "a…"
