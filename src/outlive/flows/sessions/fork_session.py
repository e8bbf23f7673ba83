"""A second session that starts from a version of the first, and shares nothing with it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

from outlive.core.keys import SessionId, SessionKey, parse_session_key, session_key
from outlive.core.ledger import PATH, lines_of
from outlive.core.sessions import Answered, Head, Summary
from outlive.flows.engine import Engine
from outlive.flows.knowledge.carry_messages import copy_messages
from outlive.flows.sessions.create_session import create_session, free_mapping
from outlive.flows.sessions.walk_history import Version, at_latest, find_versions, read_entry
from outlive.flows.sessions.write_tree import PackParts, move_tree, store_tree
from outlive.flows.tenant_stores import TenantStores
from outlive.flows.turn.hold_lease import Lease


@dataclass(frozen=True, slots=True)
class Forked:
    """A fork as it was made."""

    session_id: SessionId
    key: str
    source: SessionId
    source_version: int
    files: int
    bytes: int
    """Of its files."""


async def fork_session(
    engine: Engine,
    stores: TenantStores,
    session_id: SessionId,
    *,
    version: int | None = None,
    key: SessionKey | None = None,
) -> Forked:
    """Copy the tree of a version (default: the newest) into a new session, as one pack of its own.

    The messages that were appended to the source by now come along, whichever version it is: they have none.

    No lease is needed: a source that runs a turn is forked from its last commit. Without `key` the fork gets the
    source's with a thread of its own. `Invalid` names the versions there are, `AlreadyExists` a key that is in use;
    nothing is written then.
    """
    if key is not None:
        await free_mapping(engine, stores, key)

    async def fork(source: Head) -> Forked:
        (found,) = await find_versions(engine, stores, source, source.version if version is None else version)
        empty = _empty(engine, source, key)
        made = parse_session_key(empty.key)
        await create_session(engine, stores, [made], empty, partial(_fill, engine, stores, source, found))
        sizes = [entry.size for entry in found.tree.entries.values()]
        return Forked(empty.session_id, empty.key, source.session_id, found.number, len(sizes), sum(sizes))

    return await at_latest(engine, stores, session_id, fork)


def _empty(engine: Engine, source: Head, key: SessionKey | None) -> Head:
    """The fork before it has its tree."""
    session_id = SessionId(engine.new_id())
    now, region = engine.clock.now(), engine.policy.region
    return Head(
        session_id=session_id,
        key=str(key or _thread_of_its_own(source, session_id)),
        created_at=now,
        updated_at=now,
        profile=source.profile,
        prompt_version=source.prompt_version,
        region=region,
        last_active_region=region,
    )


def _thread_of_its_own(source: Head, session_id: SessionId) -> SessionKey:
    key = parse_session_key(source.key)
    return session_key(key.tenant, key.channel, key.chat_id, f"fork-{session_id}")


async def _fill(engine: Engine, stores: TenantStores, source: Head, found: Version, lease: Lease) -> Head:
    pack = PackParts(lease.next_pack())
    tree = found.tree
    entries = await move_tree(engine, stores, source.session_id, tree.entries, tree.packs, pack)
    labels = {
        "kind": "fork",
        "previous": None,
        "agent_session_id": found.agent_session_id,
        "from": {"session": source.session_id, "version": found.number},
    }
    packs = await store_tree(engine, stores, lease.head.session_id, entries, pack, windows=tree.windows, labels=labels)
    await copy_messages(engine, stores, source.session_id, lease.head.session_id)
    answered = _answered(source, found)
    turns = answered[-1].turn if answered else await _turns(engine, stores, source, found)
    return replace(
        lease.head,
        version=1,
        lineage=1,
        agent_session_id=found.agent_session_id,
        packs=packs,
        ledger_size=_ledger_size(found),
        answered=answered,
        answered_until=source.answered_until,
        summary=Summary(title=source.summary.title, turns=turns),
        clean_fence=lease.fence,
    )


def _ledger_size(found: Version) -> int:
    return found.tree.entries[PATH].size if PATH in found.tree.entries else 0


def _answered(source: Head, found: Version) -> tuple[Answered, ...]:
    """The part of the source's window whose lines are in the fork's ledger: ledgers only ever grow."""
    return tuple(answered for answered in source.answered if answered.offset < _ledger_size(found))


async def _turns(engine: Engine, stores: TenantStores, source: Head, found: Version) -> int:
    """How many turns the version has, from its ledger, when it is older than the source's window."""
    lines = lines_of(await read_entry(engine, stores, source.session_id, found.tree, PATH))
    return max((line.turn for line in lines), default=0)
