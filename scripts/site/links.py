"""A hook of mkdocs: links out of `docs/` name the file, folders of pages fill their menus, drawings stand in."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))  # mkdocs loads a hook by its file

from scripts.draw_diagrams import BLOCK, LOOKS, name_of  # noqa: E402

LINK = re.compile(r"(?<!!)\[(?P<text>[^\[\]]+)\]\((?P<target>\.\./[^)\s]*)\)")
SPELLED = {"http": "HTTP", "wechat": "WeChat"} | {
    name: name.upper() for name in ("api", "aws", "cli", "json", "mcp", "sdk")
}
FOLDERS = {"How to": "how-to", "Reference": "reference", "Decisions": "decisions"}


def on_config(config: Any) -> Any:
    """Put every page of a folder into the menu, so that a new page needs no second entry."""
    docs = Path(config["docs_dir"])
    for part in config["nav"]:
        (name,) = part
        if name in FOLDERS:
            part[name] = [entry(page, docs) for page in _pages(docs / FOLDERS[name])]
    return config


def entry(page: Path, docs: Path) -> str | dict[str, str]:
    """A page by the name of its file, which is what one looks for in a menu; a folder's README is its index."""
    place = str(page.relative_to(docs))
    words = page.stem.split("-")
    name = " ".join(SPELLED.get(word, word) for word in words)
    return place if page.stem == "README" else {name[0].upper() + name[1:]: place}


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:  # noqa: ARG001 (the hook's arguments)
    """Replace each link to a file outside of the site by its text, or lead it to the repository if one is set."""
    docs, here = Path(config["docs_dir"]), Path(page.file.abs_src_path).parent

    def outside(link: re.Match[str]) -> str:
        target = (here / link["target"].partition("#")[0]).resolve()
        if target.is_relative_to(docs):
            return link[0]
        place = target.relative_to(docs.parent)
        if config["repo_url"]:
            return f"[{link['text']}]({config['repo_url'].rstrip('/')}/blob/main/{place})"
        return link["text"] if "`" in link["text"] else f"{link['text']} (`{place}`)"

    return BLOCK.sub(lambda diagram: drawings(diagram[1], here, docs), LINK.sub(outside, markdown))


def drawings(text: str, here: Path, docs: Path) -> str:
    """A diagram as it was drawn, for either look of the site; a link that is not found fails the build."""
    folder = os.path.relpath(docs / "drawings", here)
    words = re.findall(r"""["\[(]([^"\[\](){}<>|]{3,})["\])]""", text)
    words = words or re.findall(r": (.+)$", text, re.MULTILINE)
    told = ", ".join(" ".join(each.replace("<br/>", " ").split()) for each in words)[:200]
    return "\n".join(f"![{told}]({folder}/{name_of(text, look)}#only-{look})" for look in LOOKS)


def _pages(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.md"), key=lambda page: (page.stem != "README", page.stem))
