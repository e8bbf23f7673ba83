"""A message as it travels through SQS: what the service may see of it, and the real names inside.

Standard library only: the function that answers a webhook writes it, too.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from dataclasses import dataclass
from hashlib import blake2b

from outlive.core.queued import Message
from outlive.errors import Corrupt, SchemaTooNew

SCHEMA = 1
DIGEST_BYTES = 32


@dataclass(frozen=True, slots=True)
class Envelope:
    """One message, and what SQS itself does not keep of it."""

    message: Message
    sent_at: float
    """Epoch seconds of the first send; a message that was sent again keeps it."""
    receives: int = 0
    """Of a dead letter: how often it had been received."""
    died_at: float = 0.0
    reason: str = ""


def group_id(group: str) -> str:
    """What SQS knows the group by: 64 characters of the 128 and of the alphabet it allows."""
    return _digest(group)


def dedupe_id(message: Message, again: str = "") -> str:
    """What SQS drops repeats by; `again` tells a message that is sent anew on purpose from its first sending."""
    return _digest(message.group, message.dedupe_id, again)


def _digest(*parts: str) -> str:
    digest = blake2b(digest_size=DIGEST_BYTES)
    for part in parts:
        encoded = part.encode()
        digest.update(b"%d:" % len(encoded) + encoded)
    return digest.hexdigest()


def pack(envelope: Envelope) -> str:
    """ASCII, so that every text and byte survives a service that takes a part of Unicode only."""
    message = envelope.message
    fields: dict[str, object] = {
        "v": SCHEMA,
        "group": message.group,
        "id": message.dedupe_id,
        "sent_at": envelope.sent_at,
        "body": b64encode(message.body).decode(),
    }
    if envelope.died_at:
        fields |= {"receives": envelope.receives, "died_at": envelope.died_at, "reason": envelope.reason}
    return json.dumps(fields, separators=(",", ":"))


def unpack(text: str) -> Envelope:
    """The envelope back; `SchemaTooNew` when a newer outlive wrote it, `Corrupt` when it is none."""
    try:
        fields = json.loads(text)
        if fields["v"] > SCHEMA:
            raise SchemaTooNew(f"the message has envelope schema {fields['v']}.", fix="Upgrade outlive here.")
        message = Message(fields["group"], fields["id"], b64decode(fields["body"], validate=True))
        rest = (int(fields.get("receives", 0)), float(fields.get("died_at", 0.0)), str(fields.get("reason", "")))
        return Envelope(message, float(fields["sent_at"]), *rest)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        fix = "Something else sends to this queue: give outlive a queue of its own."
        raise Corrupt("a message in the queue is none of outlive's.", fix=fix) from error
