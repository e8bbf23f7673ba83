"""The pack format: one immutable object that holds an index and the bytes of one commit or flush.

    magic "OLP1" | dictionary id, 16 bytes (zeros: none) | digest of the rest, 16 bytes | zstd frame
    magic "OLP2" | dictionary id, 16 bytes (zeros: none) | digest of the table, 16 bytes | table | zstd frames
    unpacked = length of the index, 4 bytes big-endian | index (JSON) | data

A large pack has several frames, a small one a single one. The digest covers dictionary id and frame, or dictionary id
and table, whose digests cover the frames; so a flipped, cut or lengthened pack is found before its bytes are unpacked.
The head names the digest of every live pack as well, so a pack from elsewhere is found too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from itertools import chain
from typing import Any, NewType, Protocol, TypeVar

import zstandard

from outlive.core.frames import Frame, checksum_of, cut, frames_in, split_table, table_of
from outlive.errors import Corrupt, SchemaTooNew

PackName = NewType("PackName", str)
Part = bytes | memoryview
Given = TypeVar("Given")
Made = TypeVar("Made")

_NAME = re.compile(r"([0-9a-f]{8,})-([0-9a-f]{8,})-([0-9a-f]{4,})")

MAGIC = b"OLP"
ONE_FRAME = b"1"
FRAMES = b"2"
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


class Each(Protocol):
    """As `map`: what a caller passes to have the frames of a pack made or unpacked by several threads."""

    def __call__(self, work: Callable[[Given], Made], given: Iterable[Given], /) -> Iterator[Made]: ...


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


def encode_pack(
    index: Mapping[str, Any], data: bytes, dictionary: Dictionary | None = None, *, each: Each = map
) -> bytes:
    """The bytes of a pack; the same arguments give the same bytes."""
    return encode_parts(index, [data], dictionary, each=each)


def encode_parts(
    index: Mapping[str, Any], parts: Sequence[Part], dictionary: Dictionary | None = None, *, each: Each = map
) -> bytes:
    """The bytes of a pack whose data is these parts in order; they are compressed one by one and never joined."""
    index_bytes = json.dumps(index, separators=(",", ":"), sort_keys=True).encode()
    front = len(index_bytes).to_bytes(4, "big") + index_bytes
    runs = cut([front, *parts])
    level = _level(len(front) + sum(map(len, parts)))
    frames = list(each(lambda run: _compressed(run, level, dictionary), runs))
    dictionary_id = dictionary.digest if dictionary else NO_DICTIONARY
    if len(frames) == 1:
        return MAGIC + ONE_FRAME + dictionary_id + checksum_of(dictionary_id, frames[0]) + frames[0]
    table = table_of(frames, [sum(map(len, run)) for run in runs], dictionary_id)
    return b"".join([MAGIC, FRAMES, dictionary_id, checksum_of(dictionary_id, table), table, *frames])


def _compressed(parts: Sequence[Part], level: int, dictionary: Dictionary | None) -> bytes:
    compressor = _compressor(level, dictionary).compressobj(size=sum(map(len, parts)))
    return b"".join([*map(compressor.compress, parts), compressor.flush()])


def pack_ref(name: PackName, data: bytes, raw: int, *, shared: bool = False) -> PackRef:
    """How the head names a pack of these bytes; `shared` when a stored dictionary is needed to read it."""
    return PackRef(name, len(data), data[20:28].hex(), raw, shared)


def dictionary_id(name: str, data: bytes) -> bytes | None:
    """Digest of the dictionary this pack needs, None when it needs none; `Corrupt` when it is no pack."""
    _check_header(name, data)
    wanted = data[4:20]
    return None if wanted == NO_DICTIONARY else wanted


def decode_pack(
    name: str,
    data: bytes,
    dictionary: Dictionary | None = None,
    *,
    expected: PackRef | None = None,
    each: Each = map,
) -> Pack:
    """Verify and unpack; `Corrupt` names the pack and what is wrong with it, `SchemaTooNew` a newer format."""
    frames = _checked_frames(name, data, dictionary, expected)
    raw = _joined(name, frames, lambda frame: _unpacked(name, data, frame, dictionary), each)
    with _unpacking(name):
        size = int.from_bytes(raw[:4], "big")
        return Pack(_index(name, bytes(raw[4 : 4 + size])), raw[4 + size :])


def decode_pieces(
    name: str, data: bytes, dictionary: Dictionary | None, *, expected: PackRef
) -> tuple[Mapping[str, Any], Iterator[bytes]]:
    """As `decode_pack`, with the pack's data in pieces that are never together in memory; all errors but a damaged
    frame's come before the first piece.
    """
    frames = _checked_frames(name, data, dictionary, expected)
    for frame in frames:
        _check_frame(name, data, frame)
    decompressor = _decompressor(dictionary)
    pieces = chain.from_iterable(decompressor.read_to_iter(frame.data, write_size=SMALL) for frame in frames)
    with _unpacking(name):
        front = bytearray(next(pieces, b""))
        size = int.from_bytes(front[:4], "big")
        while len(front) < 4 + size:
            front += next(pieces)
        return _index(name, bytes(front[4 : 4 + size])), chain([bytes(front[4 + size :])], pieces)


def _checked_frames(name: str, data: bytes, dictionary: Dictionary | None, expected: PackRef | None) -> Sequence[Frame]:
    """A pack's frames, after all that can be said of it before a byte is unpacked."""
    _check_header(name, data)
    body = memoryview(data)[HEADER_BYTES:]  # not copied: it can be as long as the session
    with _unpacking(name):
        covered, rest = split_table(body) if data[3:4] == FRAMES else (body, body[:0])
    if checksum_of(data[4:20], covered) != data[20:36]:
        raise _corrupt(name, "its bytes do not match its checksum")
    if expected is not None and data[20:28].hex() != expected.digest:
        raise _corrupt(name, "it is a whole pack, but not the one that was committed")
    if (dictionary.digest if dictionary else NO_DICTIONARY) != data[4:20]:
        raise _corrupt(name, "it was compressed against another dictionary")
    with _unpacking(name):
        frames = frames_in(covered, rest) if data[3:4] == FRAMES else [Frame(body, 0, _length(body), None)]
    _check_size(name, frames[-1].end, expected)
    return frames


def _check_frame(name: str, data: bytes, frame: Frame) -> None:
    """All that can be said of one frame before its bytes are unpacked."""
    if frame.checksum is not None and checksum_of(data[4:20], frame.data) != frame.checksum:
        raise _corrupt(name, "its bytes do not match its checksum")


def _unpacked(name: str, data: bytes, frame: Frame, dictionary: Dictionary | None) -> bytes:
    _check_frame(name, data, frame)
    with _unpacking(name):
        return _decompressor(dictionary).decompress(frame.data)


def _joined(name: str, frames: Sequence[Frame], unpacked: Callable[[Frame], bytes], each: Each) -> memoryview:
    """What the frames unpack to; each thread puts its own in its place."""
    if len(frames) == 1:
        return memoryview(unpacked(frames[0]))
    joined = memoryview(bytearray(frames[-1].end))

    def place(frame: Frame) -> None:
        with _unpacking(name):  # a frame that is not as long as its place
            joined[frame.start : frame.end] = unpacked(frame)

    list(each(place, frames))
    return joined.toreadonly()


def _length(frame: Part) -> int:
    """Its own word for it, by which memory is taken."""
    length = zstandard.frame_content_size(frame)
    if length < 0:
        message = "it does not say how long it is"
        raise ValueError(message)
    return length


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


def _check_size(name: str, claimed: int, expected: PackRef | None) -> None:
    limit = MAX_UNPACKED if expected is None else expected.raw + SLACK
    if claimed > limit:
        raise _corrupt(name, f"it claims to unpack to {claimed:,} bytes, and {limit:,} is the most it can")


def _check_header(name: str, data: bytes) -> None:
    if len(data) < HEADER_BYTES or data[:3] != MAGIC:
        raise _corrupt(name, "it does not start like a pack")
    if data[3:4] not in {ONE_FRAME, FRAMES}:
        raise SchemaTooNew(
            f"pack {name} has format {data[3:4]!r}, this outlive reads {ONE_FRAME!r} and {FRAMES!r}.",
            fix="Upgrade outlive on this worker.",
        )


def _corrupt(name: str, why: str) -> Corrupt:
    return Corrupt(
        f"pack {name} is damaged: {why}.",
        fix="Restore the object from a backup, or rewind the session to an older version.",
    )


def _level(size: int) -> int:
    return next((level for limit, level in LEVELS if size < limit), LEVEL)


def _compressor(level: int, dictionary: Dictionary | None) -> zstandard.ZstdCompressor:
    if dictionary is None:
        return zstandard.ZstdCompressor(level=level)
    return zstandard.ZstdCompressor(level=level, dict_data=_raw_dictionary(dictionary))


def _decompressor(dictionary: Dictionary | None) -> zstandard.ZstdDecompressor:
    if dictionary is None:
        return zstandard.ZstdDecompressor()
    return zstandard.ZstdDecompressor(dict_data=_raw_dictionary(dictionary))


def _raw_dictionary(dictionary: Dictionary) -> zstandard.ZstdCompressionDict:
    return zstandard.ZstdCompressionDict(dictionary.data, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
