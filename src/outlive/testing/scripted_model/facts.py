"""What a user stated in plain words, and what a question asks for: a handful of patterns, no guessing."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache

TEXTS = 256
"""How many messages it has read before and need not read again: every request brings the whole conversation."""
_CLAUSES = re.compile(
    r"(?<=[.!?;])\s+|\n+|,?\s+and\s+(?=(?:my|our|remember|call me|what|who|do you|tell me)\b)|"
    r",\s+(?=(?:what|who|do you|tell me)\b)",
    re.IGNORECASE,
)
_NAME = re.compile(
    r"(?:(?:hi|hello|hey)[,!]?\s+)?(?:my name is|my name's|i am called|i'm called|call me|"
    r"(?:i am|i'm)(?=(?-i:(?: [A-Z][\w'-]*)+)$))\s+(.+)",
    re.IGNORECASE,
)
_IS = re.compile(r"(?P<whose>my|our|the)?\s*(?P<key>\S.{0,60}?)\s+(?:is|are|was|were|=)\s+(?P<value>.+)", re.IGNORECASE)
_REMEMBER = re.compile(r"(?:please\s+)?remember(?:\s+that|\s*:)?\s+(.+)", re.IGNORECASE)
_ASKS = re.compile(
    r"(?:and\s+|so\s+)?(?:what(?:'s|\s+is|\s+are|\s+was|\s+were)|tell me|remind me(?:\s+of)?|"
    r"(?:do|can) you (?:still )?(?:know|remember|recall|tell me))\s+(?:what\s+)?"
    r"(?:(?P<whose>my|our|the|your)\s+)?(?P<key>.+?)(?:\s+(?:is|was|are|were))?",
    re.IGNORECASE,
)
_SPELLINGS = {"favorite": "favourite", "color": "colour"}


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing the user stated, in turn `turn` (counted from 1)."""

    whose: str
    """"your" or "the", as the model would say it; empty for a note that is not of the form "x is y"."""
    key: str
    value: str
    turn: int

    @property
    def sentence(self) -> str:
        return f"{self.whose} {self.key} is {self.value}" if self.whose else self.value


@dataclass(frozen=True, slots=True)
class Question:
    """What the user wants to know, by the key of a fact."""

    whose: str
    key: str
    words: str
    """The key as the user wrote it."""


def facts_in(text: str, turn: int) -> tuple[Fact, ...]:
    """The facts that `text` states; questions state nothing."""
    return tuple(replace(fact, turn=turn) for fact in _stated(text))


@lru_cache(maxsize=TEXTS)
def _stated(text: str) -> tuple[Fact, ...]:
    clauses = (clause.strip() for clause in _CLAUSES.split(text))
    found = (_fact(clause.rstrip(".!;,"), 0) for clause in clauses if not clause.endswith("?"))
    return tuple(fact for fact in found if fact)


def _fact(clause: str, turn: int) -> Fact | None:
    if named := _NAME.fullmatch(clause):
        return Fact("your", "name", named[1].strip(), turn)
    asked = _REMEMBER.fullmatch(clause)
    stated = _IS.fullmatch(asked[1] if asked else clause)
    if stated and (asked or (stated["whose"] or "").lower() in ("my", "our")):
        whose = "the" if (stated["whose"] or "the").lower() == "the" else "your"
        return Fact(whose, normal_key(stated["key"]), stated["value"].strip(), turn)
    return Fact("", "", asked[1].strip(), turn) if asked else None


def question_in(text: str) -> Question | None:
    """The last question in `text` that asks for a fact, or None."""
    for clause in reversed(_CLAUSES.split(text)):
        bare = clause.strip().rstrip("?!. ")
        if re.fullmatch(r"who am i|(?:do you know|remember) who i am", bare, re.IGNORECASE):
            return Question("your", "name", "name")
        if asked := _ASKS.fullmatch(bare):
            whose = "your" if (asked["whose"] or "").lower() in ("my", "our") else "the"
            return Question(whose, normal_key(asked["key"]), asked["key"])
    return None


def normal_key(key: str) -> str:
    """`key` in lower case, without a leading article, in one spelling."""
    words = re.sub(r"^(?:my|our|the|a|an)\s+", "", key.strip().lower()).split()
    return " ".join(_SPELLINGS.get(word, word) for word in words)


def latest(facts: Iterable[Fact], key: str) -> Fact | None:
    """The fact stated last under `key`."""
    return next((fact for fact in reversed(tuple(facts)) if fact.key == key and fact.whose), None)
