"""What a person says to the agent's question, and how it reads in words; the producer needs no more of approvals."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, get_args

from outlive.errors import Invalid, TooLarge

Choice = Literal["once", "always", "deny"]
"""Run this one call; run it and do not ask again in this session for what this rule covers; do not run it."""

CHOICES: tuple[Choice, ...] = get_args(Choice)
MAX_NOTE_BYTES = 2000
_ID = re.compile(r"[0-9a-f]{8}\Z")
_COMMAND = re.compile(r"/(once|always|deny)[ \t]+([0-9a-f]{8})(?:\s+(.*))?\Z", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a person said to a question."""

    approval_id: str
    choice: Choice
    note: str = ""
    """For the model, with a denial."""


def answer_in(text: str) -> Answer | None:
    """The answer that a message in words is (`/once 3fa9c1d2`, `/deny 3fa9c1d2 not today`); None when it is none."""
    match _COMMAND.match(text.strip()):
        case None:
            return None
        case found:
            choice = next(each for each in CHOICES if each == found[1])
            return Answer(found[2], choice, (found[3] or "").strip())


def answer_text(answer: Answer) -> str:
    """The same answer in words."""
    return f"/{answer.choice} {answer.approval_id} {answer.note}".strip()


def check_answer(answer: Answer) -> None:
    """`Invalid` or `TooLarge`, naming the field, for what can be no answer."""
    if answer.choice not in CHOICES:
        raise Invalid(f"answer {answer.choice!r} is not valid.", fix="Use once, always or deny.")
    if not _ID.match(answer.approval_id):
        raise Invalid(f"question id {answer.approval_id!r} is not valid.", fix="Use the 8 digits the question shows.")
    if (size := len(answer.note.encode(errors="surrogatepass"))) > MAX_NOTE_BYTES:
        raise TooLarge(f"note is {size:,} bytes long.", fix=f"Use {MAX_NOTE_BYTES:,} at most.")
