"""Tools for state, preferences and cached tool results."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from outlive.core.json_paths import parse_pointer, shown, value_at
from outlive.core.preferences import Preferences
from outlive.core.state import Change
from outlive.core.tool_cache import MAX_TTL, MIN_TTL
from outlive.entrypoints.mcp_server.memory import Arguments, Memory, MemoryTool
from outlive.entrypoints.mcp_server.session_tools import SESSION
from outlive.flows.knowledge.change_state import patch_state, read_state, state_history
from outlive.flows.knowledge.preferences import patch_preferences, read_preferences

PATCH = "An object is a JSON Merge Patch (null removes), a list is a JSON Patch."
EXPECTED = "The version the patch was made for; left out, it is merged into whatever is there."


class _State(Arguments):
    session: str = SESSION
    version: int | None = Field(None, description="As it was at this version.")
    follow: bool = Field(default=False, description="Large values in place of their links.")
    path: str = Field("", description="JSON Pointer: only this field, such as /extracted_context/log.")


class _PatchedState(Arguments):
    session: str = SESSION
    patch: dict[str, Any] | list[dict[str, Any]] = Field(description=PATCH)
    expected: int | None = Field(None, description=EXPECTED)
    by: str = Field("mcp", max_length=128, description="Who changes it, for the history.")


class _History(Arguments):
    session: str = SESSION
    after: int = Field(0, ge=0, description="Only changes above this version.")
    limit: int = Field(100, ge=1, le=1000)


class _OfUser(Arguments):
    user: str
    agent: str = Field("default", description="The agent, by its profile.")


class _PatchedPreferences(_OfUser):
    patch: dict[str, Any] = Field(description="A JSON Merge Patch (null removes).")
    expected: int | None = Field(None, description=EXPECTED)


class _Tool(Arguments):
    profile: str = Field("default", description="The agent profile whose tool it is.")
    tool: str


class _Call(_Tool):
    parameters: dict[str, Any] = Field(description="The call's parameters; their order does not matter.")


class _Kept(_Call):
    result: str
    ttl: float = Field(MIN_TTL, ge=MIN_TTL, le=MAX_TTL, description="Seconds: 5 to 60 minutes.")


class _Invalidated(_Tool):
    parameters: dict[str, Any] | None = Field(None, description="Of one call; left out: every result of the tool.")


async def _state_get(memory: Memory, given: _State) -> object:
    session_id, path = await memory.session(given.session), parse_pointer(given.path)
    state = await read_state(memory.engine, memory.stores, session_id, version=given.version, follow=given.follow)
    return {"version": state.version, "value": value_at(state.document, path)} if path else state


async def _state_patch(memory: Memory, given: _PatchedState) -> object:
    session_id = await memory.some_session(given.session)
    return await patch_state(
        memory.engine, memory.stores, session_id, given.patch, by=given.by, expected=given.expected
    )


async def _state_history(memory: Memory, given: _History) -> object:
    session_id = await memory.session(given.session)
    found = await state_history(memory.engine, memory.stores, session_id, after=given.after, limit=given.limit)
    return {"changes": [_change(change) for change in found]}


def _change(change: Change) -> dict[str, object]:
    puts = {shown(path): value for path, value in change.puts}
    removed = [shown(path) for path in change.removes]
    return {"version": change.version, "at": change.at, "by": change.by, "put": puts, "removed": removed}


async def _preferences_get(memory: Memory, given: _OfUser) -> Preferences:
    return await read_preferences(memory.engine, memory.stores, given.user, given.agent)


async def _preferences_patch(memory: Memory, given: _PatchedPreferences) -> Preferences:
    return await patch_preferences(
        memory.engine, memory.stores, given.user, given.agent, given.patch, expected=given.expected
    )


async def _cache_get(memory: Memory, given: _Call) -> object:
    found = await memory.cache.get(given.profile, given.tool, given.parameters)
    return {"hit": False} if found is None else {"hit": True, "result": found.decode(errors="surrogatepass")}


async def _cache_put(memory: Memory, given: _Kept) -> object:
    content = given.result.encode(errors="surrogatepass")
    await memory.cache.put(given.profile, given.tool, given.parameters, content, ttl=given.ttl)
    return {"bytes": len(content)}


async def _cache_invalidate(memory: Memory, given: _Invalidated) -> object:
    await memory.cache.invalidate(given.profile, given.tool, given.parameters)
    return {"invalidated": "every result" if given.parameters is None else "one result"}


async def _cache_stats(memory: Memory, given: _Tool) -> object:
    return await memory.cache.stats(given.profile, given.tool)


MEMORY_TOOLS = (
    MemoryTool("state_get", "The state object of a session, now or as it was.", _State, _state_get),
    MemoryTool(
        "state_patch",
        "Patch the state object of a session as a version of its own. Changes since the expected version are merged "
        "where the two do not touch; otherwise nothing is changed and both sides are told.",
        _PatchedState,
        _state_patch,
        changes=True,
    ),
    MemoryTool(
        "state_history", "How the state object of a session came about, oldest change first.", _History, _state_history
    ),
    MemoryTool("preferences_get", "What a user told an agent about how they like things.", _OfUser, _preferences_get),
    MemoryTool(
        "preferences_patch",
        "Change a user's preferences for an agent.",
        _PatchedPreferences,
        _preferences_patch,
        changes=True,
    ),
    MemoryTool("cache_get", "The kept result of a tool for these parameters.", _Call, _cache_get),
    MemoryTool(
        "cache_put",
        "Keep the result of a tool for these parameters. Never keep an error.",
        _Kept,
        _cache_put,
        changes=True,
    ),
    MemoryTool(
        "cache_invalidate", "Forget one result of a tool, or all.", _Invalidated, _cache_invalidate, changes=True
    ),
    MemoryTool(
        "cache_stats", "How many results of a tool are kept, and how often they were used.", _Tool, _cache_stats
    ),
)
