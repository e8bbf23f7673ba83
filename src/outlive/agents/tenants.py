"""Whose trees lie on this machine: where nothing else parts the tenants, one tenant's go before another's come."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import blake2b
from pathlib import Path
from typing import Literal

from outlive.agents.files import empty_folder
from outlive.errors import Unavailable

Tenancy = Literal["parted", "alone", "wiped"]
"""Several tenants at a time: `parted` when users or a sandbox part them; `alone` never; `wiped` only while they run."""

GATE = ".tenants"
"""Its lock is held while a tree is opened; its content is the tenant whose trees lie here, or `MIXED`."""
MIXED = b"mixed"
SPARE = b"spare"
"""In a tree's lock instead of a tenant: nobody has been here, and nobody will unless a new session takes the tree."""


def tenant_digest(tenant: str) -> bytes:
    """What is written down instead of the tenant's name."""
    return blake2b(tenant.encode(errors="surrogatepass"), digest_size=16).hexdigest().encode()


@contextmanager
def tenants_gate(base: Path) -> Iterator[int]:
    """Nobody else opens a tree below `base` meanwhile."""
    gate = os.open(base / GATE, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(gate, fcntl.LOCK_EX)
        yield gate
    finally:
        os.close(gate)


def make_room(base: Path, gate: int, tenant: bytes, tenancy: Tenancy) -> None:
    """Remove other tenants' idle trees; `Unavailable` when one is at work and tenants may not meet."""
    here = os.pread(gate, 64, 0)
    if here == tenant or (tenancy == "parted" and here == MIXED):
        return
    is_shared = tenancy == "parted"
    for slot in [] if is_shared else sorted(base.glob("*.lock")):
        is_shared |= not _cleared(slot, tenant)
        if is_shared and tenancy == "alone":
            raise Unavailable(
                "another tenant's session is at work on this machine.",
                fix="The message comes again. To run tenants side by side, run the worker as root, "
                "or set OUTLIVE_ISOLATION to bubblewrap.",
            )
    os.ftruncate(gate, 0)
    os.pwrite(gate, MIXED if is_shared else tenant, 0)


def _cleared(slot: Path, tenant: bytes) -> bool:
    """Whether the slot is this tenant's, or nobody's any more."""
    lock = os.open(slot, os.O_RDWR | os.O_NOFOLLOW)
    try:
        if os.pread(lock, 64, 0) == tenant:
            return True
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        remove_slot(slot)
    except BlockingIOError:
        return False
    finally:
        os.close(lock)
    return True


def remove_left_spares(base: Path) -> None:
    """Remove the spare trees of workers that died; to be called while the gate is held, which every new one takes."""
    for slot in base.glob("*.lock"):
        lock = os.open(slot, os.O_RDWR | os.O_NOFOLLOW)
        try:
            if os.pread(lock, 64, 0) == SPARE:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                remove_slot(slot)
        except BlockingIOError:
            continue  # its worker lives
        finally:
            os.close(lock)


def remove_slot(slot: Path) -> None:
    """The tree, its note and its lock, in an order that a crash in between does no harm to."""
    root = slot.with_suffix("")
    empty_tree(root)
    with suppress(FileNotFoundError):
        root.rmdir()
    slot.unlink()


def empty_tree(root: Path) -> None:
    """The note first, and then everything."""
    with suppress(FileNotFoundError):
        root.with_name(root.name + ".note").unlink()
    with suppress(FileNotFoundError):
        empty_folder(root)
