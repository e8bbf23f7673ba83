"""From a channel's message to the queue: checked, then handed over durably, then acknowledged."""

from __future__ import annotations

from dataclasses import replace

from outlive.core.messages import Inbound, check_inbound, encode_inbound
from outlive.core.telemetry import MessageAccepted
from outlive.flows.retry import retrying
from outlive.flows.telemetry import Telemetry, about_message
from outlive.protocols import Clock, Message, Queue


async def accept_message(queue: Queue, inbound: Inbound, clock: Clock, telemetry: Telemetry | None = None) -> bool:
    """Queue the message; False when the queue has it already. `Invalid` or `TooLarge`: nothing was queued.

    One queue write, no table read. `Unavailable` means that the hand-over failed: the channel must send it again.
    """
    check_inbound(inbound)
    telemetry = telemetry or Telemetry()
    with about_message(inbound), telemetry.span("intake", parent=inbound.traceparent):
        traced = replace(inbound, traceparent=telemetry.traceparent() or inbound.traceparent)
        message = Message(group=str(inbound.key), dedupe_id=inbound.message_id, body=encode_inbound(traced))
        is_new = await retrying(lambda: queue.send(message), clock)
        telemetry.event(MessageAccepted(inbound.key.channel, duplicate=not is_new))
    return is_new
