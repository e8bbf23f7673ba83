"""Markdown as Telegram shows it: formatted where that loses nothing, plain where it would."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from outlive.channels.telegram.markdown import Entity, formatted, utf16_length

SIGNS = st.sampled_from(["**", "`", "<b>", "word ", "[a](b) ", "\n", "```", "> ", "_", "&amp;"])


@pytest.mark.parametrize(
    ("markdown", "text", "kind"),
    [
        ("**bold**", "bold", "bold"),
        ("`code`", "code", "code"),
        ("[words](http://a.example)", "words", "text_link"),
        ("> said", "said", "blockquote"),
        ("```py\nx = 1\n```", "x = 1", "pre"),
        ("## Heading", "Heading", "bold"),
    ],
)
def test_markdown_becomes_entities(markdown: str, text: str, kind: str) -> None:
    """Each kind of Markdown gives its text without the signs, and an entity over all of it."""
    whole = formatted(markdown)
    assert whole.text == text
    assert (0, len(text), kind) in [(entity.offset, entity.length, entity.type) for entity in whole.entities]


def test_offsets_count_as_telegram_counts() -> None:
    """Behind an emoji an entity begins two units later."""
    assert formatted("😀 **b**").entities == (Entity("bold", 3, 1),)


@pytest.mark.parametrize(
    "markdown", ["<div>keep me</div>", "List<String> xs;", "if a<b then", "<script>x</script>", "```"]
)
def test_what_looks_like_a_tag_stays(markdown: str) -> None:
    """HTML and angle brackets are text, and vanish neither in part nor with what they hold."""
    assert formatted(markdown).text == markdown


def test_tags_in_code_get_no_backslash() -> None:
    """Inside code an angle bracket is left as it is."""
    assert formatted("`a<b>`").text == "a<b>"
    assert formatted("```html\n<b>x</b>\n```").text == "<b>x</b>"


@example("$5 and $6")
@example("snake_case and __init__.py")
@example("\ud83d half")
@example("\x00")
@given(
    st.text()
    | st.lists(st.sampled_from(["**", "`", "<b>", "word ", "[a](b) ", "\n", "```", "> ", "_", "&amp;"])).map("".join)
)
def test_no_word_is_lost(markdown: str) -> None:
    """Whatever the text, every word of it is still there, and every entity lies inside."""
    whole = formatted(markdown)
    shown = whole.text + " " + " ".join(value for entity in whole.entities for _, value in entity.extra)
    assert all(word in shown for word in re.findall(r"[^\W_]{2,}", markdown.replace("\x00", "\ufffd")))
    assert all(e.offset >= 0 and e.length > 0 and e.end <= utf16_length(whole.text) for e in whole.entities)
    assert whole.text == whole.text.strip()
