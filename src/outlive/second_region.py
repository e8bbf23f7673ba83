"""The other region's stores, opened by the settings, and table and objects that keep both in step."""

from __future__ import annotations

from contextlib import AsyncExitStack
from urllib.parse import parse_qsl

from outlive.core.regions import Replication, parse_regions
from outlive.databases import Databases
from outlive.errors import Invalid
from outlive.flows.regions.copying import Copying
from outlive.flows.regions.pair import RegionPair
from outlive.flows.regions.regional_table import RegionalTable
from outlive.flows.regions.replicated_objects import ReplicatedObjects
from outlive.objects.objects import UrlObjects
from outlive.protocols import Clock, Objects, Table
from outlive.settings import Settings


async def open_pair(
    settings: Settings, own: tuple[Table, Objects], databases: Databases, clock: Clock, stack: AsyncExitStack
) -> RegionPair | None:
    """Both regions, None where there is one; `Invalid` names the setting that does not fit."""
    if settings.replication == "off":
        return None
    regions = parse_regions(settings.regions, settings.region)
    _check(settings)
    url, _, query = settings.peer_objects.partition("?")
    objects = await UrlObjects.open(url, clock=clock, options=_options(query))
    stack.push_async_callback(objects.close)
    peer = await databases.table(settings.peer_table) if settings.peer_table else own[0]
    return RegionPair(
        regions,
        Replication(settings.replication),
        {regions.own: own[0], regions.other: peer},
        {regions.own: own[1], regions.other: objects},
        clock,
        settings.replication_window_seconds,
    )


def in_step(pair: RegionPair, stack: AsyncExitStack) -> tuple[Table, Objects]:
    """What the engine works on: the table by homes, and the objects in both regions."""
    copying = Copying(pair)
    stack.push_async_callback(copying.close)
    table = pair.tables[pair.regions.own] if pair.is_shared else RegionalTable(pair, copying)
    return table, ReplicatedObjects(pair, copying)


def _options(query: str) -> dict[str, object]:
    """Region and endpoint of the other region's bucket: the environment names this region's."""
    options: dict[str, object] = dict(parse_qsl(query))
    if unknown := options.keys() - {"region", "endpoint"}:
        raise Invalid(f"setting peer_objects has {sorted(unknown)}.", fix="Use s3://BUCKET?region=REGION.")
    if str(options.get("endpoint", "")).startswith("http:"):
        options["client_options"] = {"allow_http": True}
    return options


def _check(settings: Settings) -> None:
    if not settings.peer_objects:
        raise Invalid("setting replication needs the other region's objects.", fix="Set OUTLIVE_PEER_OBJECTS.")
    if settings.turn_role:
        raise Invalid(
            "setting turn_role narrows credentials to one region's stores.", fix="Leave out OUTLIVE_TURN_ROLE."
        )
    same_table = settings.peer_table == settings.table_url
    if same_table or settings.peer_objects == settings.objects_url:
        name = "PEER_TABLE" if same_table else "PEER_OBJECTS"
        raise Invalid(
            f"setting {name.lower()} names this region's own.", fix=f"Set OUTLIVE_{name} to the other region's."
        )
