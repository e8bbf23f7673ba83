"""The text of the benchmark: deterministic pseudo-English that compresses like prose, and its uuids."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from random import Random

MESSAGE_BYTES = 2048
"""Length of one message's text in bytes (ASCII, so also in characters)."""

_ONSETS = [*"bcdfghjklmnprstvw", "th", "ch", "st", "pr", "br", "tr", "pl", "gr", "sh", "cl", "fr"]
_NUCLEI = [*"aeiou", "ai", "ea", "ou", "ie"]
_CODAS = ["", "", "", "n", "r", "s", "t", "l", "m", "nd", "st", "ck"]
_VOCABULARY_SIZE = 6000
_ENDINGS = (". ", ". ", ". ", "? ", ".\n\n")


@dataclass(frozen=True, slots=True)
class Message:
    """One message: who says it ("user" or "assistant"), its uuid, its text of MESSAGE_BYTES bytes."""

    role: str
    id: str
    text: str


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn: what the user says and what the assistant answers."""

    user: Message
    assistant: Message

    def __iter__(self) -> Iterator[Message]:
        return iter((self.user, self.assistant))


class Workload:
    """Every turn there is: turn `index` has the same bytes on every machine and in every contestant."""

    def __init__(self, seed: int = 20) -> None:
        self._seed = seed
        self._words = _vocabulary(Random(f"{seed}:words"))
        # Zipf: the word of rank r is drawn with a weight of 1/(r+3), as in prose.
        self._weights = list(accumulate(1 / (rank + 3) for rank in range(len(self._words))))

    def turn(self, index: int) -> Turn:
        """The turn at `index` (0-based)."""
        return Turn(self._message(index, "user"), self._message(index, "assistant"))

    def turns(self, first: int, count: int) -> list[Turn]:
        """`count` turns from `first` on."""
        return [self.turn(index) for index in range(first, first + count)]

    def _message(self, index: int, role: str) -> Message:
        random = Random(f"{self._seed}:{role}:{index}")
        identity = str(uuid.UUID(int=random.getrandbits(128), version=4))
        return Message(role, identity, self._text(random))

    def _text(self, random: Random) -> str:
        sentences: list[str] = []
        length = 0
        while length < MESSAGE_BYTES:
            sentences.append(self._sentence(random))
            length += len(sentences[-1])
        return "".join(sentences)[: MESSAGE_BYTES - 1] + "."

    def _sentence(self, random: Random) -> str:
        count = 5 + int(random.random() * 16)
        words = random.choices(self._words, cum_weights=self._weights, k=count)
        if count > 11:
            words[count // 2] += ","
        if random.random() < 0.12:
            words.append(_reference(random))
        sentence = " ".join(words)
        return sentence[0].upper() + sentence[1:] + _ENDINGS[int(random.random() * len(_ENDINGS))]


def _vocabulary(random: Random) -> list[str]:
    """Distinct made-up words, the frequent ones (first) short, as in any language."""
    words: dict[str, None] = {}
    while len(words) < _VOCABULARY_SIZE:
        syllables = 1 if len(words) < 120 else 2 if len(words) < 2500 else 3
        words["".join(_syllable(random) for _ in range(syllables))] = None
    return list(words)


def _syllable(random: Random) -> str:
    return "".join(part[int(random.random() * len(part))] for part in (_ONSETS, _NUCLEI, _CODAS))


def _reference(random: Random) -> str:
    """What an agent's transcript is strewn with: an id or a number that no compressor can guess."""
    if random.random() < 0.3:
        return str(uuid.UUID(int=random.getrandbits(128), version=4))
    return str(random.getrandbits(20))
