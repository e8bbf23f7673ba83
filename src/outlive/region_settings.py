"""The part of the settings that is about a second region."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings


class RegionSettings(BaseSettings):
    """Which region this process is in, and where the other one is; see `settings.Settings`."""

    region: str = Field("local", description="Region of this process; written into the heads it makes.")
    regions: str = Field(
        "", description="Both regions, `FIRST,SECOND`: the same everywhere, the one with sessions already first."
    )
    replication: Literal["off", "synchronous", "asynchronous"] = Field(
        "off", description="Whether the other region has a turn before it is acknowledged, soon after, or not at all."
    )
    peer_table: str = Field(
        "", description="Table URL of the other region; empty: the table is one in both, with strong consistency."
    )
    peer_objects: str = Field("", description="Object store URL of the other region, `s3://BUCKET?region=REGION` say.")
    replication_window_seconds: float = Field(
        60.0, gt=0, le=86400, description="How far asynchronous copies may be behind before no more turns are taken."
    )
