"""What is to happen in one history, as data: made from a seed, printed when it fails, cut down when it is shrunk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from random import Random

from outlive.core.keys import SessionKey, session_key
from outlive.testing.simulation.controls import Controls, make_controls

SECONDS = 60.0
"""How long messages come in and things go wrong."""
HOUR = 3600.0
LEASE = 30.0
WINDOW = 4
"""Messages a head remembers here, instead of 64: short histories reach into the ledger, too."""

CALL_FAULTS = ("error", "lost reply", "late", "delay", "slow reply", "crash before", "crash after")
"""What can become of one awaited call."""
DISTURBANCES = ("crash", "reboot", "disk lost", "pause", "partition", "full disk", "terminate")
"""What can befall a whole worker."""
UNHEARD = "unheard renewal"
"""A partition that begins when a renewal of a lease has landed, before its reply: it outlasts the tries, not the lease.

Aimed, because a partition at random meets that moment once in ten thousand histories.
"""
OPERATIONS = ("sweep", "rewind", "fork", "erase", "new", "link", "unlink")
"""What an operator does meanwhile."""
MOVES = ("new", "link", "unlink")
"""Of these, what points a key elsewhere."""


@dataclass(frozen=True, slots=True)
class WorkerPlan:
    """One worker."""

    name: str
    ahead: float
    """Of true time, in seconds."""
    slots: int
    invocation: float | None
    """Seconds after which it hands over what it does; None for never."""


@dataclass(frozen=True, slots=True)
class Sending:
    """A message, and when its channel hands it over: the first time, and again."""

    key: SessionKey
    message_id: str
    at: float
    again: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Operation:
    """Something an operator does to a key's session."""

    what: str
    key: SessionKey
    at: float


@dataclass(frozen=True, slots=True)
class Disturbance:
    """Something that befalls a worker."""

    what: str
    worker: str
    at: float
    seconds: float
    """How long it lasts, or until the worker comes back."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """One history to be."""

    seed: int
    workers: tuple[WorkerPlan, ...]
    sendings: tuple[Sending, ...]
    operations: tuple[Operation, ...] = ()
    disturbances: tuple[Disturbance, ...] = ()
    rates: Mapping[str, float] = field(default_factory=dict)
    """Chance of each fault at each awaited call."""
    rerun: bool = False
    hot_tier: bool = False
    """Whether there is a cache in front of the objects, which forgets, keeps what was deleted, and mixes things up."""
    loose_queue: bool = False
    """Whether the queue delivers twice and in any order."""
    torn_transcripts: bool = False
    """Whether the agent's lines may be lost between it and the disk."""
    late_erasure: bool = False
    """Whether the delete of an erased mapping is late, is sent again, and then arrives after the next message."""
    late_creation: bool = False
    """Whether each process's first creation of a head, and its first commit, are late and sent again."""
    crowded: bool = False
    """Whether one turn of a tenant may run at a time, on all workers together."""
    controls: Controls | None = None
    """Approvals, limits of money and the kill switch; None where they take no part."""
    max_packs: int = 6
    flush_seconds: float = 2.0
    muted: frozenset[str] = frozenset()
    """Call faults that are left out: how a failing history is shrunk."""

    @property
    def is_quiet(self) -> bool:
        """Whether nothing goes wrong in it, and no operator takes a session away."""
        has_faults = bool(self.rates or self.disturbances or self.operations)
        is_readable = self.controls is None or not any(self.controls.unreadable)
        return not has_faults and is_readable and not any(each.ahead for each in self.workers)


def make_scenario(seed: int) -> Scenario:
    """The history that belongs to this seed."""
    random = Random(f"scenario {seed}")  # noqa: S311 - reproducible, not secret
    keys = _keys(random)
    workers = tuple(_worker(random, number) for number in range(random.choice((1, 2, 2, 3))))
    sendings = _sendings(random, keys)
    erasure = _late_erasure(seed, sendings)
    return Scenario(
        seed=seed,
        workers=workers,
        sendings=sendings,
        operations=(
            *(_operation(random, keys, sendings) for _ in range(random.choice((0, 0, 1, 1, 2)))),
            *erasure,
        ),
        disturbances=(
            *(_disturbance(random, workers) for _ in range(random.choice((0, 1, 1, 2)))),
            *_aimed(seed, workers),
        ),
        rates=_rates(random),
        rerun=random.random() < 0.25,
        hot_tier=random.random() < 0.3,
        loose_queue=random.random() < 0.3,
        torn_transcripts=random.random() < 0.1,
        crowded=random.random() < 0.15,
        late_erasure=bool(erasure),
        max_packs=random.choice((3, 4, 6, 24)),
        flush_seconds=random.choice((0.5, 2.0, 2.0, 8.0)),
    )


def make_late_creations(seed: int) -> Scenario:
    """The same history, in which first writes are late and a session is erased soon after it began.

    Another set of histories, so that those that seeds have named stay what they were.
    """
    random = Random(f"late creations {seed}")  # noqa: S311 - reproducible, not secret
    scenario = make_scenario(seed)
    sending = min(scenario.sendings, key=lambda each: each.at)
    erase = Operation("erase", sending.key, round(sending.at + random.uniform(2, 22), 3))
    fork = Operation("fork", sending.key, round(sending.at + random.uniform(5, 22), 3))
    return replace(scenario, late_creation=True, operations=(*scenario.operations, erase, fork))


def make_controlled(seed: int) -> Scenario:
    """The same history, in which calls wait for people, money is limited, and operators stop and start turns.

    A third set of histories. In one of four nothing goes wrong: there can be timed what has to happen soon.
    """
    random = Random(f"controls {seed}")  # noqa: S311 - reproducible, not secret
    scenario = make_scenario(seed)
    chats = [session_key("acme", "chat", name) for name in ("ada", "bob")]  # whose turns share money, at one time
    more = (_sending(random, chats, 100 + number) for number in range(random.choice((0, 2, 4, 6))))
    sendings = (*scenario.sendings, *more)
    controls = make_controls(random, [each.at for each in sendings])
    scenario = replace(scenario, controls=controls, sendings=sendings, torn_transcripts=False, late_erasure=False)
    if random.random() < 0.15:
        at = random.choice(sendings).at
        return replace(scenario, controls=replace(controls, unreadable=(max(at - 6, 0.0), at + 30)))
    if random.random() < 0.25:
        workers = tuple(replace(each, ahead=0.0) for each in scenario.workers)
        return replace(scenario, workers=workers, rates={}, disturbances=(), operations=())
    return scenario


def _keys(random: Random) -> list[SessionKey]:
    """Chats of two tenants with the same ids."""
    keys = [session_key(tenant, "chat", name) for name in ("ada", "bob") for tenant in ("acme", "umbra")]
    return keys[: random.choice((1, 1, 2, 2, 3))]


def _worker(random: Random, number: int) -> WorkerPlan:
    kind = random.random()
    ahead = 0.0 if kind < 0.6 else random.uniform(-20, 20) if kind < 0.97 else random.choice((-HOUR, HOUR))
    return WorkerPlan(
        f"w{number + 1}", round(ahead, 3), random.choice((1, 1, 1, 2)), random.choice((None, None, None, 25.0))
    )


def _sendings(random: Random, keys: list[SessionKey]) -> tuple[Sending, ...]:
    most = random.choice((2, 3, 3, 4, 7))
    return tuple(_sending(random, keys, number) for number in range(1, most + 1))


def _sending(random: Random, keys: list[SessionKey], number: int) -> Sending:
    at = round(random.uniform(0, SECONDS * 0.7), 3)
    again = (round(at + random.uniform(0, SECONDS), 3),) if random.random() < 0.25 else ()
    return Sending(random.choice(keys), f"m{number}", at, again)


def _operation(random: Random, keys: list[SessionKey], sendings: tuple[Sending, ...]) -> Operation:
    what = random.choice(OPERATIONS)
    if what in MOVES:  # a key that moves is of interest while a message of it runs
        sending = random.choice(sendings)
        return Operation(what, sending.key, round(sending.at + random.uniform(0, 10), 3))
    return Operation(what, random.choice(keys), round(random.uniform(5, SECONDS), 3))


def _disturbance(random: Random, workers: tuple[WorkerPlan, ...]) -> Disturbance:
    what = random.choice(DISTURBANCES)
    seconds = random.choice((3.0, 20.0, LEASE + 5, 2 * LEASE))
    return Disturbance(what, random.choice(workers).name, round(random.uniform(0, SECONDS), 3), seconds)


def _aimed(seed: int, workers: tuple[WorkerPlan, ...]) -> tuple[Disturbance, ...]:
    """In one history of eight; by numbers of its own, so that the rest of the histories stays what it was."""
    random = Random(f"aimed {seed}")  # noqa: S311 - reproducible, not secret
    if random.random() > 1 / 8:
        return ()
    at, seconds = round(random.uniform(0, SECONDS / 2), 3), round(random.uniform(5, 12), 3)
    return (Disturbance(UNHEARD, random.choice(workers).name, at, seconds),)


def _late_erasure(seed: int, sendings: tuple[Sending, ...]) -> tuple[Operation, ...]:
    """In one history of sixteen, just before a message of a chat that is not new."""
    random = Random(f"late erasure {seed}")  # noqa: S311 - reproducible, not secret
    first = {key: min(each.at for each in sendings if each.key == key) for key in {each.key for each in sendings}}
    later = [each for each in sendings if each.at > first[each.key] + 5]
    if random.random() > 1 / 16 or not later:
        return ()
    sending = random.choice(later)
    return (Operation("erase", sending.key, round(sending.at - random.uniform(0.5, 3), 3)),)


def _rates(random: Random) -> dict[str, float]:
    """Few kinds of faults at a time, seldom or often: a history in which everything fails shows nothing."""
    kinds = random.sample(CALL_FAULTS, random.choice((0, 1, 2, 3)))
    return {kind: random.choice((0.005, 0.02, 0.06)) * (0.4 if "crash" in kind else 1.0) for kind in sorted(kinds)}
