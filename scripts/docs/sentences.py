"""What counts as one sentence, as a module's first line, and as a command that exists."""

from __future__ import annotations

import re
from collections.abc import Collection

SECOND_SENTENCE = re.compile(r"[.!?]\s+[A-Z`]")
FIRST_LINE = re.compile(r".+[.:](\n\n|\Z)")


def is_one_sentence(docstring: str) -> bool:
    """One paragraph that ends in a full stop, has none before that ends a sentence, and does not start with Test."""
    text = " ".join(docstring.split())
    one = "\n\n" not in docstring and text.endswith(".") and not SECOND_SENTENCE.search(text)
    return one and not text.lower().startswith("test")


def has_first_line(docstring: str) -> bool:
    """One line that ends like a sentence (or leads into a figure), and an empty one if more follows."""
    return FIRST_LINE.match(docstring) is not None


def is_command(line: str, known: Collection[str]) -> bool:
    """Whether a line starts with a full command: one of `known` that has no commands below it, or an option."""
    words = line.split()
    if not words[1:] or words[1].startswith("-"):
        return True
    starts = [" ".join(words[:count]) for count in range(1, len(words) + 1)]
    longest = next((start for start in reversed(starts) if start in known), "")
    return longest != "" and not any(name.startswith(f"{longest} ") for name in known)
