"""The live text of this process's turns, passed on to its own streams."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

from outlive.core.keys import SessionKey
from outlive.core.live import LiveState

MAX_STRANGE = 1000


@dataclass(slots=True)
class _Watcher:
    """What one reader has not seen yet: the latest state of each turn, in the order of the turns."""

    unseen: dict[str, LiveState] = field(default_factory=dict)
    more: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(slots=True)
class LiveTexts:
    """The turns of this process, for its own streams. A slow reader misses states in between, never the last one."""

    _latest: dict[str, LiveState] = field(default_factory=dict)
    """Of running turns, by session key."""
    _watchers: dict[str, list[_Watcher]] = field(default_factory=dict)

    _strange: set[str] = field(default_factory=set)
    """Names of records that could not be read."""

    def is_first(self, strange: str) -> bool:
        """Whether a record that cannot be read is to be told of: each once, and after a thousand of them anew."""
        if strange in self._strange:
            return False
        if len(self._strange) >= MAX_STRANGE:
            self._strange.clear()
        self._strange.add(strange)
        return True

    def publish(self, state: LiveState) -> None:
        """Pass a state on to whoever watches its session key."""
        if state.ended:
            self._latest.pop(state.session_key, None)
        else:
            self._latest[state.session_key] = state
        for watcher in self._watchers.get(state.session_key, ()):
            watcher.unseen[state.message_id] = state
            watcher.more.set()

    def runs(self, key: SessionKey, message_id: str) -> bool:
        """Whether the message's turn runs in this process."""
        latest = self._latest.get(str(key))
        return latest is not None and latest.message_id == message_id

    async def watch(self, key: SessionKey) -> AsyncGenerator[LiveState, None]:
        """The states of the key's turns as they come, the running turn's latest first; it ends when it is closed."""
        name, watcher = str(key), _Watcher()
        self._watchers.setdefault(name, []).append(watcher)
        if name in self._latest:
            watcher.unseen[self._latest[name].message_id] = self._latest[name]
            watcher.more.set()
        try:
            while True:
                await watcher.more.wait()
                watcher.more.clear()
                while watcher.unseen:
                    yield watcher.unseen.pop(next(iter(watcher.unseen)))
        finally:
            self._watchers[name].remove(watcher)
            if not self._watchers[name]:
                del self._watchers[name]
