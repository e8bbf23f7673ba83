"""A data set for fine-tuning: every conversation of a tenant as one line, with what must not leave taken out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from outlive.core.redaction import DEFAULT_RULES, Rule, example
from outlive.core.sessions import decode_head
from outlive.errors import Corrupt
from outlive.flows.engine import Engine
from outlive.flows.progress import Progress, unwatched
from outlive.flows.sessions.find_sessions import scan_heads
from outlive.flows.tenant_stores import TenantStores
from outlive.flows.turn.read_ledger import read_lines


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written."""

    conversations: int
    left_out: int
    """Sessions without one whole turn."""
    redacted: dict[str, int]
    """Finds by rule."""
    damaged: tuple[str, ...]


async def export_dataset(
    engine: Engine,
    stores: TenantStores,
    write: Callable[[bytes], object],
    *,
    rules: Sequence[Rule] = DEFAULT_RULES,
    progress: Progress = unwatched,
) -> Exported:
    """Write one JSON line per session; one at a time, so memory holds one conversation."""
    heads = await scan_heads(engine, stores)
    counts: Counter[str] = Counter()
    damaged: list[str] = []
    written = left_out = 0
    for number, row in enumerate(heads, start=1):
        try:
            lines = await read_lines(engine, stores, decode_head(row.body, row.key))
        except Corrupt as error:
            damaged.append(str(error))
            continue
        line = example(lines, rules, counts)
        if line is None:
            left_out += 1
        else:
            write(line)
            written += 1
        progress(number, len(heads))
    return Exported(written, left_out, {name: count for name, count in counts.items() if count}, tuple(damaged))
