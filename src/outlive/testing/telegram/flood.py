"""Flood limits: one message a second to a chat with bursts, twenty a minute to a group, thirty a second in all."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from outlive.testing.telegram.refusals import too_many
from outlive.testing.window import Window


@dataclass
class Flood:
    """What was sent of late. `burst` messages may come at once, then one a second."""

    now: Callable[[], float]
    burst: int = 8
    _chats: dict[int, Window] = field(default_factory=dict)
    _groups: dict[int, Window] = field(default_factory=dict)
    _all: Window = field(default_factory=lambda: Window(30, 1.0))

    def check(self, chat_id: int) -> None:
        """Count a message or an edit; `ApiError` 429 with `retry_after` when it is one too many."""
        windows = [self._all, self._chats.setdefault(chat_id, Window(self.burst, float(self.burst)))]
        if chat_id < 0:
            windows.append(self._groups.setdefault(chat_id, Window(20, 60.0)))
        if (wait := max(window.wait(self.now()) for window in windows)) > 0:
            raise too_many(math.ceil(wait))
        for window in windows:
            window.times.append(self.now())
