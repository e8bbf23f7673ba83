"""What an agent may do with the session's memory inside its turn.

Its changes to the state are written into the turn's own tree: committed with the turn, and lost with it. Preferences
are the user's and not the session's: they are written at once, whatever becomes of the turn.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from outlive.core.json_paths import parse_pointer, value_at
from outlive.core.manifests import APPEND, FILE
from outlive.core.state import (
    HISTORY_PATH,
    PATH,
    State,
    apply_change,
    change_between,
    decode_state,
    empty_state,
    encode_change,
    encode_state,
)
from outlive.core.state_blobs import blob_path, links, offloaded
from outlive.errors import Invalid, NotFound
from outlive.flows.knowledge.change_state import check_state, patched_document
from outlive.flows.knowledge.follow_links import follow_links
from outlive.flows.knowledge.preferences import patch_preferences, read_preferences
from outlive.flows.turn.commit_files import MODE
from outlive.flows.turn.commit_turn import TurnOnDisk
from outlive.protocols import AgentTool, FileContent

BY = "agent"
"""Who changed the state, for its history."""
NOTHING: Mapping[str, Any] = {"type": "object", "properties": {}, "additionalProperties": False}
LARGE = "Of a large value it shows the summary; give its path to read it, and from to read on."
ONE_FIELD: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "path": {"type": "string", "description": "JSON Pointer of one field: /extracted_context/log, say."},
        "from": {"type": "integer", "minimum": 0, "description": "Skip so many characters of a text."},
    },
    "additionalProperties": False,
}
MAX_SHOWN = 30_000
"""Characters of one field that a model is shown at a time."""
MERGED = {"type": "object", "description": "A JSON Merge Patch: objects are merged, null removes a field."}


class TurnTools:
    """The tools of one turn; they say no once it is over."""

    def __init__(self, turn: TurnOnDisk | None = None) -> None:
        """Without a turn they only show what there will be."""
        self._turn = turn
        self.is_over = False

    @property
    def tools(self) -> tuple[AgentTool, ...]:
        """As the agent is shown them."""
        told = "extracted_context is for facts, active_mission for the goal and its sub_tasks."
        return (
            AgentTool("state_get", f"The facts kept of this session, as JSON. {LARGE}", ONE_FIELD, self._state_get),
            AgentTool("state_patch", f"Keep facts of this session; {told}", _patch(MERGED), self._state_patch),
            AgentTool(
                "preferences_get", "What this user said about how they like things.", NOTHING, self._preferences_get
            ),
            AgentTool(
                "preferences_patch",
                "Keep what this user says about how they like things, for all their sessions.",
                _patch(MERGED),
                self._preferences_patch,
            ),
        )

    async def _state_get(self, given: Mapping[str, Any]) -> str:
        state = await self._state()
        path, start = given.get("path"), given.get("from", 0)
        if path is None:
            return _shown(state)
        if not isinstance(path, str) or not isinstance(start, int) or start < 0:
            raise Invalid("path is no text, or from no number.", fix='Pass {"path": "/extracted_context/log"}, say.')
        value = await follow_links(value_at(state.document, parse_pointer(path)), self._read)
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        end = start + MAX_SHOWN
        more = f"\n[{len(text):,} characters in all; read on with from: {end}]" if len(text) > end else ""
        return text[start:end] + more

    async def _read(self, path: str) -> bytes | None:
        with suppress(NotFound):
            return await self.open().workspace.read(path)
        return None

    async def _state_patch(self, given: Mapping[str, Any]) -> str:
        turn = self.open()
        async with turn.flushing:  # a flush takes both files, or neither
            before = await self._state()
            document, blobs = offloaded(patched_document(before.document, _patch_of(given)))
            change = change_between(before, document, at=turn.engine.clock.now(), by=BY)
            if change is None:
                return _shown(before)
            after = apply_change(before, change)
            there = {digest for _, digest in links(before.document)}
            linked = await check_state(after.document, turn.engine.state_schema, blobs, there, self._read)
            line = FileContent(HISTORY_PATH, APPEND, MODE, [encode_change(change)], append=True)
            large = [FileContent(blob_path(digest), FILE, MODE, [raw]) for digest, raw in blobs.items()]
            await turn.workspace.write([*large, FileContent(PATH, FILE, MODE, [encode_state(after)]), line])
            await turn.workspace.remove([blob_path(digest) for digest in there - linked])
        return _shown(after)

    async def _preferences_get(self, _given: Mapping[str, Any]) -> str:
        turn = self.open()
        stores = turn.engine.stores(turn.inbound.key.tenant)
        return json.dumps((await read_preferences(turn.engine, stores, turn.user, turn.lease.head.profile)).values)

    async def _preferences_patch(self, given: Mapping[str, Any]) -> str:
        turn, patch = self.open(), _patch_of(given)
        stores = turn.engine.stores(turn.inbound.key.tenant)
        kept = await patch_preferences(turn.engine, stores, turn.user, turn.lease.head.profile, patch)
        return json.dumps(kept.values)

    async def _state(self) -> State:
        turn = self.open()
        schema = turn.engine.state_schema
        try:
            return decode_state(await turn.workspace.read(PATH), schema)
        except NotFound:
            return empty_state(schema)

    def open(self) -> TurnOnDisk:
        """The turn; `Invalid` before one begins, and once it is over."""
        if self.is_over or self._turn is None:
            raise Invalid("no turn runs.", fix="Call the tool in the next one.")
        return self._turn


def _patch(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"type": "object", "properties": {"patch": schema}, "required": ["patch"], "additionalProperties": False}


def _patch_of(given: Mapping[str, Any]) -> Mapping[str, Any]:
    patch = given.get("patch")
    if not isinstance(patch, Mapping):
        raise Invalid("argument patch is no JSON object.", fix='Pass {"patch": {"extracted_context": {...}}}, say.')
    return patch


def _shown(state: State) -> str:
    return json.dumps({"version": state.version, **state.document}, ensure_ascii=False)
