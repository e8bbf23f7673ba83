"""Draws the pages' Mermaid diagrams as SVG, so that the site needs no other host; `--check` only compares.

Drawings are named by their text, so a changed diagram has none until it is drawn: `make drawings` (Node.js for the
library, Chromium to run it).
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DRAWN = Path("docs/drawings")
LIBRARY = Path("scripts/drawing")
BLOCK = re.compile(r"^```mermaid\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LOOKS = {"light": "neutral", "dark": "dark"}
"""Of the site -> theme of the library."""
FIX = "Run: make drawings (it needs Node.js and Chromium)"
DRAW = """async ([theme, text]) => {
  mermaid.initialize({ startOnLoad: false, theme, htmlLabels: false, flowchart: { htmlLabels: false },
                       fontFamily: "Helvetica, Arial, sans-serif", deterministicIds: true });
  return (await mermaid.render("drawing", text)).svg;
}"""


def main(arguments: list[str], root: Path = ROOT) -> int:
    """Exit code: 0 when every diagram has its drawings (or was drawn), 1 with what is wrong."""
    if arguments == ["--check"]:
        wrong = check(root)
        print("\n".join([*wrong, FIX]) if wrong else "The drawings are current.")
        return 1 if wrong else 0
    subprocess.run(["npm", "ci"], cwd=root / LIBRARY, check=True)
    shutil.rmtree(root / DRAWN, ignore_errors=True)
    draw(root, diagrams(root))
    return 0


def name_of(text: str, look: str) -> str:
    """File name of a drawing."""
    return f"{sha256(text.encode()).hexdigest()[:16]}-{look}.svg"


def diagrams(root: Path) -> list[str]:
    """The text of every diagram of every page."""
    pages = sorted((root / "docs").rglob("*.md"))
    return [text for page in pages for text in BLOCK.findall(page.read_text())]


def check(root: Path) -> list[str]:
    """What is wrong with the drawings, in words."""
    wanted = {name_of(text, look) for text in diagrams(root) for look in LOOKS}
    there = {path.name for path in (root / DRAWN).glob("*.svg")}
    return [f"{DRAWN / name} is missing." for name in sorted(wanted - there)] + [
        f"{DRAWN / name} is of no diagram." for name in sorted(there - wanted)
    ]


def draw(root: Path, texts: list[str]) -> None:
    """Every diagram, in every look."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - a check needs no browser

    browsers = filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome")))
    (root / DRAWN).mkdir(parents=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=next(browsers, None), args=["--no-sandbox"])
        page = browser.new_page()
        page.add_script_tag(path=root / LIBRARY / "node_modules/mermaid/dist/mermaid.min.js")
        for text in texts:
            for look, theme in LOOKS.items():
                (root / DRAWN / name_of(text, look)).write_text(page.evaluate(DRAW, [theme, text]) + "\n")
        browser.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
