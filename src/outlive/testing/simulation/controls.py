"""What people and operators do in histories with approvals, limits of money and the kill switch, as data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from outlive.core.answers import Answer, Choice
from outlive.core.approvals import Approval

CONTROL_SECONDS = 5.0
APPROVAL_SECONDS = 25.0
RULE = "Pay"
"""The rule that asks before the simulated agent's calls."""
PRICE = 0.01
"""US dollars of one simulated model call; every limit is a multiple of it, so none is gone over by a last call."""
LEAST = 1e-6

ASKER, STRANGER, APPROVER, OPERATOR = "ada", "eve", "boss", ""
"""Who answers: who wrote the message, somebody without a say, one whom the policy names, and `approvals answer`."""

STOP, START, LIMIT = "stop", "start", "limit"


@dataclass(frozen=True, slots=True)
class Deed:
    """What an operator does to limits and kill switch."""

    what: str
    tenant: str
    """Empty for all tenants."""
    at: float
    limits: tuple[tuple[str, float | None], ...] = ()
    """Of a `LIMIT`: the new ones; None takes one away."""


@dataclass(frozen=True, slots=True)
class Say:
    """One answer to a question."""

    choice: Choice
    by: str
    after: float
    """Seconds after the question was delivered."""
    again: float | None = None
    """Seconds after which its channel hands it over once more."""
    is_wrong: bool = False
    """It names another question."""


@dataclass(frozen=True, slots=True)
class Controls:
    """What of this kind befalls one history."""

    deeds: tuple[Deed, ...]
    people: tuple[tuple[Say, ...], ...]
    """What is said to the first question of the history, to the second, and so on; to all later ones nothing."""
    per_turn: float | None
    """`max_usd_per_turn` of every worker."""
    per_day: float
    """`max_usd_per_day` of every worker: so all money is counted, from the beginning."""
    asks: float
    """How likely the agent is to need a person."""
    unreadable: tuple[float, float] = (0.0, 0.0)
    """From when until when the table gives nobody limits and switch, and answers all else."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """An answer as it was sent."""

    answer: Answer
    sender: str
    sent_at: float

    def is_rightful(self, question: Approval | None) -> bool:
        """Whether it decides this question: by its id, in time, by somebody who may."""
        return (
            question is not None
            and question.id == self.answer.approval_id
            and self.sent_at < question.expires_at
            and self.sender in (question.sender, APPROVER)
        )

    @property
    def allows(self) -> bool:
        """Whether it is a yes."""
        return self.answer.choice != "deny"


@dataclass(slots=True)
class Run:
    """What an agent has told of a run when it ended."""

    usd: float
    text: str
    asked: str = ""
    """Digest of the call that needs a person."""
    decided: str = ""
    """Digest of the call on which it was given a verdict."""


def make_controls(random: Random, times: Sequence[float]) -> Controls:
    """What happens beside messages that come at these times; drawn from `random`."""
    deeds = [deed for _ in range(random.choice((0, 1, 1, 2, 3))) for deed in _deeds(random, random.choice(times))]
    people = tuple(_answers(random) for _ in range(random.choice((2, 4, 6))))
    per_turn = random.choice((None, 0.03, 0.06, 0.06))
    per_day = random.choice((0.08, 0.2, 5.0, 5.0))
    return Controls(tuple(deeds), people, per_turn, per_day, random.choice((0.0, 0.3, 0.6)))


def _deeds(random: Random, message: float) -> list[Deed]:
    """A limit, a stop, or a stop that is taken back, while the message's turn may run; or two operators at one time."""
    tenant, at = random.choice(("acme", "acme", "umbra", "")), round(max(message + random.uniform(-8, 12), 0.0), 3)
    limit, stop = Deed(LIMIT, tenant, at, _limits(random)), Deed(STOP, tenant, at)
    back = Deed(START, tenant, round(at + random.uniform(0, 40), 3))
    match random.choice(("limit", "limit", "limit", "race", "stop", "stop", "back", "back", "back")):
        case "limit":
            return [limit]
        case "race":
            return [stop, limit, Deed(LIMIT, tenant, at, _limits(random)), back]
        case "stop":
            return [stop]
        case _:
            return [stop, back]


def _limits(random: Random) -> tuple[tuple[str, float | None], ...]:
    name = random.choice(("max_usd_per_day", "max_usd_per_day", "max_usd_per_month", "max_usd_per_session"))
    value = random.choice((0.03, 0.06, 0.1, 0.1, 0.5, None))
    others = (("max_usd_per_turn", random.choice((0.02, 0.04))),) if random.random() < 0.3 else ()
    return ((name, value), *others)


def _answers(random: Random) -> tuple[Say, ...]:
    """Nobody, one, or several who race."""
    return tuple(_say(random) for _ in range(random.choice((0, 1, 1, 1, 2, 2, 3))))


def _say(random: Random) -> Say:
    by = random.choice((ASKER, ASKER, ASKER, STRANGER, APPROVER, OPERATOR, OPERATOR))
    late = random.random() < 0.15
    after = APPROVAL_SECONDS * random.uniform(0.9, 1.6) if late else random.random() ** 2 * 15
    again = round(random.uniform(0, 40), 3) if random.random() < 0.3 else None
    choice: Choice = random.choice(("once", "once", "always", "deny", "deny"))
    return Say(choice, by, round(after, 3), again, is_wrong=random.random() < 0.08)
