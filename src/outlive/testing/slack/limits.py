"""Rate limits: tiers by method and minute, and one message a second to a channel with bursts."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from outlive.testing.slack.refusals import too_many
from outlive.testing.window import Window

TIERS = {"chat.startStream": 20, "chat.stopStream": 20, "chat.update": 50, "chat.delete": 50, "chat.appendStream": 100}
"""https://docs.slack.dev/apis/web-api/rate-limits: calls a minute."""


@dataclass
class Limits:
    """What was called of late. `burst` messages may come at once, then one a second."""

    now: Callable[[], float]
    burst: int = 8
    _windows: dict[tuple[str, str], Window] = field(default_factory=dict)

    def check(self, method: str, channel: str) -> None:
        """Count a call; `ApiError` 429 when it is one too many."""
        if method == "chat.postMessage":
            window = self._windows.setdefault((method, channel), Window(self.burst, float(self.burst)))
        elif method in TIERS:
            window = self._windows.setdefault((method, ""), Window(TIERS[method], 60.0))
        else:
            return
        if (wait := window.wait(self.now())) > 0:
            raise too_many(math.ceil(wait))
        window.times.append(self.now())
