"""A pack gives back exactly what was put in, or names itself and what is wrong with it."""

from __future__ import annotations

import re
from hashlib import blake2b
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outlive.core.packs import (
    HEADER_BYTES,
    NO_DICTIONARY,
    SMALL,
    Dictionary,
    decode_pack,
    dictionary_id,
    dictionary_of,
    encode_pack,
    encode_parts,
    pack_name,
    pack_ref,
    parse_pack_name,
)
from outlive.errors import Corrupt, SchemaTooNew

NAME = pack_name(7, 3, 1)
INDEX = {"session": "0" * 32, "kind": "commit", "files": {"work/a": [1, 420, "d", [[0, 0, 5]]]}}
SHARED = dictionary_of(b"The quick brown fox jumps over the lazy dog. " * 8)
OTHER = dictionary_of(b"the QUICK brown fox jumps over the lazy cat! " * 8)
TEXT = SHARED.data[:90]

TEXTS = st.text(st.characters(), max_size=12)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3), max_leaves=8
)
INDEXES = st.dictionaries(TEXTS, JSON, max_size=4)
DICTIONARIES = st.none() | st.binary(max_size=64).map(dictionary_of)


def frozen(frame: bytes) -> bytes:
    """A pack with this frame and the right checksum, made by the letter of the format."""
    return b"OLP1" + NO_DICTIONARY + blake2b(frame, digest_size=16, person=NO_DICTIONARY).digest() + frame


@pytest.mark.promise("P13")
@given(index=INDEXES, data=st.binary(max_size=2000), dictionary=DICTIONARIES)
@settings(deadline=None)
def test_a_pack_gives_back_what_was_put_in(index: dict[str, Any], data: bytes, dictionary: Dictionary | None) -> None:
    """Any index and any bytes come back as they were, with a shared dictionary and without."""
    encoded = encode_pack(index, data, dictionary)
    pack = decode_pack(NAME, encoded, dictionary, expected=pack_ref(NAME, encoded, len(data)))
    assert (pack.index, bytes(pack.data)) == (index, data)


@given(parts=st.lists(st.binary(max_size=300), max_size=6), dictionary=DICTIONARIES)
@settings(deadline=None)
def test_how_the_data_is_cut_into_parts_does_not_matter(parts: list[bytes], dictionary: Dictionary | None) -> None:
    """Data handed over in any number of parts comes back joined in their order."""
    encoded = encode_parts(INDEX, [memoryview(part) for part in parts], dictionary)
    assert bytes(decode_pack(NAME, encoded, dictionary).data) == b"".join(parts)


@pytest.mark.parametrize("dictionary", [None, SHARED])
def test_the_same_content_makes_the_same_pack(dictionary: Dictionary | None) -> None:
    """The same index in another order and the same data give the same bytes, so a retried write can be compared."""
    turned = dict(reversed(INDEX.items()))
    assert encode_pack(INDEX, TEXT, dictionary) == encode_pack(turned, TEXT, dictionary)


def test_a_pack_above_a_megabyte_is_whole() -> None:
    """A pack on the far side of the compression threshold comes back byte for byte and compressed."""
    data = TEXT * (SMALL // len(TEXT) + 1)
    encoded = encode_pack(INDEX, data)
    assert bytes(decode_pack(NAME, encoded).data) == data
    assert len(encoded) < len(data) / 100


@pytest.mark.promise("P8")
@pytest.mark.parametrize("dictionary", [None, SHARED])
def test_every_flipped_bit_is_found(dictionary: Dictionary | None) -> None:
    """A pack with any one bit flipped is `Corrupt` and named."""
    encoded = encode_pack(INDEX, TEXT, dictionary)
    for bit in range(len(encoded) * 8):
        flipped = bytearray(encoded)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(Corrupt, match=NAME):
            decode_pack(NAME, bytes(flipped), dictionary)


@pytest.mark.promise("P8")
@pytest.mark.parametrize("dictionary", [None, SHARED])
def test_every_cut_is_found(dictionary: Dictionary | None) -> None:
    """A pack cut off after any of its bytes is `Corrupt` and named."""
    encoded = encode_pack(INDEX, TEXT, dictionary)
    for length in range(len(encoded)):
        with pytest.raises(Corrupt, match=NAME):
            decode_pack(NAME, encoded[:length], dictionary)


@pytest.mark.promise("P8")
@given(st.binary(min_size=1, max_size=50))
@settings(deadline=None)
def test_a_lengthened_pack_is_found(more: bytes) -> None:
    """A pack with anything behind its end is `Corrupt` and named."""
    with pytest.raises(Corrupt, match=NAME):
        decode_pack(NAME, encode_pack(INDEX, TEXT) + more)


@pytest.mark.promise("P8")
@given(index=INDEXES, data=st.binary(max_size=200), at=st.integers(0), mask=st.integers(1, 255))
@settings(deadline=None)
def test_a_damaged_byte_of_any_pack_is_found(index: dict[str, Any], data: bytes, at: int, mask: int) -> None:
    """Whatever a pack holds, changing any one byte of it makes it `Corrupt`."""
    damaged = bytearray(encode_pack(index, data))
    damaged[at % len(damaged)] ^= mask
    with pytest.raises(Corrupt, match=NAME):
        decode_pack(NAME, bytes(damaged))


@given(st.binary(max_size=80) | st.binary(max_size=80).map(lambda tail: b"OLP1" + tail))
@settings(deadline=None)
def test_any_other_bytes_are_no_pack(data: bytes) -> None:
    """Bytes that no pack was written with are `Corrupt`, never an empty pack."""
    with pytest.raises(Corrupt, match=NAME):
        decode_pack(NAME, data)


@pytest.mark.promise("P8")
def test_a_foreign_pack_is_found() -> None:
    """A whole pack with the right checksum that is not the one the head names is `Corrupt` and named."""
    mine = pack_ref(NAME, encode_pack(INDEX, b"mine"), 4)
    with pytest.raises(Corrupt, match=f"{NAME} is damaged: it is a whole pack, but not the one"):
        decode_pack(NAME, encode_pack(INDEX, b"hers"), expected=mine)


@pytest.mark.promise("P8")
@pytest.mark.parametrize(("written", "read"), [(SHARED, None), (SHARED, OTHER), (None, SHARED)])
def test_a_pack_is_not_read_with_another_dictionary(written: Dictionary | None, read: Dictionary | None) -> None:
    """A pack read with another dictionary than it was written with is `Corrupt`, never other text."""
    with pytest.raises(Corrupt, match=f"{NAME} is damaged: .* another dictionary"):
        decode_pack(NAME, encode_pack(INDEX, TEXT, written), read)


@pytest.mark.parametrize("frame", [b"", b"not zstd", encode_pack(INDEX, TEXT)[HEADER_BYTES:-1]])
def test_a_frame_that_does_not_unpack_is_corrupt(frame: bytes) -> None:
    """A pack whose checksum is right but whose frame cannot be unpacked is `Corrupt` and named."""
    with pytest.raises(Corrupt, match=f"{NAME} is damaged: it cannot be unpacked"):
        decode_pack(NAME, frozen(frame))


def test_the_format_is_as_written_down() -> None:
    """A pack is magic, dictionary id, digest and frame, as the module's docstring draws it."""
    encoded = encode_pack(INDEX, TEXT)
    assert frozen(encoded[HEADER_BYTES:]) == encoded


def test_a_newer_format_is_told_apart() -> None:
    """A pack of a newer format is `SchemaTooNew`, names the pack and says to upgrade."""
    newer = b"OLP2" + encode_pack(INDEX, TEXT)[4:]
    with pytest.raises(SchemaTooNew, match=f"{NAME} has format .*2.*Upgrade"):
        decode_pack(NAME, newer)


@pytest.mark.parametrize("dictionary", [None, SHARED])
def test_a_pack_says_which_dictionary_it_needs(dictionary: Dictionary | None) -> None:
    """A pack names the digest of the dictionary it was written with, or says that it needs none."""
    encoded = encode_pack(INDEX, TEXT, dictionary)
    assert dictionary_id(NAME, encoded) == (dictionary.digest if dictionary else None)


@pytest.mark.parametrize("data", [b"", b"OLP1", b"<html>" * 20])
def test_what_is_no_pack_needs_no_dictionary(data: bytes) -> None:
    """Asking bytes that are no pack for their dictionary is `Corrupt` and names the object."""
    with pytest.raises(Corrupt, match=NAME):
        dictionary_id(NAME, data)


def test_shared_bytes_are_not_stored_again() -> None:
    """A kilobyte that lies in the dictionary costs a pack under 100 bytes, header included."""
    noise = b"".join(blake2b(bytes([number])).digest() for number in range(16))
    assert len(encode_pack({}, noise)) > 1024
    assert len(encode_pack({}, noise, dictionary_of(noise))) < 100


def test_a_dictionary_is_named_by_its_content() -> None:
    """Two dictionaries have the same digest only when they have the same bytes."""
    assert dictionary_of(bytes(SHARED.data)) == SHARED
    assert OTHER.digest != SHARED.digest


def test_a_reference_gives_size_and_digest() -> None:
    """A pack's reference holds its name, its bytes, its raw bytes and the digest from its header."""
    encoded = encode_pack(INDEX, TEXT)
    ref = pack_ref(NAME, encoded, len(TEXT))
    assert (ref.name, ref.size, ref.raw, ref.digest) == (NAME, len(encoded), 90, encoded[20:28].hex())


PLACES = st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1), st.integers(0, 2**16 - 1))


@given(st.sets(PLACES, min_size=2, max_size=20))
@settings(deadline=None)
def test_pack_names_sort_and_read_back(places: set[tuple[int, int, int]]) -> None:
    """Pack names sort by version, then fence, then sequence, and read back as those three numbers."""
    names = sorted(pack_name(*place) for place in places)
    assert [parse_pack_name(name) for name in names] == sorted(places)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "x",
        "1-2-3",
        NAME + "-1",
        NAME + "\n",
        " " + NAME,
        "0000000A-00000003-0001",
        NAME.replace("-", "_"),
        "../" + NAME,
    ],
)
def test_another_name_is_no_pack(name: str) -> None:
    """An object whose name no worker makes is `Corrupt` and named."""
    with pytest.raises(Corrupt, match=re.escape(repr(name))):
        parse_pack_name(name)
