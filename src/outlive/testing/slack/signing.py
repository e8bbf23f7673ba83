"""How Slack signs its requests: https://docs.slack.dev/authentication/verifying-requests-from-slack."""

from __future__ import annotations

import hashlib
import hmac


def signature(secret: str, stamp: str, body: bytes) -> str:
    """Version 0."""
    return f"v0={hmac.new(secret.encode(), b'v0:%s:%s' % (stamp.encode(), body), hashlib.sha256).hexdigest()}"
