"""A signed webhook, for everything that is no chat channel of its own. Standard library only.

A request is signed with HMAC-SHA256 of the shared secret over `TIMESTAMP.BODY`; the stamp may be five minutes off.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping

from outlive.core.keys import Tenant, parse_session_key
from outlive.core.messages import Inbound, check_inbound
from outlive.errors import Invalid, Refused, TooLarge

SIGNATURE_HEADER = "x-outlive-signature"
TIMESTAMP_HEADER = "x-outlive-timestamp"
SKEW_SECONDS = 300
MAX_BODY = 1024 * 1024
SHORTEST_SECRET = 16


def check_secret(secret: str) -> str:
    """The secret; `Invalid` when there is none, or one that can be guessed."""
    if len(secret) < SHORTEST_SECRET:
        raise Invalid(
            f"WEBHOOK_SECRET is {'too short' if secret else 'not set'}.",
            fix=f"Set it to {SHORTEST_SECRET} characters or more: `openssl rand -hex 32` makes one.",
        )
    return secret


def sign(secret: str, timestamp: str, body: bytes) -> str:
    """The signature of a request, hexadecimal."""
    return hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def read_webhook(headers: Mapping[str, str], body: bytes, *, secret: str, tenant: Tenant, now: float) -> Inbound:
    """The message in a request; `Refused` when it is not signed, `TooLarge` or `Invalid` when it cannot be taken.

    The body is JSON: `session` (`channel:chat:thread`), `message_id`, `text`, and `sender` if there is one. The tenant
    is the deployment's, never the sender's choice.
    """
    lower = {name.lower(): value for name, value in headers.items()}
    stamp, given = lower.get(TIMESTAMP_HEADER, ""), lower.get(SIGNATURE_HEADER, "")
    expected = sign(check_secret(secret), stamp, body)
    if not hmac.compare_digest(given.encode(errors="replace"), expected.encode()):
        raise Refused("the request is not signed with the webhook's secret.")
    if not stamp.isascii() or not stamp.isdigit() or abs(now - int(stamp)) > SKEW_SECONDS:
        raise Refused("the request was signed more than five minutes ago, or by a clock that is wrong.")
    if len(body) > MAX_BODY:
        raise TooLarge(f"the request is {len(body):,} bytes long.", fix=f"Send {MAX_BODY:,} bytes at most.")
    return _inbound(body, tenant, float(stamp))


def _inbound(body: bytes, tenant: Tenant, sent_at: float) -> Inbound:
    try:
        fields = json.loads(body)
        session, message_id, text = (str(fields[name]) for name in ("session", "message_id", "text"))
        sender = str(fields.get("sender", ""))
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        raise Invalid(
            f"the body cannot be read: {error!r}.", fix='Send {"session": …, "message_id": …, "text": …} as JSON.'
        ) from error
    key = parse_session_key(session, tenant=tenant)
    if key.tenant != tenant:
        raise Refused(f"this deployment does not serve tenant {key.tenant!r}.")
    inbound = Inbound(key, message_id, text, sent_at, sender)
    check_inbound(inbound)
    return inbound
