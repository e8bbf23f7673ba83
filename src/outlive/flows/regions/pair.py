"""The stores of both regions, and what each region says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from outlive.core.regions import CONTROL, Control, Regions, Replication, decode_control, encode_control
from outlive.errors import Unavailable
from outlive.flows.overwrite import overwrite
from outlive.protocols import Clock, Objects, Table

CONTROL_SECONDS = 2.0
"""How old a worker's knowledge of a region's control record may be; whoever changes one waits longer than that."""


@dataclass(slots=True)
class RegionPair:
    """Both regions as this process reaches them."""

    regions: Regions
    replication: Replication
    tables: Mapping[str, Table]
    """By region, bodies as stored."""
    objects: Mapping[str, Objects]
    clock: Clock
    window_seconds: float = 60.0
    """How far copies may be behind before an asynchronous region takes no more turns: what may be lost with it."""
    control_seconds: float = CONTROL_SECONDS
    readable: Mapping[str, Table] = field(default_factory=dict)
    """The tables with bodies in the clear; the same where nothing is sealed."""
    _known: dict[str, tuple[float, Control]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.readable = self.readable or self.tables

    @property
    def is_shared(self) -> bool:
        """Whether the table is one in both regions, so that nothing in it has a home and only objects are copied."""
        return self.tables[self.regions.own] is self.tables[self.regions.other]

    async def control(self, region: str) -> Control:
        """What the region says of itself, read now; `Unavailable` when it does not answer."""
        row = await self.tables[region].read(CONTROL + region)
        control = decode_control(row.body if row else None)
        self._known[region] = (self.clock.now(), control)
        return control

    async def recent_control(self, region: str) -> Control:
        """The same, a little old at most."""
        at, control = self._known.get(region, (float("-inf"), Control()))
        return control if self.clock.now() - at < self.control_seconds else await self.control(region)

    async def set_control(self, region: str, control: Control) -> None:
        """Write it."""
        await overwrite(self.tables[region], CONTROL + region, encode_control(control), self.clock, expires_at=None)
        self._known[region] = (self.clock.now(), control)

    async def is_alone(self) -> bool:
        """Whether this region goes on without the other."""
        return (await self.recent_control(self.regions.own)).alone

    async def is_left_behind(self) -> bool:
        """Whether the other region took over without being able to say so here: its records may be newer than ours.

        A region that cannot be asked counts as one that did not: what is written here has to be copied there, and fails
        there, if it did.
        """
        other = self.regions.other
        try:
            return not await self.is_alone() and (await self.recent_control(other)).alone
        except Unavailable:  # nor is it asked again at once: to wait for a region that is gone takes its time
            self._known[other] = (self.clock.now(), Control())
            return False

    async def reaches(self, region: str) -> bool:
        """Whether both stores of the region answer."""
        try:
            await self.tables[region].ping()
            await self.objects[region].ping()
        except Unavailable:
            return False
        return True
