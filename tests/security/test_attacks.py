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

from outlive.core.keys import SessionId
from outlive.core.manifests import LINK
from outlive.core.packs import FORMAT, MAGIC, NO_DICTIONARY, PackName, decode_pack, encode_pack, pack_ref
from outlive.core.sessions import Head, encode_head
from outlive.core.trees import content_digest
from outlive.errors import Corrupt, Invalid, OutliveError
from outlive.flows.sessions.read_archive import TITLE, read_archive
from outlive.flows.turn.check_tree import kind_of

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
    """An archive that is whole, as an export writes it, with these members in the middle of its session."""
    names = [each.name.removeprefix("s/tree/") for each in members if each.name.startswith("s/tree/")]
    links = {each.name.removeprefix("s/tree/"): each.linkname for each in members if each.issym()}
    manifest = {name: _listed(name, links.get(name, "")) for name in names}
    head = json.loads(encode_head(Head(SessionId("0" * 32), "acme:console:ada:default", 0.0, 0.0)))
    session = {"head": head, "keys": [], "version": 1, "agent_session_id": None}
    with tarfile.open(path, "w") as tar:
        _add(tar, TITLE, {"schema": 1, "sessions": ["s"]})
        _add(tar, "s/session.json", session)
        _add(tar, "s/manifest.json", manifest)
        _add(tar, "s/ledger.jsonl", None)
        for each in members:
            assert tar.fileobj is not None
            tar.fileobj.write(each.tobuf())  # with whatever size it claims, and none of its bytes
    return path


def _add(tar: tarfile.TarFile, name: str, document: object) -> None:
    content = b"" if document is None else json.dumps(document).encode()
    made = tarfile.TarInfo(name)
    made.size = len(content)
    tar.addfile(made, io.BytesIO(content))


def _listed(name: str, target: str) -> dict[str, object]:
    kind = LINK if target else kind_of(name)
    return {"kind": kind, "mode": 0o644, "digest": content_digest(b""), "target": target}


def member(name: str, kind: bytes = tarfile.REGTYPE, size: int = 0, link: str = "") -> tarfile.TarInfo:
    """One entry."""
    made = tarfile.TarInfo(name)
    made.type, made.size, made.linkname = kind, size, link
    return made


HOSTILE = {
    "parent": (member("s/tree/../../../escaped"), "may not be in a session"),
    "parent below work": (member("s/tree/work/../../escaped"), "may not be in a session"),
    "absolute": (member("/etc/passwd"), "none of an export's"),
    "device": (member("s/tree/work/null", tarfile.CHRTYPE), "no plain file"),
    "hard link": (member("s/tree/work/hard", tarfile.LNKTYPE, link="s/session.json"), "no plain file"),
    "link out": (member("s/tree/work/soft", tarfile.SYMTYPE, link="../../../etc"), "leads out"),
    "fifo": (member("s/tree/work/fifo", tarfile.FIFOTYPE), "no plain file"),
    "huge": (member("s/tree/work/huge", size=1 << 45), "more than"),
    "stranger": (member("s/elsewhere"), "none of an export's"),
}
"""Each with what is said of it: an archive that is refused for another reason shows nothing."""


@pytest.mark.promise("P9")
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_archive_is_refused(tmp_path: Path, name: str) -> None:
    """Members that point out of the tree, are no files, or claim terabytes are named as such; nothing is written."""
    hostile, told = HOSTILE[name]
    path = archive(tmp_path / "a.tar", hostile)
    with pytest.raises(OutliveError, match=told):
        list(read_archive(path))
    assert [each.name for each in tmp_path.iterdir()] == ["a.tar"]


def test_an_honest_archive_is_read(tmp_path: Path) -> None:
    """The archive that the hostile members are put into is read without them, and with a file and a link inside."""
    inside = member("s/tree/work/a.txt"), member("s/tree/work/b.txt", tarfile.SYMTYPE, link="a.txt")
    assert [dict(each.files) for each in read_archive(archive(tmp_path / "a.tar"))] == [{}]
    (session,) = read_archive(archive(tmp_path / "b.tar", *inside))
    assert sorted(session.files) == ["work/a.txt", "work/b.txt"]


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
    "len(ledger) == len(MESSAGES) + 1 + len(PROOFS) == head.version",  # what a demonstration has shown
}
COMPARED = {
    "channels/slack/webhook.py": 1,
    "channels/telegram/webhook.py": 1,
    "channels/wechat/sealing.py": 1,
    "channels/wechat/signing.py": 1,
    "core/api_keys.py": 1,
    "entrypoints/aws_lambda/webhook.py": 1,
    "entrypoints/http_api/callers.py": 2,
}
"""Where what somebody sent is compared with a secret, and how often: nothing else there says so in its name."""


def comparisons(path: Path) -> list[str]:
    """Each `==` and `!=` of a source that has to do with a secret."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Compare) and isinstance(node.ops[0], (ast.Eq, ast.NotEq)):
            sides = [node.left, *node.comparators]
            secret = any(_is_secret(part) for side in sides for part in ast.walk(side))
            if secret and not any(isinstance(side, ast.Constant) for side in sides):
                found.append(ast.unparse(node))
    return found


def _is_secret(node: ast.AST) -> bool:
    match node:
        case ast.Attribute(attr=name) | ast.Name(id=name):
            return any(word in name.lower() for word in SECRET_WORDS) and not name.endswith("tokens")
    return False


def test_secrets_are_compared_in_constant_time() -> None:
    """No source outside the test kit compares a token, signature or proof with `==`, in whatever expression."""
    paths = [path for path in SOURCES.rglob("*.py") if "testing" not in path.parts]
    found = {str(path.relative_to(SOURCES)): comparisons(path) for path in paths}
    assert {path: told for path, told in found.items() if set(told) - INNOCENT} == {}


def test_what_is_sent_is_compared_in_constant_time() -> None:
    """Each place that compares what was sent with a secret does so by `hmac.compare_digest`, and none has gone."""
    counts = {
        str(path.relative_to(SOURCES)): path.read_text().count("compare_digest(") for path in SOURCES.rglob("*.py")
    }
    assert {path: count for path, count in counts.items() if count and "testing" not in path} == COMPARED
