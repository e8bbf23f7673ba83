"""The hook of the documentation site: what it makes of diagrams and menus."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scripts.draw_diagrams import diagrams
from scripts.site.links import drawings, entry

ROOT = Path(__file__).resolve().parents[1]
IMAGE = re.compile(r"!\[[^\[\]\n]+\]\([^()\s]+\)")


@pytest.mark.parametrize("text", diagrams(ROOT))
def test_a_drawing_is_an_image_with_words(text: str) -> None:
    """Each look is one Markdown image whose words hold no bracket, which would show the link instead of it."""
    lines = drawings(text, ROOT / "docs", ROOT / "docs").split("\n")
    assert len(lines) == 2
    assert all(IMAGE.fullmatch(line) for line in lines)


def test_a_menu_names_a_page_by_its_file() -> None:
    """Menus show the short name that one looks for, not the page's title; a folder's README is its index."""
    docs = ROOT / "docs"
    assert entry(docs / "how-to" / "http-api.md", docs) == {"HTTP API": "how-to/http-api.md"}
    assert entry(docs / "how-to" / "debug-log.md", docs) == {"Debug log": "how-to/debug-log.md"}
    assert entry(docs / "decisions" / "README.md", docs) == "decisions/README.md"
