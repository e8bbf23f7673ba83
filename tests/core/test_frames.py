"""A large pack is several frames: any of them is found when it is damaged, and threads may share the work."""

from __future__ import annotations

import struct
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b
from random import Random

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from outlive.core.frames import FRAME, cut
from outlive.core.packs import (
    HEADER_BYTES,
    NO_DICTIONARY,
    Dictionary,
    decode_pack,
    decode_pieces,
    dictionary_id,
    dictionary_of,
    encode_pack,
    encode_parts,
    pack_name,
    pack_ref,
)
from outlive.errors import Corrupt

NAME = pack_name(7, 3, 1)
INDEX = {"session": "0" * 32}
SHARED = dictionary_of(b"The quick brown fox jumps over the lazy dog. " * 8)
DATA = b"".join(b"%x" % Random(number).getrandbits(400) * 40 for number in range(900))
"""Enough for three frames, and no two parts of it equal."""
LARGE = encode_pack(INDEX, DATA)
ENTRY = struct.Struct(">II16s")
FRAMES_AT = HEADER_BYTES + 4 + 3 * ENTRY.size


def digest(data: bytes) -> bytes:
    """As the format says, without a dictionary."""
    return blake2b(data, digest_size=16, person=NO_DICTIONARY).digest()


def tabled(*frames: tuple[bytes, int]) -> bytes:
    """A pack of these frames, with what each is said to unpack to, made by the letter of the format."""
    entries = b"".join(ENTRY.pack(len(frame), size, digest(frame)) for frame, size in frames)
    table = struct.pack(">I", len(frames)) + entries
    return b"OLP2" + NO_DICTIONARY + digest(table) + table + b"".join(frame for frame, _ in frames)


@pytest.mark.promise("P13")
@pytest.mark.parametrize("dictionary", [None, SHARED])
def test_a_large_pack_gives_back_what_was_put_in(dictionary: Dictionary | None) -> None:
    """Index and data of a pack with several frames come back as they were, unpacked in a row or in pieces."""
    encoded = encode_parts(INDEX, [DATA[:1000], memoryview(DATA)[1000:]], dictionary)
    ref = pack_ref(NAME, encoded, len(DATA))
    pack = decode_pack(NAME, encoded, dictionary, expected=ref)
    index, pieces = decode_pieces(NAME, encoded, dictionary, expected=ref)
    assert encoded[:4] == b"OLP2"
    assert (pack.index, pack.data, index, b"".join(pieces)) == (INDEX, DATA, INDEX, DATA)
    assert dictionary_id(NAME, encoded) == (dictionary.digest if dictionary else None)


def test_threads_make_the_same_pack() -> None:
    """A pack made and unpacked by several threads has the bytes of one made by a single one."""
    with ThreadPoolExecutor(3) as threads:
        assert encode_pack(INDEX, DATA, each=threads.map) == LARGE
        assert decode_pack(NAME, LARGE, each=threads.map).data == DATA


def test_the_format_of_a_large_pack_is_as_written_down() -> None:
    """A large pack is magic, dictionary id, digest of the table, table and frames, as the docstrings draw it."""
    sizes = [ENTRY.unpack_from(LARGE, HEADER_BYTES + 4 + ENTRY.size * number)[:2] for number in range(3)]
    frames, position = [], FRAMES_AT
    for size, raw in sizes:
        frames.append((LARGE[position : position + size], raw))
        position += size
    assert tabled(*frames) == LARGE


@pytest.mark.promise("P8")
def test_every_flipped_bit_before_the_frames_is_found() -> None:
    """A large pack with any one bit of its header or its table flipped is `Corrupt` and named."""
    for bit in range(32, FRAMES_AT * 8):
        flipped = bytearray(LARGE)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(Corrupt, match=NAME):
            decode_pack(NAME, bytes(flipped))


@pytest.mark.promise("P8")
@given(st.integers(FRAMES_AT, len(LARGE) - 1), st.integers(1, 255))
def test_a_damaged_byte_of_any_frame_is_found(at: int, mask: int) -> None:
    """Changing any one byte of a large pack's frames makes it `Corrupt`, and no byte of it is given out first."""
    damaged = bytearray(LARGE)
    damaged[at] ^= mask
    with pytest.raises(Corrupt, match=NAME):
        decode_pack(NAME, bytes(damaged))
    with pytest.raises(Corrupt, match=NAME):
        decode_pieces(NAME, bytes(damaged), None, expected=pack_ref(NAME, LARGE, len(DATA)))


@pytest.mark.promise("P8")
@given(st.integers(0, len(LARGE) - 1))
def test_a_cut_or_lengthened_large_pack_is_found(length: int) -> None:
    """A large pack cut off anywhere, or with anything behind its end, is `Corrupt` and named."""
    for damaged in (LARGE[:length], LARGE + LARGE[length:]):
        with pytest.raises(Corrupt, match=NAME):
            decode_pack(NAME, damaged)


@pytest.mark.parametrize("said", [0, 99, 101, 2**32 - 1])
def test_a_frame_that_is_not_as_long_as_its_table_says_is_corrupt(said: int) -> None:
    """A frame of 100 bytes whose table says otherwise is `Corrupt`, with every checksum right."""
    front, frame = zstandard.compress((2).to_bytes(4, "big") + b"{}"), zstandard.compress(bytes(100))
    with pytest.raises(Corrupt, match=f"{NAME} is damaged"):
        decode_pack(NAME, tabled((front, 6), (frame, said)))


def test_a_table_without_frames_is_corrupt() -> None:
    """A pack that says it has no frames is `Corrupt` and named."""
    with pytest.raises(Corrupt, match=f"{NAME} is damaged: it cannot be unpacked"):
        decode_pack(NAME, tabled())


def test_what_a_table_claims_is_held_against_what_was_committed() -> None:
    """A table that claims far more than the head knows of is `Corrupt` before memory is taken for it."""
    frame = zstandard.compress(bytes(100))
    claims = tabled(*[(frame, 2**32 - 1)] * 2)
    with pytest.raises(Corrupt, match=f"{NAME} is damaged: it claims to unpack to 8,589,934,590 bytes"):
        decode_pack(NAME, claims)
    with pytest.raises(Corrupt, match="and 67,108,964 is the most it can"):
        decode_pack(NAME, claims, expected=pack_ref(NAME, claims, 100))


@given(st.lists(st.integers(0, 3 * FRAME), max_size=5))
def test_parts_are_cut_into_runs_of_equal_length(sizes: list[int]) -> None:
    """The runs have all bytes in their order, differ by a byte at most, and are between two thirds and 1.5 of a frame
    where there are several.
    """
    parts = [bytes([number]) * size for number, size in enumerate(sizes)]
    runs = cut(parts)
    lengths = [sum(map(len, run)) for run in runs]
    assert b"".join(part for run in runs for part in run) == b"".join(parts)
    assert max(lengths) - min(lengths) <= 1
    assert max(lengths) <= 1.5 * FRAME
    assert len(runs) == 1 or min(lengths) >= FRAME // 1.5
