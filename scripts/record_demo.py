"""Records `outlive demo` as a moving picture for the README, `docs/images/demo.svg`; it loads nothing from a host.

A viewer that does not move pictures, or a person who asked for less motion, sees the end of it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from pathlib import Path

from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "docs" / "images" / "demo.svg"
COLUMNS, ROWS = 100, 27
CELL, LINE, EDGE, BAR = 8.0, 18, 16, 34
"""Pixels: width of a letter, height of a line, the margin, the bar above."""
LONGEST_PAUSE, HOLD = 1.2, 6.0
"""Seconds: what waiting is cut to, and how long the end stands."""
INK = {"red": "#ff7b72", "green": "#56d364", "dim": "#8b949e"}
ANSI = {1: "red", 2: "green"}


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the terminal."""

    at: float
    """Seconds since the beginning."""
    text: Text


def main() -> int:
    """Run the demo and write the picture; the demo's own exit code."""
    environment = os.environ | {"FORCE_COLOR": "1", "COLUMNS": str(COLUMNS), "PYTHONUNBUFFERED": "1"}
    command = [str(Path(sys.executable).parent / "outlive"), "demo"]
    lines, begun = [Line(0.0, Text.assemble(("$ ", "dim"), ("make demo", "bold")))], time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        for line in process.stdout:
            lines += wrapped(time.monotonic() - begun, line)
    if process.returncode == 0:
        PICTURE.write_text(picture(lines), encoding="utf-8")
        print(f"{PICTURE.relative_to(ROOT)}: {len(lines)} lines, {PICTURE.stat().st_size:,} bytes")
    return process.returncode


def wrapped(at: float, line: str) -> list[Line]:
    """What the terminal wrote as the lines that its width makes of it."""
    text = Text.from_ansi(line.rstrip("\n"))
    return [Line(at, part) for part in text.wrap(Console(width=COLUMNS), COLUMNS)] or [Line(at, text)]


def shortened(lines: Sequence[Line]) -> list[Line]:
    """The same with no pause longer than `LONGEST_PAUSE`."""
    moments = [0.0]
    for before, after in pairwise(lines):
        moments.append(moments[-1] + min(LONGEST_PAUSE, after.at - before.at))
    return [Line(at, line.text) for at, line in zip(moments, lines, strict=True)]


def picture(lines: Sequence[Line]) -> str:
    """An SVG that writes the lines one by one, scrolls when the window is full, and begins again."""
    shown = shortened(lines)
    seconds = shown[-1].at + HOLD
    width, height = 2 * EDGE + COLUMNS * CELL, BAR + ROWS * LINE + EDGE
    rest = -LINE * max(0, len(shown) - ROWS)
    rows = "\n".join(row(number, line, seconds) for number, line in enumerate(shown))
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height}" role="img" \
aria-label="Recording of outlive demo: eight turns, nine workers, one of them killed; everything was kept">
<style>
text {{ font: 13px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; \
fill: #e6edf3; white-space: pre }}
.bold {{ font-weight: 700 }}
{"".join(f".{name} {{ fill: {colour} }} " for name, colour in INK.items())}
@media (prefers-reduced-motion: no-preference) {{
.all {{ animation: scroll {seconds:.2f}s steps(1, end) infinite }}
.all g {{ animation: {seconds:.2f}s steps(1, end) infinite }}
@keyframes scroll {{ {"".join(scrolled(shown, seconds))} }}
{"".join(appearing(number, line, seconds) for number, line in enumerate(shown))}
}}
</style>
<rect width="{width:g}" height="{height}" rx="8" fill="#0d1117"/>
<circle cx="18" cy="17" r="5" fill="#ff5f57"/><circle cx="36" cy="17" r="5" fill="#febc2e"/>\
<circle cx="54" cy="17" r="5" fill="#28c840"/>
<svg x="{EDGE}" y="{BAR}" width="{COLUMNS * CELL:g}" height="{ROWS * LINE}">
<g class="all" transform="translate(0 {rest})">
{rows}
</g>
</svg>
</svg>
"""


def row(number: int, line: Line, seconds: float) -> str:
    """A line's letters, each run of one look at its own column."""
    animated = f' style="animation-name:l{number}"' if 0 < line.at < seconds else ""
    return f"<g{animated}>{''.join(runs(line.text, (number + 1) * LINE - 5))}</g>"


def runs(text: Text, y: int) -> Iterator[str]:
    """A `text` for each run of letters of one look."""
    column = 0
    for segment in text.render(Console(width=COLUMNS)):
        style, letters = segment.style, segment.text.rstrip("\n")
        looks = [name for name in ("bold", "dim") if getattr(style, name, None)]
        looks += [ANSI[style.color.number]] if style and style.color and style.color.number in ANSI else []
        if letters.strip():
            start = column + len(letters) - len(letters.lstrip())
            word = letters.strip()
            yield (
                f'<text x="{start * CELL:g}" y="{y}" textLength="{len(word) * CELL:g}" '
                f'class="{" ".join(looks)}">{escape(word)}</text>'
            )
        column += len(letters)


def appearing(number: int, line: Line, seconds: float) -> str:
    """Keyframes of a line: hidden until its moment."""
    share = 100 * line.at / seconds
    return f"@keyframes l{number} {{ 0% {{ opacity: 0 }} {share:.2f}%, 100% {{ opacity: 1 }} }}\n" if line.at else ""


def scrolled(lines: Sequence[Line], seconds: float) -> Iterator[str]:
    """Keyframes of the whole: one line up for each that finds the window full."""
    yield "0% { transform: translateY(0) } "
    for number, line in enumerate(lines[ROWS:], start=1):
        yield f"{100 * line.at / seconds:.2f}% {{ transform: translateY({-number * LINE}px) }} "
    yield f"100% {{ transform: translateY({-LINE * max(0, len(lines) - ROWS)}px) }}"


if __name__ == "__main__":
    sys.exit(main())
