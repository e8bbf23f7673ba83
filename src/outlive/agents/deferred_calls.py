"""Calls in a transcript that were deferred and have no result yet, and the entry that refuses one.

Every one of them has to be dealt with before the CLI starts: it makes such a call as soon as it reads the transcript,
before the SDK can tell it of any hook.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from outlive.agents.approval_rules import Rule, asking_rule
from outlive.agents.outcome import tool_summary
from outlive.core.approvals import call_digest
from outlive.protocols import DeferredCall

_MARKER = b'"hook_deferred_tool"'
_KEPT = ("isSidechain", "userType", "entrypoint", "cwd", "sessionId", "version", "gitBranch", "timestamp")


@dataclass(frozen=True, slots=True)
class WaitingCall:
    """A call that waits in the transcript."""

    tool_use_id: str
    name: str
    arguments: dict[str, Any]
    source: str
    """Uuid of the entry that makes it."""
    digest: str
    """Empty when the transcript holds different calls under this id: no verdict fits that."""


def waiting_calls(transcript: bytes) -> list[WaitingCall]:
    """Deferred calls without a result, oldest first."""
    if _MARKER not in transcript:
        return []
    entries = list(_entries(transcript))
    ids = dict.fromkeys(
        entry["attachment"].get("toolUseID")
        for entry in entries
        if isinstance(entry.get("attachment"), dict) and entry["attachment"].get("type") == "hook_deferred_tool"
    )
    answered = {block.get("tool_use_id") for _, block in _blocks(entries, "tool_result")}
    found = [(entry, block) for entry, block in _blocks(entries, "tool_use")]
    return [
        _call([(entry, block) for entry, block in found if block.get("id") == each])
        for each in ids
        if each not in answered and any(block.get("id") == each for _, block in found)
    ]


def _call(found: Sequence[tuple[dict[str, Any], dict[str, Any]]]) -> WaitingCall:
    entry, block = found[-1]
    digests = {call_digest(each["id"], str(each.get("name")), each.get("input")) for _, each in found}
    return WaitingCall(
        block["id"],
        str(block.get("name")),
        block.get("input") or {},
        entry["uuid"],
        digests.pop() if len(digests) == 1 else "",
    )


def _entries(transcript: bytes) -> Iterator[dict[str, Any]]:
    for line in transcript.splitlines():
        if b'"uuid"' not in line:
            continue
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict) and "uuid" in entry and not entry.get("isSidechain"):
            yield entry


def _blocks(entries: Sequence[dict[str, Any]], kind: str) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    for entry in entries:
        message = entry.get("message")
        content = message.get("content") if isinstance(message, dict) else None
        for block in content if isinstance(content, list) else []:
            if isinstance(block, dict) and block.get("type") == kind:
                yield entry, block


def refusals(transcript: bytes, calls: Sequence[WaitingCall], reason: str) -> bytes:
    """The lines to add to the transcript so that these calls are over: for the model, each failed for that reason.

    The same lines every time, so that a turn that is run again adds nothing else.
    """
    if not calls:
        return b""
    last = list(_entries(transcript))[-1]
    added = b"" if transcript.endswith(b"\n") else b"\n"
    parent = last["uuid"]
    for call in calls:
        entry = _refusal(last, parent, call, reason)
        parent = entry["uuid"]
        added += json.dumps(entry, separators=(",", ":")).encode() + b"\n"
    return added


def _refusal(last: dict[str, Any], parent: str, call: WaitingCall, reason: str) -> dict[str, Any]:
    result = {"type": "tool_result", "content": reason, "is_error": True, "tool_use_id": call.tool_use_id}
    return {
        "parentUuid": parent,
        **{name: last[name] for name in _KEPT if name in last},
        "type": "user",
        "message": {"role": "user", "content": [result]},
        "uuid": str(uuid5(NAMESPACE_OID, call.tool_use_id)),
        "toolUseResult": f"Error: {reason}",
        "sourceToolAssistantUUID": call.source,
    }


def question_about(call: WaitingCall, rules: Sequence[Rule], cwd: str) -> DeferredCall:
    """The call as the engine asks about it."""
    rule = asking_rule(rules, call.name, call.arguments, cwd=cwd)
    return DeferredCall(
        tool_use_id=call.tool_use_id,
        name=call.name,
        input_json=json.dumps(call.arguments),
        rule=rule.text if rule else call.name,
        summary=tool_summary(call.arguments),
    )
