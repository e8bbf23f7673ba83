"""outlive on DynamoDB and S3 as a contestant."""

from __future__ import annotations

import os
from pathlib import Path

from bench.outlive_servers import own_name
from bench.outlive_session import OutliveEmbedded
from outlive.settings import Settings, load_settings


class OutliveAws(OutliveEmbedded):
    """One table and one bucket for everybody, a prefix for each session of the contest."""

    def settings(self, folder: Path) -> Settings:
        """Where everything lies."""
        os.environ["AWS_ENDPOINT_URL_S3"] = os.environ["BENCH_S3"]
        return load_settings(
            data=folder,
            workspaces=self._machine,
            table=f"dynamodb://outlive?region=us-east-1&endpoint={os.environ['BENCH_DYNAMODB']}",
            objects=f"s3://outlive/{own_name(folder)}",
        )

    def tenant(self, folder: Path) -> str:
        """The table is everybody's: each session of the contest is a tenant's of its own."""
        return own_name(folder)


CONTESTANT = OutliveAws
