"""Where packs are made and unpacked: a small one on the event loop, a large one in a thread."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from outlive.core.packs import Dictionary, Pack, PackName, PackRef, Part, decode_pack, encode_parts

ENCODED_FROM = 128 * 1024
"""Bytes: these take a millisecond to compress, in which the event loop can do something else."""
DECODED_FROM = 256 * 1024
"""Bytes of a pack; below, the way to a thread costs as much as unpacking it."""


async def encoded(index: Mapping[str, Any], parts: Sequence[Part], dictionary: Dictionary | None = None) -> bytes:
    """See `core.packs.encode_parts`."""
    work = partial(encode_parts, index, parts, dictionary)
    return work() if sum(map(len, parts)) < ENCODED_FROM else await asyncio.to_thread(work)


async def decoded(name: PackName, data: bytes, dictionary: Dictionary | None, expected: PackRef | None) -> Pack:
    """See `core.packs.decode_pack`."""
    work = partial(decode_pack, name, data, dictionary, expected=expected)
    return work() if len(data) < DECODED_FROM else await asyncio.to_thread(work)
