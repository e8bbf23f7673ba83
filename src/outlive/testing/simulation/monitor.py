"""What must be true at every moment, checked where servers change: heads, packs, acknowledgements, replies, agents."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from outlive.core.packs import decode_pack
from outlive.core.sessions import Answered, Head, decode_head, decode_mapping
from outlive.errors import Corrupt
from outlive.protocols import Free, LeaseChange, Reply, Row
from outlive.testing.simulation.processes import CURRENT, HELD, Process
from outlive.testing.simulation.scenarios import WINDOW


@dataclass(frozen=True, slots=True)
class Violation:
    """A promise that was broken."""

    check: str
    """Short, the same for every violation of one kind."""
    detail: str


class Broken(BaseException):
    """Ends a history at its first violation; no flow can catch it."""


@dataclass(slots=True)
class Committed:
    """A message that has its turn."""

    session_id: str
    turn: int


@dataclass(slots=True)
class SessionBelief:
    """What the monitor knows of one session."""

    tenant: str
    holder: Process | None = None
    fence: int = 0
    broken: bool = False
    """The lease was taken from its holder by force."""
    taken_in_peace: bool = False
    turns: dict[int, tuple[str, ...]] = field(default_factory=dict)
    """version -> the messages of its conversation, in order."""
    answered: list[str] = field(default_factory=list)
    """Messages of its ledger, in order."""
    erased: bool = False


class Monitor:
    """Sees every change of the servers as it happens, and what the outside world sees."""

    def __init__(self, blobs: dict[str, tuple[bytes, float]]) -> None:
        """`blobs` are the object server's."""
        self.violation: Violation | None = None
        self.sessions: dict[str, SessionBelief] = {}
        self.committed: dict[tuple[str, str], Committed] = {}
        """(session key, message) -> its turn."""
        self.forgotten: set[tuple[str, str]] = set()
        """Messages whose session was erased with their answer in it: they may be run once more."""
        self.accepted: set[tuple[str, str]] = set()
        self.delivered: Counter[tuple[str, str]] = Counter()
        self.given_up: set[tuple[str, str]] = set()
        self.model_calls = 0
        self.in_peace = False
        """Nothing goes wrong any more."""
        self._blobs = blobs
        self._heads: dict[str, Head] = {}

    def fail(self, check: str, detail: str) -> None:
        """Note the violation, unless there is one already."""
        if self.violation is None:
            self.violation = Violation(check, detail)

    # ----------------------------------------------------------------------------------------- heads

    def row_written(self, by: Process, before: Row | None, after: Row, lease: LeaseChange | None) -> None:
        """A record has changed; `lease` is None for an acquire."""
        tenant, kind, name = after.key.split("/", 2)
        if kind == "undelivered":
            self._note_given_up(name)
        if kind == "key" and before is not None:
            self._pointed(by, before, after)
        if kind != "head":
            return
        belief = self.sessions.setdefault(name, SessionBelief(tenant))
        if lease is None or before is None:
            belief.holder, belief.fence, belief.broken = by, after.fence, False
            arrived_late = CURRENT.get() is None
            # A partition may outlast the faults: who hears nothing of its lease cannot give it back.
            belief.taken_in_peace = self.in_peace and not (arrived_late or by.is_cut_off)
        if before is None:
            self._created(name, after)
            return
        if lease is None:
            return
        if after.body == before.body and isinstance(lease, Free):
            belief.broken = belief.holder is not by
            return  # given back, or broken by force
        if belief.holder is not by:
            self.fail("a stranger wrote the head", f"{by.name} changed session {name} under fence {after.fence}")
        if before.owner is None and after.body != before.body:
            self.fail("written without a lease", f"{by.name} changed session {name}, which nobody held")
        self._changed(name, belief, self._heads[name], decode_head(after.body, after.key))

    def _created(self, name: str, row: Row) -> None:
        head = self._heads[name] = decode_head(row.body, row.key)
        if head.version:
            self.fail("a session began in the middle", f"session {name} was made at version {head.version}")
        self.sessions[name].turns[0] = ()

    def _changed(self, name: str, belief: SessionBelief, before: Head, after: Head) -> None:
        self._heads[name] = after
        if not after.packs and before.packs and not after.answered:
            self._erased(name, belief)
            return
        if after.version not in (before.version, before.version + 1):
            self.fail("versions out of order", f"session {name} went from {before.version} to {after.version}")
        if after.ledger_size < before.ledger_size or not _keeps(before.answered, after.answered):
            self.fail("a turn was lost", f"session {name}, version {after.version}, forgot turns of {before.version}")
        self._check_packs(name, belief, after)
        self._check_outbox(name, before, after)
        if after.version == before.version + 1:
            self._moved_on(name, belief, before, after)

    def _check_packs(self, name: str, belief: SessionBelief, head: Head) -> None:
        for ref in head.packs:
            if f"{belief.tenant}/sessions/{name}/packs/{ref.name}" not in self._blobs:
                self.fail("a live pack is missing", f"session {name}, version {head.version}, pack {ref.name}")

    def _check_outbox(self, name: str, before: Head, after: Head) -> None:
        waiting = {pending.message_id for pending in after.outbox}
        for pending in before.outbox:
            place = (pending.session_key, pending.message_id)
            if pending.message_id not in waiting and not (self.delivered[place] or place in self.given_up):
                self.fail("a reply left the outbox unsent", f"session {name}, message {pending.message_id}")

    def _moved_on(self, name: str, belief: SessionBelief, before: Head, after: Head) -> None:
        index = self._index(name, belief, after)
        kind = index.get("kind", "?")
        said = belief.turns.get(before.version, ())
        if kind == "commit":
            belief.turns[after.version] = self._turn(name, belief, after, said)
        elif kind in ("rewind", "fork"):
            origin = index["from"]
            known = self.sessions[origin["session"]]
            belief.turns[after.version] = known.turns[origin["version"]]
            if kind == "fork":
                # The ledger of a version is that of its newest, so a fork knows what its source's tree knows.
                belief.answered = list(known.answered[: after.summary.turns])
        else:
            self.fail("a version of no kind", f"session {name}, version {after.version}: {kind}")

    def _turn(self, name: str, belief: SessionBelief, after: Head, said: tuple[str, ...]) -> tuple[str, ...]:
        if not after.outbox or after.outbox[-1].turn != after.summary.turns:
            self.fail("a turn without a reply", f"session {name}, version {after.version}")
            return said
        pending = after.outbox[-1]
        place = (pending.session_key, pending.message_id)
        if not pending.session_key.startswith(f"{belief.tenant}:"):
            self.fail("another tenant's message", f"{place} in session {name} of {belief.tenant}")
        if place in self.committed and place not in self.forgotten:
            self.fail("two turns for one message", f"{place}: session {name} and {self.committed[place].session_id}")
        self.forgotten.discard(place)
        self.committed[place] = Committed(name, after.summary.turns)
        belief.answered.append(pending.message_id)
        return (*said, pending.message_id)

    def _index(self, name: str, belief: SessionBelief, head: Head) -> dict[str, Any]:
        ref = head.packs[-1]
        stored = self._blobs.get(f"{belief.tenant}/sessions/{name}/packs/{ref.name}")
        if stored is None:
            return {}
        try:
            return dict(decode_pack(ref.name, stored[0], expected=ref).index)
        except Corrupt as error:
            self.fail("a live pack is another's", str(error))
            return {}

    def _erased(self, name: str, belief: SessionBelief) -> None:
        belief.erased = True
        self.forgotten |= {place for place, turn in self.committed.items() if turn.session_id == name}

    def _pointed(self, by: Process, before: Row, after: Row) -> None:
        """An operator may begin anew or link keys; whoever only runs turns may not."""
        if by.name.startswith("operator"):
            return
        old, new = (decode_mapping(row.body, row.key).session_id for row in (before, after))
        if old != new and old in self.sessions and self.sessions[old].answered and not self.sessions[old].erased:
            self.fail("a conversation was left behind", f"{after.key} points at {new}, and {old} has turns")

    def _unpointed(self, row: Row) -> None:
        """A mapping goes with its session only, or with a fork that failed and has nothing but copied turns."""
        name = decode_mapping(row.body, row.key).session_id
        belief = self.sessions.get(name)
        has_turns = any(done.session_id == name for done in self.committed.values())
        if has_turns and belief is not None and not belief.erased:
            self.fail("a conversation was left behind", f"{row.key} is gone, and its session has turns")

    def given_up_for_lost(self, by: Process, reason: str) -> None:
        """A worker gives a message back because it believes that its session's lease has passed."""
        name, fence = HELD.get()
        belief = self.sessions.get(name)
        if belief and name in reason and belief.fence == fence and not belief.broken and not belief.erased:
            self.fail("a lease taken for lost", f"{by.name} holds session {name} under fence {fence}: {reason}")

    def row_removed(self, row: Row) -> None:
        """A record is gone."""
        _, kind, name = row.key.split("/", 2)
        if kind == "key":
            self._unpointed(row)
        if kind == "head" and not self.sessions[name].erased and self.sessions[name].answered:
            self.fail("a session vanished", f"session {name} had {len(self.sessions[name].answered)} turns")

    # --------------------------------------------------------------------------------------- objects

    def put_twice(self, by: Process, key: str, data: bytes) -> None:
        """There is an object of this name already."""
        if "/packs/" in key and key in self._blobs and self._blobs[key][0] != data:
            self.fail("one name for two packs", f"{by.name} made {key} anew, with other bytes")

    def removed(self, by: Process, key: str) -> None:
        """An object is gone."""
        _, kind, rest = key.split("/", 2)
        if kind != "sessions":
            return
        name, _, pack = rest.split("/", 2)
        head = self._heads.get(name)
        if head and not self.sessions[name].erased and any(ref.name == pack for ref in head.packs):
            self.fail("a live pack was removed", f"{by.name} removed {pack} of session {name}")

    # ----------------------------------------------------------------------------------- the outside

    def acknowledged(self, by: Process, key: str, message_id: str) -> None:
        """A worker has taken the message off the queue for good."""
        if (key, message_id) not in self.committed:
            self.fail("acknowledged, not committed", f"{by.name} acknowledged {message_id} of {key}")

    def given_back(self, by: Process, reason: str, *, is_counted: bool) -> None:
        """A worker puts the message back into the queue."""

    def sent(self, reply: Reply) -> None:
        """A channel was given the reply."""
        place = (reply.session_key, reply.message_id)
        if place not in self.committed:
            self.fail("a reply of no turn", f"{place} was answered before it was committed")
        self._check_reply(reply)
        self.delivered[place] += 1

    def _check_reply(self, reply: Reply) -> None:
        if reply.text != answer_to(reply.session_key, reply.message_id):
            self.fail("another reply was sent", f"{reply.session_key} {reply.message_id}: {reply.text!r}")

    def _note_given_up(self, name: str) -> None:
        session_id, _, turn = name.partition("/")
        for place, done in self.committed.items():
            if (done.session_id, done.turn) == (session_id, int(turn)):
                self.given_up.add(place)

    def agent_started(self, by: Process, session_id: str, place: tuple[str, str]) -> None:
        """A worker pays for the message's turn."""
        self.model_calls += 1
        is_current = HELD.get() == (session_id, self.sessions[session_id].fence)
        if is_current and place in self.committed and place not in self.forgotten:
            self.fail("a committed turn was run again", f"{by.name} asked the model for {place} once more")


def answer_to(session_key: str, message_id: str) -> str:
    """What the simulated agent answers."""
    return f"{session_key} {message_id} answered"


def _keeps(before: tuple[Answered, ...], after: tuple[Answered, ...]) -> bool:
    """Whether the window only slid."""
    old, new = [each.digest for each in before], [each.digest for each in after]
    return new[: len(old)] == old or new[:-1] == old[-(WINDOW - 1) :] if old else True
