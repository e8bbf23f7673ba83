"""What is known of a session and its user, put in front of a message, within a budget of tokens."""

from __future__ import annotations

from dataclasses import replace

from outlive.core.state import HISTORY_PATH, PATH, decode_changes, decode_state
from outlive.core.state_filter import BUDGET, Filtered, StateRules, fenced, filter_by_choice, filter_state, open_fields
from outlive.errors import AgentFailed
from outlive.flows.knowledge.preferences import read_preferences
from outlive.flows.trace import Trace
from outlive.flows.turn.commit_turn import TurnOnDisk

PREFERENCES = "user_preferences"
"""What preferences are called in front of a message."""


HISTORY_BYTES = 64 * 1024
"""How much of the state's changes is looked at: what changed last comes first, and so long ago is long ago."""


async def recall_facts(turn: TurnOnDisk, trace: Trace) -> str:
    """The fenced fields that go before the message; empty when there are none, and then nothing was asked for them.

    The state lies in the restored tree. Preferences are a read of the table, made only where the policy has them on.
    `Corrupt`, `SchemaTooNew` or `Invalid` for a state that this worker must not work on.
    """
    policy = turn.engine.policy
    with trace.step("state") as step:
        found = [await _state(turn)] if policy.state_tokens and PATH in turn.state.manifest.entries else []
        found += [await _preferences(turn)] if policy.preferences else []
        known = [each for each in found if each.document]
        before, after = sum(each.tokens_before for each in known), sum(each.tokens_after for each in known)
        step.found = "; ".join([f"{before} tokens known, {after} sent", *_choosers(known)])
    if not known:
        trace.steps.remove(step)
    return "".join(map(fenced, known))


def _choosers(known: list[Filtered]) -> list[str]:
    return [f"chosen by {each.how}" for each in known if each.how != "rules"]


async def _state(turn: TurnOnDisk) -> Filtered:
    engine = turn.engine
    state = decode_state(await turn.workspace.read(PATH), engine.state_schema)
    history = decode_changes(await _latest(turn))
    rules = replace(engine.state_rules, budget=engine.policy.state_tokens)
    by_rules = filter_state(state.document, history, turn.inbound.text, rules)
    chooser, fields = engine.field_chooser, open_fields(state.document, rules)
    if chooser is None or not fields:
        return by_rules
    try:
        chosen = await chooser.choose(fields, turn.inbound.text, profile=turn.lease.head.profile)
    except AgentFailed as error:
        return replace(by_rules, how=f"rules: {error.message}")
    if chosen is None:
        return by_rules
    found = filter_by_choice(state.document, chosen.paths, rules)
    return replace(found, how=f"a model ({chosen.input_tokens} tokens in, {chosen.output_tokens} out)")


async def _latest(turn: TurnOnDisk) -> bytes:
    """The last changes of the state, in whole lines: a turn must not cost more the longer the session is."""
    entry = turn.state.manifest.entries.get(HISTORY_PATH)
    if entry is None:
        return b""
    start = max(entry.size - HISTORY_BYTES, 0)
    content = await turn.workspace.read(HISTORY_PATH, start)
    return content[content.find(b"\n") + 1 :] if start else content


async def _preferences(turn: TurnOnDisk) -> Filtered:
    inbound, stores = turn.inbound, turn.engine.stores(turn.inbound.key.tenant)
    kept = await read_preferences(turn.engine, stores, turn.user, turn.lease.head.profile)
    rules = StateRules(always=((PREFERENCES,),), never=(), budget=turn.engine.policy.state_tokens or BUDGET)
    return filter_state({PREFERENCES: kept.values} if kept.values else {}, [], inbound.text, rules)
