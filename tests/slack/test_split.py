"""Splitting: joined chunks give back the text, each within the limit, and each is Markdown of its own."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlive.channels.boundaries import is_boundary
from outlive.channels.slack.blocks import harmless
from outlive.channels.slack.split import LIMIT, split

PIECES = st.sampled_from(
    [
        "word ",
        "\n",
        "\n\n",
        "👨‍👩‍👧",
        "🇩🇪",
        "e\u0301",
        "a" * 90,
        "```",
        "\n```py\n",
        "\n~~~~\n",
        "\n```\n",
        "`x`",
        "<!here>",
    ]
)
TEXTS = st.lists(PIECES | st.text(max_size=12), max_size=80).map("".join)
LIMITS = st.integers(200, 400)


@given(text=TEXTS, limit=LIMITS)
def test_joined_chunks_are_the_text(text: str, limit: int) -> None:
    """Whatever the text, its chunks joined are the text again, and each is shown within the limit."""
    chunks = split(text, limit)
    assert "".join(chunk.source for chunk in chunks) == text
    assert all(0 < len(chunk.shown) <= limit and chunk.source for chunk in chunks)


@given(text=st.text(alphabet="ab é👍🏽\n", max_size=1500), limit=LIMITS)
def test_no_visible_character_is_cut(text: str, limit: int) -> None:
    """Every cut lies between two characters as people see them."""
    at = 0
    for chunk in split(text, limit):
        at += len(chunk.source)
        assert is_boundary(text, at)


@given(lines=st.lists(st.sampled_from(["x = 1", "", "# note", "print('hello, world')"]), min_size=30, max_size=120))
def test_a_code_block_stays_one_in_every_chunk(lines: list[str]) -> None:
    """A code block over many messages is opened and closed in each, with its language, and holds the same lines."""
    chunks = split("```python\n" + "\n".join(lines) + "\n```", 300)
    assert all(chunk.shown.startswith("```python\n") for chunk in chunks)
    assert all(chunk.shown.rstrip().endswith("```") for chunk in chunks)
    inside = "".join(chunk.source for chunk in chunks)
    assert inside.split("\n")[1:-1] == lines


def test_a_paragraph_is_the_best_place_to_cut() -> None:
    """Between two paragraphs rather than in a line."""
    first, second = split("a " * 90 + "\n\n" + "b " * 90, 330)
    assert (first.source[-2:], second.source[:2]) == ("\n\n", "b ")


@pytest.mark.parametrize("size", [0, 1, LIMIT])
def test_a_text_is_cut_only_when_it_must(size: int) -> None:
    """A text of up to the limit is one message, an empty one is none."""
    assert len(split("x" * size)) == min(size, 1)


@given(text=TEXTS)
def test_nobody_is_called_by_a_reply(text: str) -> None:
    """A reply cannot call a whole channel, and no word of it is lost."""
    shown = harmless(text)
    assert "<!here" not in shown
    assert shown.replace("&lt;!", "<!") == text.replace("\x00", "\N{REPLACEMENT CHARACTER}").replace("&lt;!", "<!")
