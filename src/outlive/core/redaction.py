"""What must not leave with a data set: rules that find it in text, and what stands in its place."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from outlive.core.ledger import LedgerLine
from outlive.errors import Invalid


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of thing to hide."""

    name: str
    pattern: re.Pattern[str]

    @property
    def stand_in(self) -> str:
        """What is written in its place."""
        return f"[{self.name}]"


DEFAULT_RULES = (
    Rule("key", re.compile(r"\b(?:sk-|xox[abp]-|gh[pousr]_|AKIA|ASIA)[A-Za-z0-9_-]{12,}")),
    Rule("email", re.compile(r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+\b")),
    Rule("card", re.compile(r"\b\d(?:[ -]?\d){12,18}\b")),
    Rule("phone", re.compile(r"(?<![\w.])\+?\d(?:[ ()/-]{0,2}\d){7,13}(?![\w.])")),
    Rule("address", re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b")),
)
"""Keys of well-known services, e-mail addresses, card and phone numbers, IPv4 addresses; most telling first."""


def parse_rules(pairs: Iterable[str]) -> list[Rule]:
    """Rules from `NAME=PATTERN`; `Invalid` names the one that is none."""
    found = []
    for pair in pairs:
        name, equals, pattern = pair.partition("=")
        if not equals or not name.strip() or not pattern:
            raise Invalid(f"redaction rule {pair!r} is not NAME=PATTERN.", fix="Write customer=C-[0-9]{6}, say.")
        try:
            found.append(Rule(name.strip(), re.compile(pattern)))
        except re.error as error:
            raise Invalid(f"redaction rule {name!r} has a bad pattern: {error}.", fix="Correct it.") from error
    return found


def redacted(text: str, rules: Sequence[Rule], counts: Counter[str]) -> str:
    """The text with every find replaced, counted by rule."""
    for rule in rules:
        text, found = rule.pattern.subn(rule.stand_in, text)
        counts[rule.name] += found
    return text


def example(lines: Sequence[LedgerLine], rules: Sequence[Rule], counts: Counter[str]) -> bytes | None:
    """One conversation as a line of a fine-tuning data set, in the form of chat messages; None without a whole turn.

    Turns that failed, were stopped or have no text are left out: nobody should be taught by them.
    """
    messages = []
    for line in lines:
        if line.is_error or line.stop_reason != "end_turn" or not line.text.strip() or not line.reply.strip():
            continue
        messages.append({"role": "user", "content": redacted(line.text, rules, counts)})
        messages.append({"role": "assistant", "content": redacted(line.reply, rules, counts)})
    return json.dumps({"messages": messages}, ensure_ascii=True).encode() + b"\n" if messages else None
