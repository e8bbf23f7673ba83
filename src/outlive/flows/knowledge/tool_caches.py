"""One tool cache for each tenant of a worker, so that two of its turns that ask the same at once ask once."""

from __future__ import annotations

from weakref import WeakValueDictionary

from outlive.flows.knowledge.tool_cache import ToolCache
from outlive.flows.tally import Tally
from outlive.flows.tenant_stores import TenantStores
from outlive.protocols import Clock


class ToolCaches:
    """The caches that somebody uses right now; what is kept lies in the stores."""

    def __init__(self) -> None:
        self._caches: WeakValueDictionary[str, ToolCache] = WeakValueDictionary()

    def of(self, stores: TenantStores, clock: Clock, tally: Tally) -> ToolCache:
        """The tenant's cache; the same one for as long as anybody holds it."""
        cache = self._caches.get(stores.tenant)
        if cache is None:
            cache = self._caches[stores.tenant] = ToolCache(stores, clock, tally)
        return cache
