"""What a tool works on: one tenant's stores. The tenant is the caller's own, never an argument."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from outlive.core.keys import SessionId, SessionKey, parse_session_id, parse_session_key
from outlive.errors import Invalid, NotFound, Refused
from outlive.flows.engine import Engine
from outlive.flows.knowledge.tool_cache import ToolCache
from outlive.flows.tenant_stores import TenantStores
from outlive.flows.turn.find_session import find_session, hold_session
from outlive.flows.turn.hold_lease import Busy


class Arguments(BaseModel):
    """What a tool is called with; a name that it does not know is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True, slots=True)
class Memory:
    """One tenant's memory."""

    engine: Engine
    stores: TenantStores
    profile: str

    @property
    def cache(self) -> ToolCache:
        """The tenant's tool results."""
        return ToolCache(self.stores, self.engine.clock, self.engine.tally)

    def key(self, text: str) -> SessionKey:
        """A session key of this tenant; `Refused` for one that names another."""
        key = parse_session_key(text, tenant=self.stores.tenant)
        if key.tenant != self.stores.tenant:
            raise Refused(f"session key {text!r} belongs to another tenant.", fix="Leave the tenant out.")
        return key

    async def session(self, text: str) -> SessionId:
        """The session of an id or a session key; `NotFound` when the key has none."""
        try:
            return parse_session_id(text)
        except Invalid:
            return await find_session(self.engine, self.stores, self.key(text))

    async def some_session(self, text: str) -> SessionId:
        """The same, but a key that has no session is given one."""
        try:
            return await self.session(text)
        except NotFound:
            made = await hold_session(self.engine, self.stores, self.key(text), self.profile)
            if isinstance(made, Busy):  # somebody else has just made it, and works in it
                return await self.session(text)
            await made.release()
            return made.head.session_id


@dataclass(frozen=True, slots=True)
class MemoryTool:
    """A tool as it is listed, and what it does."""

    name: str
    description: str
    arguments: type[Arguments]
    call: Callable[[Memory, Any], Awaitable[object]]
    """Given what `arguments` made of the call's; what it returns is shown as JSON."""
    changes: bool = False
    """Whether it writes anything."""

    async def run(self, memory: Memory, given: object) -> object:
        """What the tool returns; `Invalid` names the argument that is wrong."""
        try:
            arguments = self.arguments.model_validate(given or {})
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            name = ".".join(map(str, first["loc"])) or "arguments"
            fix = f"See the input schema of {self.name}."
            raise Invalid(f"argument {name} is not valid: {first['msg']}.", fix=fix) from error
        return await self.call(memory, arguments)
