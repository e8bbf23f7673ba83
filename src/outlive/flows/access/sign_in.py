"""Sign-ins of browsers: a random cookie that stands for a key as long as the key counts."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from outlive.core.api_keys import SIGN_IN_TTL, SIGN_INS, SignIn, decode_sign_in, digest_of, encode, is_secret
from outlive.core.erased_heads import ARRIVAL
from outlive.errors import Conflict
from outlive.flows.engine import Engine
from outlive.flows.retry import retrying
from outlive.protocols import Absent, At, Free, Keep

ID_LENGTH = 12
NOBODY = digest_of("nobody")
"""Of a cookie that counts no more."""


async def sign_in(engine: Engine, key_id: str, proof: str) -> str:
    """The cookie's value; `proof` is the digest of the secret that was shown, `key_id` empty for the internal token."""
    now = engine.clock.now()
    await _sweep(engine, now)
    name, secret = engine.new_id()[-ID_LENGTH:], engine.new_id() + engine.new_id()
    record = SignIn(key_id, digest_of(secret), proof, now + SIGN_IN_TTL)
    await engine.table.write(
        SIGN_INS + name, encode(record), expected=Absent(), lease=Free(), expires_at=now + SIGN_IN_TTL
    )
    return f"{name}.{secret}"


async def find_sign_in(engine: Engine, cookie: str) -> SignIn | None:
    """The sign-in of a cookie; None when it is wrong or over. Whether its key still counts is for the caller."""
    name, _, secret = cookie.partition(".")
    if not _is_id(name):
        return None
    row = await retrying(lambda: engine.table.read(SIGN_INS + name), engine.clock)
    if row is None:
        return None
    found = decode_sign_in(row.body, row.key)
    return found if is_secret(found.digest, secret) and found.until > engine.clock.now() else None


async def sign_out(engine: Engine, cookie: str) -> None:
    """The cookie counts no more; one that does not count is no error.

    Its record stays for a while, as a revoked key's does, and is swept.
    """
    if (found := await find_sign_in(engine, cookie)) is None:
        return
    name = SIGN_INS + cookie.partition(".")[0]
    row = await retrying(lambda: engine.table.read(name), engine.clock)
    if row is not None:
        body, until = encode(replace(found, digest=NOBODY, until=0.0)), engine.clock.now() + ARRIVAL
        try:
            at = At(row.version, row.fence)
            await engine.table.write(name, body, expected=at, lease=Keep(), expires_at=until)
        except Conflict:  # signed out twice at once
            return


async def _sweep(engine: Engine, now: float) -> None:
    """Those that are over go when somebody signs in: nobody else looks at them."""
    for row in await retrying(lambda: engine.table.scan(SIGN_INS), engine.clock):
        if row.expires_at is not None and row.expires_at <= now:
            with suppress(Conflict):
                await engine.table.delete(row.key, expected=At(row.version, row.fence))


def _is_id(text: str) -> bool:
    return len(text) == ID_LENGTH and all(character in "0123456789abcdef" for character in text)
