"""Slack's requests: signature, age, size, body; and what has to be loaded to read them."""

from __future__ import annotations

import json
import subprocess
import sys
from urllib.parse import urlencode

import pytest

from outlive.channels.slack.decisions import Challenge, Control, Drop, Turn
from outlive.channels.slack.rules import Rules
from outlive.channels.slack.webhook import MAX_BODY, check_secret, read_webhook, sign
from outlive.errors import Invalid, Refused, TooLarge

SECRET = "a-signing-secret-of-some-length"
RULES = Rules("U0BOT", "T0TEAM", allowed=frozenset({"U0ADA"}))
NOW = 1_700_000_000.0
EVENT = {"type": "message", "channel": "D0ADA", "user": "U0ADA", "text": "hello", "ts": "1700000000.000001"}
BODY = json.dumps({"type": "event_callback", "team_id": "T0TEAM", "event": EVENT}).encode()


def headers(body: bytes = BODY, *, stamp: str = "1700000000", secret: str = SECRET, **more: str) -> dict[str, str]:
    """Those of a signed request."""
    return {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": sign(secret, stamp, body), **more}


def read(given: dict[str, str], body: bytes = BODY) -> object:
    """What becomes of the request."""
    return read_webhook(given, body, secret=SECRET, rules=RULES, now=NOW)


def test_a_signed_request_is_read() -> None:
    """The documented signature lets an event in, a retry of it as well."""
    assert isinstance(read(headers()), Turn)
    assert read(headers(**{"X-Slack-Retry-Num": "1"})) == read(headers())


def test_the_signature_is_the_documented_one() -> None:
    """Version, stamp and body are signed as Slack's own example shows it."""
    secret, body = (
        "8f742231b10e8888abcd99yyyzzz85a5",
        (
            "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V"
            "&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text="
            "&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN"
            "&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
        ),
    )
    expected = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
    assert sign(secret, "1531420618", body.encode()) == expected


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"X-Slack-Signature": "v0=00"},
        headers(secret="another-secret-of-length"),
        headers(BODY + b" "),
        headers() | {"X-Slack-Request-Timestamp": "1700000001"},
        headers() | {"X-Slack-Signature": "v0=é"},
        headers() | {"X-Slack-Request-Timestamp": "\u0661\u0667"},
    ],
)
def test_forged_requests_are_refused(given: dict[str, str]) -> None:
    """Without the signature of exactly this body at this time nothing is read."""
    with pytest.raises(Refused, match="not signed"):
        read(given)


@pytest.mark.parametrize("stamp", ["1699999699", "1700000301", "0", "-1", "soon", "1e9"])
def test_old_requests_are_refused(stamp: str) -> None:
    """A request of more than five minutes ago, or of a strange time, is refused though its signature is right."""
    with pytest.raises(Refused, match="five minutes"):
        read(headers(stamp=stamp))


def test_five_minutes_are_fine() -> None:
    """Within five minutes either way a request counts."""
    assert isinstance(read(headers(stamp="1699999700")), Turn)
    assert isinstance(read(headers(stamp="1700000300")), Turn)


def test_ten_megabytes_are_refused() -> None:
    """A body over a megabyte is refused, signed or not."""
    body = b" " * (10 * MAX_BODY)
    with pytest.raises(TooLarge):
        read(headers(body), body)


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"null", b'"x"', b"\x00", '{"type": "ü"}'.encode("latin-1")]
)
def test_broken_bodies_are_dropped(body: bytes) -> None:
    """A body that cannot be read is dropped: Slack would only send it again."""
    assert isinstance(read(headers(body), body), Drop)


@pytest.mark.parametrize("payload", ["", "{", "[]", "null"])
def test_broken_forms_are_dropped(payload: str) -> None:
    """A button's payload that cannot be read, and a form that is none of Slack's, are dropped."""
    for fields in ({"payload": payload}, {"x": payload}):
        body = urlencode(fields).encode()
        form = headers(body, **{"Content-Type": "application/x-www-form-urlencoded"})
        assert isinstance(read(form, body), Drop)


def test_the_challenge_needs_the_signature_too() -> None:
    """The address is verified for Slack alone."""
    body = b'{"type": "url_verification", "challenge": "abc"}'
    assert read(headers(body), body) == Challenge("abc")
    with pytest.raises(Refused):
        read({}, body)


def test_slash_commands_come_as_forms() -> None:
    """A slash command's form is a control."""
    fields = {"channel_id": "D0ADA", "team_id": "T0TEAM", "user_id": "U0ADA", "trigger_id": "1.2", "response_url": "u"}
    body = urlencode({**fields, "command": "/outlive", "text": "stop"}).encode()
    assert isinstance(read(headers(body, **{"content-type": "application/x-www-form-urlencoded"}), body), Control)


@pytest.mark.parametrize("secret", ["", "short", "with a space in it, and long", "x" * 257])
def test_a_missing_secret_is_named(secret: str) -> None:
    """Without a secret that can be one nothing is ever read, and the error names the setting."""
    with pytest.raises(Invalid) as caught:
        check_secret(secret)
    assert "SLACK_SIGNING_SECRET" in (caught.value.fix or "")


def test_the_standard_library_is_enough() -> None:
    """Reading a request loads nothing but the standard library and outlive."""
    code = (
        "import sys; before = set(sys.modules); import outlive.channels.slack.webhook;"
        "print(*sorted({m.partition('.')[0] for m in set(sys.modules) - before} - set(sys.stdlib_module_names)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["outlive"]
