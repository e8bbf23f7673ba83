"""API keys and the sign-ins made with them: their text, their roles, and what is stored of them."""

from __future__ import annotations

import hmac
import json
import re
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Literal, get_args

from outlive.errors import Corrupt

Role = Literal["viewer", "operator", "admin"]
"""Looks; also sends, answers and changes; also erases, exports, limits and hands out keys. Each can do what the one
before can."""
ROLES: tuple[Role, ...] = get_args(Role)

KEYS = "_api_keys/"
"""Prefix of the records, in the whole table: no tenant's name starts with `_`."""
SIGN_INS = "_sign_ins/"
SIGN_IN_TTL = 12 * 3600.0
EVERYONE = ""
"""The tenant of a key for all tenants."""
PREFIX = "olk"
_TEXT = re.compile(r"(?:olk_)([0-9a-f]{12})_([0-9a-f]{64})\Z")


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as it is stored: everything but the secret itself."""

    id: str
    name: str
    """Whose it is or what for, for people."""
    tenant: str
    """Empty for all tenants."""
    role: Role
    digest: str
    """SHA-256 of the secret, which is random and long: nothing slower is needed."""
    created_at: float
    created_by: str
    expires_at: float | None = None


@dataclass(frozen=True, slots=True)
class SignIn:
    """A browser that has shown a key; it counts as long as the key does, and for twelve hours at most."""

    key_id: str
    """Empty for the internal token."""
    digest: str
    """Of the cookie's secret."""
    proof: str
    """Digest of the key's or token's secret: another secret ends the sign-in."""
    until: float


def key_text(key_id: str, secret: str) -> str:
    """The key as its owner keeps it."""
    return f"{PREFIX}_{key_id}_{secret}"


def split_key(text: str) -> tuple[str, str] | None:
    """Id and secret of a key's text; None for anything else."""
    found = _TEXT.match(text)
    return (found[1], found[2]) if found else None


def digest_of(secret: str) -> str:
    """What is stored of a secret."""
    return sha256(secret.encode(errors="surrogatepass")).hexdigest()


def is_secret(digest: str, secret: str) -> bool:
    """Whether the digest is of this secret; takes as long for a wrong one."""
    return hmac.compare_digest(digest, digest_of(secret))


def may(role: Role, needed: Role) -> bool:
    """Whether one role includes the other."""
    return ROLES.index(role) >= ROLES.index(needed)


def encode(record: ApiKey | SignIn) -> bytes:
    """The record as stored."""
    return json.dumps(asdict(record)).encode()


def decode_key(body: bytes, name: str) -> ApiKey:
    """The record back; `Corrupt` names it."""
    try:
        return ApiKey(**json.loads(body))
    except (ValueError, TypeError, RecursionError) as error:
        raise Corrupt(f"record {name} is no API key.", fix="Revoke it, and create another.") from error


def decode_sign_in(body: bytes, name: str) -> SignIn:
    """The record back; `Corrupt` names it."""
    try:
        return SignIn(**json.loads(body))
    except (ValueError, TypeError, RecursionError) as error:
        raise Corrupt(f"record {name} is no sign-in.", fix="Delete it, and sign in again.") from error
