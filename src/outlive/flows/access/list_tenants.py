"""Which tenants there are, from the names of what they have."""

from __future__ import annotations

from outlive.flows.engine import Engine
from outlive.flows.retry import retrying

NEXT = "0"
"""Sorts right behind the `/` that ends a tenant's prefix."""


async def list_tenants(engine: Engine, *, after: str = "", limit: int | None = None) -> list[str]:
    """Tenants with at least one record, in order, behind `after`: one read each. On DynamoDB each walks the table."""
    found: list[str] = []
    after = after and after + NEXT
    while limit is None or len(found) < limit:
        rows = await retrying(lambda start=after: engine.table.scan("", after=start, limit=1), engine.clock)  # type: ignore[misc]
        if not rows:
            break
        name = rows[0].key.partition("/")[0]
        if not name.startswith("_") and "/" in rows[0].key:
            found.append(name)
        after = name + NEXT
    return found
