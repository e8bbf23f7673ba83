"""What has happened in this process and is not in the tenants' statistics yet; in memory, so that counting is free."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from outlive.core.keys import parse_session_key
from outlive.core.sessions import Head
from outlive.core.statistics import Change, Figures, moved


@dataclass(slots=True)
class Tally:
    """Changes by tenant, added up by the millisecond. One for all that a process does."""

    flushed_at: float | None = None
    """When it was last taken; None for never."""
    _changes: dict[str, dict[int, Figures]] = field(default_factory=lambda: defaultdict(dict))

    def add(self, tenant: str, figures: Figures, at: float) -> None:
        """Note a change."""
        if figures == Figures():
            return
        moments, moment = self._changes[tenant], round(at * 1000)
        moments[moment] = moments.get(moment, Figures()) + figures

    def moved(self, before: Head | None, after: Head | None, at: float) -> None:
        """Note that a session's head was written, made (no `before`) or removed (no `after`)."""
        head = after or before
        if head is not None:
            self.add(parse_session_key(head.key).tenant, moved(before, after), at)

    def forget(self, tenant: str) -> None:
        """The tenant is no more."""
        self._changes.pop(tenant, None)

    def take(self) -> dict[str, list[Change]]:
        """What there is, by tenant; it is not here any more."""
        taken, self._changes = self._changes, defaultdict(dict)
        return {
            tenant: [Change(moment / 1000, figures) for moment, figures in moments.items()]
            for tenant, moments in taken.items()
        }

    def put_back(self, tenant: str, changes: list[Change]) -> None:
        """What could not be stored is tried again with the next flush."""
        for change in changes:
            self.add(tenant, change.figures, change.at)
