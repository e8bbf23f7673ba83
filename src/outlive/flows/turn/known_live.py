"""Live text that other processes have written, newer ones among them: what is not known is passed over, told once."""

from __future__ import annotations

from outlive.core.live import LiveState, decode_live
from outlive.core.telemetry import LiveRecordSkipped, fault_of
from outlive.errors import Corrupt
from outlive.flows.engine import Engine


def known_live(engine: Engine, body: bytes, name: str) -> LiveState | None:
    """The state; None for a record of a shape that this version does not know: its reader waits for the commit."""
    try:
        return decode_live(body, name)
    except Corrupt as error:
        if engine.live.is_first(name):
            engine.telemetry.event(LiveRecordSkipped(fault_of(error)))
        return None
