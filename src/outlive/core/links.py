"""Codes by which a person brings another channel to the same session, and how often one may guess."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from hashlib import blake2b
from typing import TypeVar

from outlive.core.keys import SessionId, Tenant
from outlive.errors import Corrupt, Invalid

DIGITS = 8
CODE_SECONDS = 600.0
WINDOW_SECONDS = 600.0
WRONG_PER_KEY = 5
WRONG_PER_TENANT = 100
"""Wrong codes per window: a code out of 10^8, valid for one window, is guessed with a chance of 10^-6."""
LINKS = "link/"
TRIES = "link-tries/"


@dataclass(frozen=True, slots=True)
class LinkCode:
    """A code that has not been redeemed yet, as stored: the code itself is not."""

    session_id: SessionId
    session_key: str
    """Who asked for it."""
    until: float


@dataclass(frozen=True, slots=True)
class WrongCodes:
    """How many wrong codes were given since the window began."""

    began: float
    count: int


def code_from(random_hex: str) -> str:
    """A code of eight digits out of 128 random bits."""
    return f"{int(random_hex, 16) % 10**DIGITS:0{DIGITS}d}"


def tidy_code(text: str) -> str:
    """The code as a person types it, blanks and dashes left out; `Invalid` when it cannot be one."""
    code = text.replace(" ", "").replace("-", "")
    if not (code.isascii() and code.isdigit() and len(code) == DIGITS):
        raise Invalid("that is not a link code.", fix=f"Give the {DIGITS} digits that /link showed.")
    return code


def link_key(tenant: Tenant, code: str) -> str:
    """Where a code lives, below the tenant."""
    return LINKS + blake2b(f"{tenant}:{code}".encode(), digest_size=16).hexdigest()


def wrong_once_more(before: WrongCodes | None, now: float) -> WrongCodes:
    """The count after one more wrong code; a window that is over starts anew."""
    if before is None or before.began + WINDOW_SECONDS <= now:
        return WrongCodes(now, 1)
    return WrongCodes(before.began, before.count + 1)


def is_locked(wrong: WrongCodes | None, now: float, limit: int) -> bool:
    """Whether no further code is looked at for now."""
    return wrong is not None and wrong.began + WINDOW_SECONDS > now and wrong.count >= limit


def encode(value: LinkCode | WrongCodes) -> bytes:
    """The record as stored."""
    return json.dumps(asdict(value)).encode()


_Record = TypeVar("_Record")


def decode_code(body: bytes, name: str) -> LinkCode:
    """The record back; `Corrupt` names it."""
    return _made(LinkCode, body, name)


def decode_wrong(body: bytes, name: str) -> WrongCodes:
    """The record back; `Corrupt` names it."""
    return _made(WrongCodes, body, name)


def _made(kind: type[_Record], body: bytes, name: str) -> _Record:
    try:
        return kind(**json.loads(body))
    except (ValueError, TypeError, RecursionError) as error:
        raise Corrupt(f"record {name} cannot be read.", fix="Delete it.") from error
