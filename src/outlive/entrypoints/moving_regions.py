"""What the region commands share: the pair of the settings, and how their figures are shown."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any, TypeVar

from outlive.core.keys import head_key
from outlive.entrypoints.running import at_rest, named_session
from outlive.errors import Invalid
from outlive.flows.regions.pair import RegionPair
from outlive.flows.regions.take_over import Plan
from outlive.wiring import App

T = TypeVar("T")


def at_regions(call: Callable[[RegionPair, str | None], Coroutine[Any, Any, T]], session: str | None = None) -> T:
    """What `call` returns, given both regions and the key of the named session's head; `Invalid` without a second one.

    The region is the one that the settings name.
    """

    async def run(app: App) -> T:
        if app.engine.regions is None:
            raise Invalid("there is one region.", fix="Set OUTLIVE_REPLICATION, OUTLIVE_REGIONS and OUTLIVE_PEER_….")
        if session is None:
            return await call(app.engine.regions, None)
        stores, session_id = await named_session(app, session)
        return await call(app.engine.regions, f"{stores.tenant}/{head_key(session_id)}")

    return at_rest(run)


def plan_fields(plan: Plan) -> dict[str, object]:
    """A plan as it is printed."""
    newest = datetime.fromtimestamp(plan.newest_at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC") if plan.newest_at else "-"
    return {
        "to": plan.to,
        "the other region answers": "yes: it is fenced first" if plan.reaches_other else "no: this one goes on alone",
        "sessions": plan.sessions,
        "records": len(plan.records),
        "newest known turn": newest,
        "replies to be sent": plan.pending_replies,
        "may be lost": f"turns of the other region's last {plan.may_lose_seconds:.0f} s"
        if plan.may_lose_seconds
        else "nothing that was acknowledged",
    }
