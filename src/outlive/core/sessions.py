"""The head of a session: the one small record that says what is committed, and its JSON form."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, fields, replace
from itertools import accumulate
from typing import Any

from outlive.core.approvals import Approval, approval_from_json, approval_json
from outlive.core.keys import DIGEST_LENGTH, SessionId
from outlive.core.manifests import refs_from_json, refs_json
from outlive.core.packs import PackRef
from outlive.core.session_options import NO_OPTIONS, SessionOptions, options_from_json, options_json
from outlive.errors import Corrupt, SchemaTooNew

SCHEMA = 3
SCHEMA_WITHOUT_FORMER = 2
"""Still written for heads without options that no key has left, and for keys that have left no session: older workers
of a mixed fleet can read it."""
SCHEMA_WITHOUT_APPROVALS = 1
"""Still written for a head that has none of these either."""
ANSWERED_WINDOW = 64
SESSION_TTL = 25 * 86400.0
"""Sliding, in seconds: the original design's 25 days."""
TITLE_LENGTH = 80


@dataclass(frozen=True, slots=True)
class Answered:
    """A message that has its turn."""

    digest: str
    """Of the message's id."""
    turn: int
    offset: int
    """Where its line starts in the ledger."""
    at: int
    """When it was committed, whole epoch seconds."""


@dataclass(frozen=True, slots=True)
class Pending:
    """A committed reply that has not been delivered yet (the outbox)."""

    message_id: str
    session_key: str
    turn: int
    offset: int
    tries: int = 0
    """Failed ones so far."""
    since: float = 0.0
    """When the first try failed."""
    next_at: float = 0.0
    """When it is to be tried again."""
    progress: str = ""
    """How far the channel got, in its own words."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What a listing shows."""

    title: str = ""
    turns: int = 0
    usd: float = 0.0
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    agent_turns: int = 0
    """Model calls."""
    seconds: float = 0.0
    """Wall time of the agent."""


@dataclass(frozen=True, slots=True)
class Head:
    """Everything a worker needs to know before it fetches anything else."""

    session_id: SessionId
    key: str
    """The session key it was made for (others may point at it as well)."""
    created_at: float
    updated_at: float
    version: int = 0
    agent_session_id: str | None = None
    profile: str = "default"
    prompt_version: str = ""
    clean_fence: int = 0
    """Every lease up to this fence ended in order; a gap means that a holder died and may have left flushes."""
    lineage: int = 0
    """The last version whose tree did not grow from the one before (rewind): older local copies are no base."""
    packs: tuple[PackRef, ...] = ()
    """Live packs, oldest first; the last carries the manifest of `version`."""
    ledger_size: int = 0
    answered: tuple[Answered, ...] = ()
    answered_until: int = 0
    """When the newest message that has left the window was answered; 0 while the window holds them all."""
    outbox: tuple[Pending, ...] = ()
    summary: Summary = Summary()
    region: str = "local"
    last_active_region: str = "local"
    approval: Approval | None = None
    """The tool call that waits for a person."""
    lifted_rules: tuple[str, ...] = ()
    """Rules that no longer ask in this session."""
    options: SessionOptions = NO_OPTIONS
    left: tuple[str, ...] = ()
    """Digests of the keys that have been pointed elsewhere: who came by one reads its mapping again."""

    @property
    def expires_at(self) -> float:
        """When the sliding TTL ends."""
        return self.updated_at + SESSION_TTL

    @property
    def tree(self) -> str:
        """Names the tree of this version, the empty one of a new session included.

        The version alone would not do: a commit that lost and a rewind make the same number. The pack's name holds the
        fence and a sequence.
        """
        return f"{self.version}:{self.packs[-1].name if self.packs else ''}"


def encode_head(head: Head) -> bytes:
    """The head as stored."""
    fields = {name: getattr(head, name) for name in _PLAIN}
    fields |= {
        "schema": SCHEMA_WITHOUT_APPROVALS,
        "packs": refs_json(head.packs),
        "answered": _window_json(head.answered),
        "outbox": [_pending_json(pending) for pending in head.outbox],
        "summary": {name: getattr(head.summary, name) for name in _SUMMARY},
    }
    if head.approval or head.lifted_rules or head.options != NO_OPTIONS:
        fields |= {
            "schema": SCHEMA_WITHOUT_FORMER,
            "approval": approval_json(head.approval),
            "lifted_rules": head.lifted_rules,
        }
    if head.options != NO_OPTIONS:
        fields |= {"schema": SCHEMA, "options": options_json(head.options)}
    if head.left:
        fields |= {"schema": SCHEMA, "left": head.left}
    return json.dumps(fields, separators=(",", ":")).encode()


def decode_head(body: bytes, name: str) -> Head:
    """A head from its stored form; `Corrupt` or `SchemaTooNew` name the record."""
    try:
        fields = json.loads(body)
        schema = fields["schema"]
        is_newer = schema > SCHEMA
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Corrupt(f"record {name} is not a session head.", fix="Restore the table from a backup.") from error
    if is_newer:
        raise SchemaTooNew(
            f"session head {name} has schema {schema}, this outlive knows up to {SCHEMA}.",
            fix="Upgrade outlive on this worker.",
        )
    return _head_from(fields, name)


@dataclass(frozen=True, slots=True)
class Brief:
    """What a bill needs of a head."""

    session_id: SessionId
    key: str
    updated_at: float
    tree: str
    """As `Head.tree`."""
    summary: Summary


def decode_brief(body: bytes, name: str) -> Brief:
    """The few fields that a bill needs, three times as fast as the whole head; `Corrupt` names the record."""
    try:
        fields = json.loads(body)
        packs, version = fields["packs"], fields["version"]
        tree = f"{version}:{packs[-1][0]}" if packs else ""
        summary = Summary(**fields["summary"])
        brief = Brief(SessionId(fields["session_id"]), fields["key"], float(fields["updated_at"]), tree, summary)
    except (ValueError, KeyError, TypeError, IndexError, RecursionError) as error:
        raise Corrupt(f"record {name} is not a session head.", fix="Restore the table from a backup.") from error
    return brief


def _head_from(fields: Mapping[str, Any], name: str) -> Head:
    if unknown := fields.keys() - _FIELDS:
        raise Corrupt(f"session head {name} has unknown fields: {sorted(unknown)}.", fix="Restore it from a backup.")
    try:
        return Head(
            **{key: fields[key] for key in _PLAIN},
            packs=refs_from_json(fields["packs"]),
            answered=_window_from_json(fields["answered"]),
            outbox=tuple(Pending(*value) for value in fields["outbox"]),
            summary=Summary(**fields["summary"]),
            approval=approval_from_json(fields.get("approval")),
            lifted_rules=tuple(fields.get("lifted_rules", ())),
            options=options_from_json(fields.get("options", {})),
            left=tuple(fields.get("left", ())),
        )
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise Corrupt(
            f"session head {name} lacks or garbles a field ({error}).", fix="Restore it from a backup."
        ) from error


def _pending_json(pending: Pending) -> list[Any]:
    """Without its tries where there were none: older workers of a mixed fleet can read it."""
    values = list(astuple(pending))
    return values if pending.since else values[:4]


def _window_json(window: Sequence[Answered]) -> list[Any]:
    """By column, numbers as steps from the one before: about 25 bytes a message, so that the head stays under 4 KB."""
    return [
        "".join(answered.digest for answered in window),
        _steps([answered.turn for answered in window]),
        _steps([answered.offset for answered in window]),
        _steps([answered.at for answered in window]),
    ]


def _window_from_json(value: Sequence[Any]) -> tuple[Answered, ...]:
    digests, turns, offsets, times = value
    width = DIGEST_LENGTH
    names = [digests[start : start + width] for start in range(0, len(digests), width)]
    return tuple(Answered(*row) for row in zip(names, *map(accumulate, (turns, offsets, times)), strict=True))


def _steps(numbers: Sequence[int]) -> list[int]:
    return [now - before for before, now in zip([0, *numbers], numbers, strict=False)]


_PLAIN = (
    "session_id", "key", "created_at", "updated_at", "version", "agent_session_id", "profile", "prompt_version",
    "clean_fence", "lineage", "ledger_size", "answered_until", "region", "last_active_region",
)  # fmt: skip
_SUMMARY = tuple(field.name for field in fields(Summary))
_FIELDS = {*_PLAIN, "schema", "packs", "answered", "outbox", "summary", "approval", "lifted_rules", "options", "left"}


@dataclass(frozen=True, slots=True)
class Former:
    """A session that a key has pointed at before."""

    session_id: SessionId
    closed_at: float | None = None
    """When it was made sure that no turn of the key runs in it, or can begin there, any more; None: not yet."""


@dataclass(frozen=True, slots=True)
class KeyMapping:
    """One session key's pointer: the seven fields of the original design, and where it has pointed before."""

    session_key: str
    session_id: SessionId
    """Empty when it points nowhere: its session was erased, and there are former ones."""
    chat_id: str
    thread_id: str
    created_at: float
    updated_at: float
    ttl: float
    """When it runs out, epoch seconds. Refreshed at most once a day; the head's own expiry is the exact one."""
    former: tuple[Former, ...] = ()
    """Oldest first; one that was closed long ago is left out."""


def encode_mapping(mapping: KeyMapping) -> bytes:
    """The mapping as stored."""
    fields = {"schema": SCHEMA_WITHOUT_FORMER, **asdict(mapping)}
    former = fields.pop("former")
    if former:
        fields |= {"schema": SCHEMA, "former": [list(each.values()) for each in former]}
    return json.dumps(fields, separators=(",", ":")).encode()


def decode_mapping(body: bytes, name: str) -> KeyMapping:
    """A mapping from its stored form; `Corrupt` or `SchemaTooNew` name the record."""
    try:
        fields = json.loads(body)
        if fields.pop("schema") > SCHEMA:
            raise SchemaTooNew(
                f"session mapping {name} is newer than this outlive.", fix="Upgrade outlive on this worker."
            )
        former = tuple(Former(*each) for each in fields.pop("former", ()))
        return KeyMapping(**fields, former=former)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise Corrupt(f"record {name} is not a session mapping.", fix="Restore the table from a backup.") from error


def delivered(head: Head, message_id: str) -> Head:
    """The head without this reply in its outbox."""
    return replace(head, outbox=tuple(p for p in head.outbox if p.message_id != message_id))


def settled(head: Head, fence: int) -> Head:
    """The head that says that the lease under `fence` ended in order."""
    return replace(head, clean_fence=fence)
