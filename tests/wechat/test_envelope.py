"""Signatures, encryption and XML: what is not the vendor's is refused before anything of it is looked at."""

from __future__ import annotations

import base64
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlive.channels.wechat.plain_xml import MAX_DEPTH, read_xml, write_xml
from outlive.channels.wechat.sealing import Sealer
from outlive.channels.wechat.signing import check_signature, check_time, signature
from outlive.errors import Invalid, Refused
from outlive.testing.wechat.account import fields_of
from outlive.testing.wechat.envelope import decrypt, encrypt, sign
from tests.wechat.conftest import KEY

NOW = 1_750_000_000.0
VECTOR = {"msg_signature": "09380007d4f0891d966988e5450ad794c77fa01c", "timestamp": "1703041184", "nonce": "1703023880"}
SEALED = "oCdlC8pJ/DIjXnC8F9reyjDYlSImCmIgxA4prPD+l2Fj5qBHjFiWnpelQofsDCJrSEvNVTET6oQmoXLQxzUkyQ=="
"""A request that somebody published, made with the token `xxx` and a key of 43 x."""


def test_a_published_request_is_read() -> None:
    """Signature and encryption agree with a request that was not made by this project."""
    check_signature(VECTOR, "msg_signature", "xxx", SEALED)
    assert Sealer("x" * 43, "").open(SEALED).isdigit()


@given(st.text(max_size=300), st.sampled_from(["", "wx0123456789abcdef"]))
def test_what_is_sealed_is_opened_by_the_other_side(text: str, receiver: str) -> None:
    """Channel and fake, written apart, read each other's messages."""
    text = text.encode(errors="replace").decode()
    sealer = Sealer(KEY, receiver)
    assert sealer.open(encrypt(KEY, receiver, text)) == text.encode()
    assert decrypt(KEY, receiver, sealer.seal(text.encode())) == text


@given(st.binary(max_size=200))
def test_noise_is_refused(noise: bytes) -> None:
    """Bytes that nobody sealed give a refusal, whatever they are."""
    with pytest.raises(Refused):
        Sealer(KEY, "wx1").open(base64.b64encode(noise).decode())


@pytest.mark.parametrize(
    "sealed",
    ["", "no base64", "é", encrypt(KEY, "wx2", "hi"), encrypt("A" * 43, "wx1", "hi")],
    ids=["empty", "no base64", "no ascii", "another receiver", "another key"],
)
def test_another_receiver_or_key_is_refused(sealed: str) -> None:
    """A message for another account, or sealed with another key, is not opened."""
    with pytest.raises(Refused):
        Sealer(KEY, "wx1").open(sealed)


@pytest.mark.parametrize("key", ["", "short", "A" * 44, "!" * 43])
def test_a_key_that_is_none_is_named(key: str) -> None:
    """A wrong EncodingAESKey is found when the process starts."""
    with pytest.raises(Invalid, match="EncodingAESKey"):
        Sealer(key, "")


@pytest.mark.parametrize("change", ["signature", "timestamp", "nonce"])
def test_a_forged_signature_is_refused(change: str) -> None:
    """Whoever changes a signed part, or signs with another token, is refused."""
    query = {"timestamp": "1", "nonce": "2", "signature": sign("tok", "1", "2")}
    check_signature(query, "signature", "tok")
    for forged in ({**query, change: "x"}, {**query, change: ""}, {**query, change: "é\ud800"}):
        with pytest.raises(Refused):
            check_signature(forged, "signature", "tok")
    with pytest.raises(Refused):
        check_signature(query, "signature", "other")


def test_an_empty_token_lets_nobody_in() -> None:
    """Without a token every signature could be made by anybody, so none is taken."""
    with pytest.raises(Invalid, match="token"):
        check_signature({"signature": signature("", "1", "2"), "timestamp": "1", "nonce": "2"}, "signature", "")


@pytest.mark.parametrize("stamp", ["", "x", "1.5", "-1", "9" * 40, str(int(NOW) - 301), str(int(NOW) + 301), "१"])
def test_a_replay_is_refused(stamp: str) -> None:
    """A request that was signed more than five minutes ago, or says no time, is refused."""
    check_time({"timestamp": str(int(NOW) - 299)}, NOW)
    with pytest.raises(Refused):
        check_time({"timestamp": stamp}, NOW)


BOMB = '<!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]><xml><Content>&b;</Content></xml>'
OUTSIDE = '<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/hostname">]><xml><Content>&f;</Content></xml>'
PARAMETER = '<!DOCTYPE x [<!ENTITY % p SYSTEM "http://127.0.0.1:1/x"> %p;]><xml/>'
DTD = '<!DOCTYPE xml SYSTEM "http://127.0.0.1:1/x.dtd"><xml><Content>hi</Content></xml>'


@pytest.mark.parametrize("body", [BOMB, OUTSIDE, PARAMETER, DTD, "<!DOCTYPE x><xml/>"])
def test_entities_are_refused(body: str) -> None:
    """Bombs, files and addresses named by a document type are refused, and nothing is read."""
    with pytest.raises(Invalid, match="document type"):
        read_xml(body.encode())


DEEP = f"<xml>{'<a>' * MAX_DEPTH}{'</a>' * MAX_DEPTH}</xml>"
WIDE = f"<xml>{''.join(f'<a{n}/>' for n in range(1000))}</xml>"


@pytest.mark.parametrize(
    "body", ["", "<xml>", "no", "<xml><a></xml>", "&x;", "<xml>&x;</xml>", DEEP, WIDE, "\x00", "\ufeff"]
)
def test_broken_xml_is_refused(body: str) -> None:
    """What is cut off, garbled, too deep or too wide is an error that says so."""
    with pytest.raises(Invalid):
        read_xml(body.encode())


@given(st.binary(max_size=200))
def test_any_bytes_are_fields_or_refused(body: bytes) -> None:
    """No bytes lead to another error than ours."""
    with suppress(Invalid):
        assert isinstance(read_xml(body), dict)


@given(st.text(max_size=100))
def test_written_xml_is_read_back(text: str) -> None:
    """Whatever an agent says, the reply is XML with just that text, but for what XML cannot hold."""
    kept = "".join(each for each in text if each in "\t\n\r" or (each >= " " and each.isprintable()) or each.isspace())
    written = write_xml({"Content": kept, "CreateTime": 5})
    assert (
        read_xml(written.encode())["Content"].split() == "".join(c for c in kept if c >= " " or c in "\t\n\r").split()
    )
    read_xml(write_xml({"Content": text}).encode())


def test_nested_and_unknown_fields_are_left_alone() -> None:
    """Fields below the first level are no fields, and CDATA is text."""
    body = b"<xml><A><![CDATA[a <b> & c]]></A><Info><A>deep</A></Info><B/></xml>"
    assert read_xml(body) == {"A": "a <b> & c", "Info": "", "B": ""}
    assert fields_of("<xml><A><![CDATA[1]]></A></xml>") == {"A": "1"}
