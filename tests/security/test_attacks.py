"""Bombs in packs and archives, secrets compared in the time it takes, addresses that are fetched."""

from __future__ import annotations

import ast
import io
import json
import tarfile
import tracemalloc
from hashlib import blake2b
from pathlib import Path

import pytest
import zstandard

from outlive.core.packs import FORMAT, MAGIC, NO_DICTIONARY, PackName, decode_pack, encode_pack, pack_ref
from outlive.errors import Corrupt, Invalid, OutliveError
from outlive.flows.sessions.read_archive import read_archive

SOURCES = Path(__file__).resolve().parents[2] / "src" / "outlive"
GIGABYTE = 1 << 30


def pack_of(frame: bytes) -> bytes:
    """A pack whose checksum is right, whoever made it."""
    return MAGIC + FORMAT + NO_DICTIONARY + blake2b(frame, digest_size=16, person=NO_DICTIONARY).digest() + frame


def bomb(size: int) -> bytes:
    """A frame of a few bytes that says, truly, that it unpacks to so many zeros."""
    compressor = zstandard.ZstdCompressor(level=3).compressobj(size=size)
    block = bytes(1 << 24)
    return b"".join([*(compressor.compress(block) for _ in range(size // len(block))), compressor.flush()])


@pytest.mark.promise("P8")
def test_a_pack_that_unpacks_to_more_than_the_head_knows_is_not_unpacked() -> None:
    """A whole pack of a gigabyte of zeros is refused by its claim, in the memory of its few bytes."""
    attack = pack_of(bomb(GIGABYTE))
    tracemalloc.start()
    with pytest.raises(Corrupt, match="claims to unpack"):
        decode_pack("n", attack, expected=pack_ref(PackName("n"), attack, raw=1000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 * len(attack) + (1 << 20)


@pytest.mark.parametrize("claim", [5 << 30, (1 << 62)])
def test_a_pack_that_lies_about_its_size_is_refused(claim: int) -> None:
    """A frame header that claims more than any pack can hold is an error before memory is taken for it."""
    header = b"\x28\xb5\x2f\xfd" + bytes([0xE0]) + claim.to_bytes(8, "little")
    with pytest.raises(Corrupt):
        decode_pack("n", pack_of(header + b"\x01\x00\x00"))


@pytest.mark.parametrize("index", [b"[]", b"null", b"[" * 5000, b"{"])
def test_a_pack_with_a_strange_index_is_an_error_of_ours(index: bytes) -> None:
    """An index that is no object, or no JSON, is `Corrupt`."""
    raw = len(index).to_bytes(4, "big") + index
    frame = zstandard.ZstdCompressor().compress(raw)
    with pytest.raises(Corrupt, match="pack n"):
        decode_pack("n", pack_of(frame))


def test_an_index_longer_than_its_pack_is_cut_at_the_end() -> None:
    """A length that reaches past the end is refused, whatever follows."""
    frame = zstandard.ZstdCompressor().compress((2**31).to_bytes(4, "big") + b"{}x")
    with pytest.raises(Corrupt):
        decode_pack("n", pack_of(frame))


def test_an_honest_pack_is_read() -> None:
    """What `encode_pack` writes is read back under the size that its own reference states."""
    data = encode_pack({"files": {}}, b"x" * 100_000)
    assert bytes(decode_pack("n", data, expected=pack_ref(PackName("n"), data, 100_000)).data) == b"x" * 100_000


def archive(path: Path, *members: tarfile.TarInfo) -> Path:
    """A tar archive that begins as an export does."""
    title = json.dumps({"schema": 1, "sessions": ["s"]}).encode()
    with tarfile.open(path, "w") as tar:
        first = tarfile.TarInfo("outlive.json")
        first.size = len(title)
        tar.addfile(first, io.BytesIO(title))
        for member in members:
            assert tar.fileobj is not None
            tar.fileobj.write(member.tobuf())  # with whatever size it claims, and none of its bytes
    return path


def member(name: str, kind: bytes = tarfile.REGTYPE, size: int = 0, link: str = "") -> tarfile.TarInfo:
    """One entry."""
    made = tarfile.TarInfo(name)
    made.type, made.size, made.linkname = kind, size, link
    return made


HOSTILE = {
    "parent": member("s/tree/../../../escaped"),
    "absolute": member("/etc/passwd"),
    "device": member("s/tree/work/null", tarfile.CHRTYPE),
    "hard link": member("s/tree/work/hard", tarfile.LNKTYPE, link="/etc/passwd"),
    "link out": member("s/tree/work/soft", tarfile.SYMTYPE, link="../../../etc"),
    "fifo": member("s/tree/work/fifo", tarfile.FIFOTYPE),
    "huge": member("s/tree/work/huge", size=1 << 45),
    "stranger": member("s/elsewhere"),
}


@pytest.mark.promise("P9")
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_archive_is_refused(tmp_path: Path, name: str) -> None:
    """Members that point out of the tree, are no files, or claim terabytes are an error of ours; nothing is written."""
    path = archive(tmp_path / "a.tar", HOSTILE[name])
    with pytest.raises(OutliveError):
        list(read_archive(path))
    assert [each.name for each in tmp_path.iterdir()] == ["a.tar"]


def test_an_archive_that_is_a_zstd_bomb_is_refused(tmp_path: Path) -> None:
    """A few bytes that unpack to a gigabyte of zeros are no archive, and are found out at their first block."""
    path = tmp_path / "a.tar.zst"
    path.write_bytes(bomb(GIGABYTE))
    tracemalloc.start()
    with pytest.raises((Corrupt, Invalid)):
        list(read_archive(path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 64 << 20


SECRET_WORDS = ("token", "secret", "signature", "digest_of", "proof", "password", "hmac")
INNOCENT = {
    "name.lower() == SECRET_HEADER",  # which header it is
    "name.lower() == SIGNATURE_HEADER",
    "self._token == refused",  # which of its own tokens a vendor refused: both are ours
    "self._token != refused",
}


def comparisons(path: Path) -> list[str]:
    """Each `==` and `!=` of a source that has to do with a secret."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Compare) and isinstance(node.ops[0], (ast.Eq, ast.NotEq)):
            sides = [node.left, *node.comparators]
            secret = any(_is_secret(side) for side in sides)
            if secret and not any(isinstance(side, ast.Constant) for side in sides):
                found.append(ast.unparse(node))
    return found


def _is_secret(node: ast.expr) -> bool:
    match node:
        case ast.Attribute(attr=name) | ast.Name(id=name) | ast.Call(func=ast.Name(id=name)):
            return any(word in name.lower() for word in SECRET_WORDS) and not name.endswith("tokens")
    return False


def test_secrets_are_compared_in_constant_time() -> None:
    """No source outside the test kit compares a token, signature or proof with `==`; `hmac.compare_digest` does."""
    paths = [path for path in SOURCES.rglob("*.py") if "testing" not in path.parts]
    found = {str(path.relative_to(SOURCES)): comparisons(path) for path in paths}
    assert {path: told for path, told in found.items() if set(told) - INNOCENT} == {}
    assert sum("compare_digest" in path.read_text() for path in paths) >= 6
