"""The sweeper function: the sessions of the deployment's tenant swept on a schedule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from outlive.entrypoints.aws_lambda.kept import Kept
from outlive.flows.sessions.sweep_tenant import sweep_tenant
from outlive.wiring import App, open_at_rest

KEPT = Kept(open_at_rest)


def run_sweep() -> Mapping[str, Any]:
    """What was removed, in all; `damaged` names what needs a person."""
    return KEPT.run(_sweep)


async def _sweep(app: App) -> Mapping[str, Any]:
    swept = await sweep_tenant(app.engine, app.stores)
    return {
        "sessions": swept.sessions,
        "packs_removed": swept.removed,
        "bytes_removed": swept.removed_bytes,
        "expired": len(swept.expired),
        "mappings": swept.mappings,
        "archived": swept.archived,
        "archive_down": swept.archive_down,
        "older_than_kept": asdict(swept.retained),
        "damaged": swept.damaged,
    }
