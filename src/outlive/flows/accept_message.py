"""From a channel's message to the queue: checked, then handed over durably, then acknowledged."""

from __future__ import annotations

from outlive.core.messages import Inbound, check_inbound, encode_inbound
from outlive.flows.retry import retrying
from outlive.protocols import Clock, Message, Queue


async def accept_message(queue: Queue, inbound: Inbound, clock: Clock) -> bool:
    """Queue the message; False when the queue has it already. `Invalid` or `TooLarge`: nothing was queued.

    One queue write, no table read. `Unavailable` means that the hand-over failed: the channel must send it again.
    """
    check_inbound(inbound)
    message = Message(group=str(inbound.key), dedupe_id=inbound.message_id, body=encode_inbound(inbound))
    return await retrying(lambda: queue.send(message), clock)
