"""AWS Signature Version 4 for one request to one service. Standard library only."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

ALGORITHM = "AWS4-HMAC-SHA256"


@dataclass(frozen=True, slots=True)
class Keys:
    """Who signs."""

    access_key_id: str
    secret_access_key: str
    session_token: str = ""


def signed(
    headers: Mapping[str, str], body: bytes, *, path: str, service: str, region: str, keys: Keys, now: float
) -> dict[str, str]:
    """The headers of a POST with its signature among them; `headers` must name the host, `now` is epoch seconds.

    The steps are those of AWS's "Signature Version 4 signing process".
    """
    stamp = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
    token = {"x-amz-security-token": keys.session_token} if keys.session_token else {}
    named = {name.lower(): value.strip() for name, value in headers.items()} | {"x-amz-date": stamp} | token
    names = ";".join(sorted(named))
    canonical = "\n".join(
        ["POST", path, "", *(f"{name}:{named[name]}" for name in sorted(named)), "", names, _sha256(body)]
    )
    scope = f"{stamp[:8]}/{region}/{service}/aws4_request"
    key = f"AWS4{keys.secret_access_key}".encode()
    for part in scope.split("/"):
        key = _hmac(key, part)
    signature = _hmac(key, f"{ALGORITHM}\n{stamp}\n{scope}\n{_sha256(canonical.encode())}").hex()
    credential = f"{ALGORITHM} Credential={keys.access_key_id}/{scope}, SignedHeaders={names}, Signature={signature}"
    return named | {"authorization": credential}


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()
