"""A hook of mkdocs: links out of `docs/` name the file instead, and folders of pages fill their part of the menu."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

LINK = re.compile(r"(?<!!)\[(?P<text>[^\[\]]+)\]\((?P<target>\.\./[^)\s]*)\)")
FOLDERS = {"How to": "how-to", "Reference": "reference", "Decisions": "decisions"}


def on_config(config: Any) -> Any:
    """Put every page of a folder into the menu, so that a new page needs no second entry."""
    docs = Path(config["docs_dir"])
    for part in config["nav"]:
        (name,) = part
        if name in FOLDERS:
            part[name] = [str(page.relative_to(docs)) for page in _pages(docs / FOLDERS[name])]
    return config


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

    return LINK.sub(outside, markdown)


def _pages(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.md"), key=lambda page: (page.stem != "README", page.stem))
