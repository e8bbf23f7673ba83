"""The pack format: one immutable object that holds an index and the bytes of one commit or flush.

    magic "OLP1" | dictionary id, 16 bytes (zeros: none) | digest of the rest, 16 bytes | zstd frame
    frame = length of the index, 4 bytes big-endian | index (JSON) | data

The digest covers dictionary id and frame, so a flipped, cut or lengthened pack is found before it is unpacked; the head
names the digest of every live pack as well, so a pack from elsewhere is found too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from itertools import chain
from typing import Any, NewType

import zstandard

from outlive.errors import Corrupt, SchemaTooNew

PackName = NewType("PackName", str)
Part = bytes | memoryview

_NAME = re.compile(r"([0-9a-f]{8,})-([0-9a-f]{8,})-([0-9a-f]{4,})")

MAGIC = b"OLP"
FORMAT = b"1"
HEADER_BYTES = 4 + 16 + 16
NO_DICTIONARY = bytes(16)
MAX_UNPACKED = 4 << 30
"""Bytes that a pack may say it unpacks to; a workspace's tree is smaller by far."""
SLACK = 64 << 20
"""Bytes that an index may take beside the data that the head knows of."""
SMALL = 1 << 20
"""A pack of more raw bytes than this is not worth much effort."""
LEVELS = ((16 << 10, 6), (128 << 10, 3), (SMALL, 6))
"""Below so many raw bytes, so hard. Level 12 would make a turn of 6 KB 0.2 % smaller and one of 16 KB 1.2 %, in four to
six times the CPU; 200 KB of text 2 %, in five times. In between, where zstd's levels from 5 on look much harder, level
6 would make 57 KB 2.6 % smaller in four times the CPU; and these are packs that the next ones take over."""
LEVEL = 3
"""For all larger ones."""


@dataclass(frozen=True, slots=True)
class PackRef:
    """A live pack as the head names it."""

    name: PackName
    size: int
    """Bytes of the object."""
    digest: str
    """The first 8 bytes, hexadecimal, of the digest inside the pack."""
    raw: int
    """Bytes of data before compression."""
    shared: bool = False
    """Whether a stored dictionary is needed to read it: one more object."""
    cold: bool = False
    """Whether it holds only what lies before a compaction, as far as was known: a hint for what to fetch first."""


@dataclass(frozen=True, slots=True)
class Dictionary:
    """Bytes that many packs of one tenant share: compressed against, stored once."""

    digest: bytes
    data: bytes


def pack_dictionary(dictionary: Dictionary) -> bytes:
    """A dictionary as stored: one zstd frame."""
    return zstandard.ZstdCompressor(level=19).compress(dictionary.data)


def unpack_dictionary(stored: bytes, digest: bytes) -> Dictionary:
    """A stored dictionary; `Corrupt` when its content does not have this digest."""
    try:
        found = dictionary_of(zstandard.ZstdDecompressor().decompress(stored))
    except zstandard.ZstdError as error:
        raise _damaged_dictionary(digest) from error
    if found.digest != digest:
        raise _damaged_dictionary(digest)
    return found


def _damaged_dictionary(digest: bytes) -> Corrupt:
    return Corrupt(f"dictionary {digest.hex()} is damaged.", fix="Restore the object from a backup.")


@dataclass(frozen=True, slots=True)
class Pack:
    """An unpacked pack."""

    index: Mapping[str, Any]
    data: memoryview


def dictionary_of(data: bytes) -> Dictionary:
    """The dictionary made of these bytes, named by their digest."""
    return Dictionary(blake2b(data, digest_size=16).digest(), data)


def pack_name(version: int, fence: int, seq: int) -> PackName:
    """`version-fence-sequence` in hexadecimal: sorts in order of version, never made from a clock.

    The fence makes it unique among workers, the sequence inside one worker's lease.
    """
    return PackName(f"{version:08x}-{fence:08x}-{seq:04x}")


def parse_pack_name(name: str) -> tuple[int, int, int]:
    """Version, fence and sequence of a pack's name; `Corrupt` when it is none."""
    match = _NAME.fullmatch(name)
    if match is None:
        raise Corrupt(f"object {name!r} is not a pack.", fix="Remove it from the session's packs.")
    version, fence, seq = (int(part, 16) for part in match.groups())
    return version, fence, seq


def encode_pack(index: Mapping[str, Any], data: bytes, dictionary: Dictionary | None = None) -> bytes:
    """The bytes of a pack; the same arguments give the same bytes."""
    return encode_parts(index, [data], dictionary)


def encode_parts(index: Mapping[str, Any], parts: Sequence[Part], dictionary: Dictionary | None = None) -> bytes:
    """The bytes of a pack whose data is these parts in order; they are compressed one by one and never joined."""
    index_bytes = json.dumps(index, separators=(",", ":"), sort_keys=True).encode()
    front = len(index_bytes).to_bytes(4, "big") + index_bytes
    size = len(front) + sum(map(len, parts))
    compressor = _compressor(size, dictionary).compressobj(size=size)
    frame = b"".join([*map(compressor.compress, [front, *parts]), compressor.flush()])
    dictionary_id = dictionary.digest if dictionary else NO_DICTIONARY
    return MAGIC + FORMAT + dictionary_id + _digest(dictionary_id, frame) + frame


def pack_ref(name: PackName, data: bytes, raw: int, *, shared: bool = False) -> PackRef:
    """How the head names a pack of these bytes; `shared` when a stored dictionary is needed to read it."""
    return PackRef(name, len(data), data[20:28].hex(), raw, shared)


def dictionary_id(name: str, data: bytes) -> bytes | None:
    """Digest of the dictionary this pack needs, None when it needs none; `Corrupt` when it is no pack."""
    _check_header(name, data)
    wanted = data[4:20]
    return None if wanted == NO_DICTIONARY else wanted


def decode_pack(
    name: str, data: bytes, dictionary: Dictionary | None = None, *, expected: PackRef | None = None
) -> Pack:
    """Verify and unpack; `Corrupt` names the pack and what is wrong with it, `SchemaTooNew` a newer format."""
    _check_pack(name, data, dictionary, expected)
    with _unpacking(name):
        raw = _decompressor(dictionary).decompress(memoryview(data)[HEADER_BYTES:])
        size = int.from_bytes(raw[:4], "big")
        return Pack(_index(name, raw[4 : 4 + size]), memoryview(raw)[4 + size :])


def decode_pieces(
    name: str, data: bytes, dictionary: Dictionary | None, *, expected: PackRef
) -> tuple[Mapping[str, Any], Iterator[bytes]]:
    """As `decode_pack`, with the pack's data in pieces that are never together in memory; all errors but a damaged
    frame's come before the first piece.
    """
    _check_pack(name, data, dictionary, expected)
    pieces = _decompressor(dictionary).read_to_iter(memoryview(data)[HEADER_BYTES:], write_size=SMALL)
    with _unpacking(name):
        front = bytearray(next(pieces, b""))
        size = int.from_bytes(front[:4], "big")
        while len(front) < 4 + size:
            front += next(pieces)
        return _index(name, bytes(front[4 : 4 + size])), chain([bytes(front[4 + size :])], pieces)


def _check_pack(name: str, data: bytes, dictionary: Dictionary | None, expected: PackRef | None) -> None:
    """Everything that can be said before a byte is unpacked."""
    _check_header(name, data)
    frame = memoryview(data)[HEADER_BYTES:]  # not copied: it can be as long as the session
    if _digest(data[4:20], frame) != data[20:36]:
        raise _corrupt(name, "its bytes do not match its checksum")
    if expected is not None and data[20:28].hex() != expected.digest:
        raise _corrupt(name, "it is a whole pack, but not the one that was committed")
    if (dictionary.digest if dictionary else NO_DICTIONARY) != data[4:20]:
        raise _corrupt(name, "it was compressed against another dictionary")
    with _unpacking(name):
        _check_size(name, frame, expected)


@contextmanager
def _unpacking(name: str) -> Iterator[None]:
    try:
        yield
    except (zstandard.ZstdError, ValueError, RecursionError, StopIteration) as error:
        raise _corrupt(name, f"it cannot be unpacked ({error})") from error


def _index(name: str, raw: bytes) -> Mapping[str, Any]:
    index = json.loads(raw)
    if not isinstance(index, dict):
        raise _corrupt(name, "its index is no JSON object")
    return index


def _check_size(name: str, frame: Part, expected: PackRef | None) -> None:
    """Before a byte is unpacked: the frame's own word for its size is what memory is taken by."""
    limit = MAX_UNPACKED if expected is None else expected.raw + SLACK
    if (claimed := zstandard.frame_content_size(frame)) > limit:
        raise _corrupt(name, f"it claims to unpack to {claimed:,} bytes, and {limit:,} is the most it can")


def _check_header(name: str, data: bytes) -> None:
    if len(data) < HEADER_BYTES or data[:3] != MAGIC:
        raise _corrupt(name, "it does not start like a pack")
    if data[3:4] != FORMAT:
        raise SchemaTooNew(
            f"pack {name} has format {data[3:4]!r}, this outlive reads {FORMAT!r}.",
            fix="Upgrade outlive on this worker.",
        )


def _digest(dictionary_id: bytes, frame: Part) -> bytes:
    return blake2b(frame, digest_size=16, person=dictionary_id).digest()


def _corrupt(name: str, why: str) -> Corrupt:
    return Corrupt(
        f"pack {name} is damaged: {why}.",
        fix="Restore the object from a backup, or rewind the session to an older version.",
    )


def _compressor(size: int, dictionary: Dictionary | None) -> zstandard.ZstdCompressor:
    level = next((level for limit, level in LEVELS if size < limit), LEVEL)
    if dictionary is None:
        return zstandard.ZstdCompressor(level=level)
    return zstandard.ZstdCompressor(level=level, dict_data=_raw_dictionary(dictionary))


def _decompressor(dictionary: Dictionary | None) -> zstandard.ZstdDecompressor:
    if dictionary is None:
        return zstandard.ZstdDecompressor()
    return zstandard.ZstdDecompressor(dict_data=_raw_dictionary(dictionary))


def _raw_dictionary(dictionary: Dictionary) -> zstandard.ZstdCompressionDict:
    return zstandard.ZstdCompressionDict(dictionary.data, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
