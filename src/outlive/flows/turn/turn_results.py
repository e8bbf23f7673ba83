"""The kept results of tools as one turn finds them, and how often it did."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from outlive.flows.knowledge.tool_cache import ToolCache


class TurnResults:
    """Implements `protocols.ToolResults` for a turn of this profile."""

    def __init__(self, cache: ToolCache, profile: str) -> None:
        self._cache, self._profile = cache, profile
        self.hits = self.misses = 0

    async def call(
        self, tool: str, parameters: Mapping[str, Any], call: Callable[[], Awaitable[bytes]], *, ttl: float
    ) -> bytes:
        result = await self._cache.call(self._profile, tool, dict(parameters), call, ttl=ttl)
        self.hits += result.is_cached
        self.misses += not result.is_cached
        return result.content

    @property
    def told(self) -> tuple[str, ...]:
        """What the trace says of it; empty for a turn that called no such tool."""
        if not self.hits and not self.misses:
            return ()
        return (f"tool cache: {self.hits} hits, {self.misses} misses",)
