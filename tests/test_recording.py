"""The README's moving picture of the demo."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree as ET

from rich.text import Text

from scripts.record_demo import COLUMNS, LINE, ROWS, Line, picture, shortened, wrapped

SHIPPED = Path(__file__).resolve().parents[1] / "docs" / "images" / "demo.svg"
SVG = "{http://www.w3.org/2000/svg}"


def test_a_picture_that_stands_still_shows_the_end() -> None:
    """Without its animation the last lines fill the window, and every letter is there."""
    drawn = picture([Line(number / 10, Text(f"line {number} <&>")) for number in range(ROWS + 5)])
    root = ET.fromstring(drawn)
    (moved,) = [each for each in root.iter(f"{SVG}g") if each.get("class") == "all"]
    assert moved.get("transform") == f"translate(0 {-5 * LINE})"
    assert [each.text for each in root.iter(f"{SVG}text")] == [f"line {number} <&>" for number in range(ROWS + 5)]


def test_long_pauses_and_long_lines_are_cut() -> None:
    """No pause is longer than the longest, and no line is wider than the window."""
    lines = [*wrapped(0.0, "word " * 50), *wrapped(90.0, "")]
    assert all(line.text.cell_len <= COLUMNS for line in lines)
    assert shortened(lines)[-1].at < 2


def test_the_shipped_picture_is_a_whole_demo_and_asks_nobody() -> None:
    """It ends with all that was kept, and names no host but that of its format."""
    text = SHIPPED.read_text()
    said = "".join(each.text or "" for each in ET.fromstring(text).iter(f"{SVG}text"))
    assert said.count("kept") == 6
    assert "LOST" not in said
    assert re.findall(r"https?://[^\s\"]+", text) == ["http://www.w3.org/2000/svg"]
