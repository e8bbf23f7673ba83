"""The webhook's request: its secret, its size, its body; and what has to be loaded to read it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from outlive.channels.telegram.decisions import Drop, Turn
from outlive.channels.telegram.rules import Rules
from outlive.channels.telegram.webhook import MAX_BODY, SECRET_HEADER, check_secret, read_webhook
from outlive.errors import Invalid, Refused, TooLarge

SECRET = "a-secret-of-some-length"
RULES = Rules(7, "the_bot", allowed=frozenset({42}))
HELLO = {
    "update_id": 1,
    "message": {
        "message_id": 1,
        "date": 1,
        "chat": {"id": 42, "type": "private"},
        "from": {"id": 42, "is_bot": False, "first_name": "Ada"},
        "text": "hello",
    },
}
BODY = json.dumps(HELLO).encode()


def test_a_request_with_the_secret_is_read() -> None:
    """The header's name may be written in any case."""
    for name in (SECRET_HEADER, "X-Telegram-Bot-Api-Secret-Token"):
        assert isinstance(read_webhook({name: SECRET}, BODY, secret=SECRET, rules=RULES), Turn)


@pytest.mark.parametrize("headers", [{}, {SECRET_HEADER: ""}, {SECRET_HEADER: "wrong"}, {SECRET_HEADER: SECRET + "é"}])
@pytest.mark.defect(19)
def test_a_forged_request_is_refused(headers: dict[str, str]) -> None:
    """Without the secret nothing of the body is read, however large or broken it is."""
    for body in (BODY, b"{", b"x" * (MAX_BODY + 1)):
        with pytest.raises(Refused):
            read_webhook(headers, body, secret=SECRET, rules=RULES)


@pytest.mark.parametrize("secret", ["", "short", "with space in the middle", "x" * 257])
@pytest.mark.defect(19)
def test_a_weak_secret_is_refused(secret: str) -> None:
    """A missing, short, overlong or unsendable secret is a fault of the settings, never an open door."""
    with pytest.raises(Invalid, match="secret"):
        check_secret(secret)
    with pytest.raises(Invalid):
        read_webhook({SECRET_HEADER: secret}, BODY, secret=secret, rules=RULES)


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"null", '"x"'.encode("utf-16")])
def test_a_body_that_cannot_be_read_is_dropped(body: bytes) -> None:
    """It is answered 200: Telegram would only send it again and hold back the chat."""
    assert isinstance(read_webhook({SECRET_HEADER: SECRET}, body, secret=SECRET, rules=RULES), Drop)


def test_a_body_over_the_limit_is_refused() -> None:
    """Ten megabytes are not parsed."""
    with pytest.raises(TooLarge):
        read_webhook({SECRET_HEADER: SECRET}, b" " * 10_000_000, secret=SECRET, rules=RULES)


def test_reading_needs_the_standard_library_only() -> None:
    """The producer loads nothing but outlive's own pure modules and the standard library."""
    code = (
        "import sys; before = set(sys.modules); import outlive.channels.telegram.webhook as w;"
        "tops = {name.partition('.')[0] for name in set(sys.modules) - before};"
        "print(sorted(tops - set(sys.stdlib_module_names)), 'asyncio' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[0] == "['outlive'] False"
