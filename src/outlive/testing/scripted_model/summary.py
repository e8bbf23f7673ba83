"""The summary the scripted model writes when a conversation is compacted, and how it reads it back."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from outlive.testing.scripted_model.facts import Fact

_TURNS = re.compile(r"^Turns so far: (\d+)\.", re.MULTILINE)
_FACT = re.compile(r"^- turn (\d+), (?:(your|the) (.+?)|note): (.+)$", re.MULTILINE)
_LONGEST_QUOTE = 200


@dataclass(frozen=True, slots=True)
class Earlier:
    """What is known of the part of a conversation that was compacted away."""

    turns: int = 0
    facts: tuple[Fact, ...] = ()


def write_summary(earlier: Earlier, said: Iterable[tuple[int, str]]) -> str:
    """The answer to a compaction request, in the two tagged parts the CLI asks for.

    `earlier` counts everything up to now; `said` is every turn's number and text.
    """
    facts = "\n".join(_fact_line(fact) for fact in earlier.facts) or "(none)"
    quotes = "\n".join(f"- turn {turn}: {excerpt(text, _LONGEST_QUOTE)}" for turn, text in said)
    return (
        "<analysis>\nEverything the user stated and said, by fixed rules.\n</analysis>\n"
        f"<summary>\nTurns so far: {earlier.turns}. Summarised by a scripted model, not a language model.\n"
        f"Facts the user stated:\n{facts}\nWhat the user said:\n{quotes}\n</summary>"
    )


def _fact_line(fact: Fact) -> str:
    subject = f"{fact.whose} {fact.key}" if fact.whose else "note"
    return f"- turn {fact.turn}, {subject}: {fact.value}"


def read_summary(text: str) -> Earlier:
    """The opposite of `write_summary`, from whatever text the CLI has put around it."""
    turns = _TURNS.search(text)
    facts = tuple(Fact(whose or "", key or "", value, int(turn)) for turn, whose, key, value in _FACT.findall(text))
    return Earlier(int(turns[1]) if turns else 0, facts)


def excerpt(text: str, longest: int) -> str:
    """`text` on one line, cut after `longest` characters."""
    line = " ".join(text.split())
    return line if len(line) <= longest else f"{line[:longest].rstrip()}…"
