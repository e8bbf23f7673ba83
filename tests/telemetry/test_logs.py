"""Structured logs: what a line says, what it never says, and what it costs to say nothing."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from urllib.parse import quote

import pytest

from outlive.observing import secrets_of
from outlive.settings import ALIASES, SECRETS, load_settings
from outlive.telemetry.logs import Log, line_of
from outlive.telemetry.secrets import STAND_IN, Redaction
from tests.telemetry.samples import TOLD

SECRET = "S3cret/With+Signs=and%percent"


def _lines(form: str = "json", level: str = "debug", **options) -> list[str]:
    lines: list[str] = []
    log = Log(form, level, lines.append, **options)
    for told in TOLD:
        log(told)
    return lines


def test_every_event_is_a_line_of_json_with_its_ids() -> None:
    """At `debug` each event is one JSON object with time, level, name, tenant, session, message, turn and trace."""
    lines = [json.loads(line) for line in _lines()]
    assert [line["event"] for line in lines] == [told.event.name for told in TOLD]
    for line in lines:
        assert line["timestamp"] == "2023-11-14T22:13:20.500Z"
        assert (line["tenant"], line["message_id"], line["turn"], line["receives"]) == ("acme", "m1", 3, 2)
        assert (line["session_id"], line["trace_id"]) == ("0" * 32, "ab" * 16)


@pytest.mark.parametrize(("level", "least"), [("info", "info"), ("warning", "warning"), ("error", "error")])
def test_the_level_is_a_floor(level, least) -> None:
    """Nothing below the level is written, and everything from it on is."""
    order = ["debug", "info", "warning", "error"]
    wanted = [told.event.name for told in TOLD if order.index(told.event.level) >= order.index(least)]
    assert [json.loads(line)["event"] for line in _lines(level=level)] == wanted


def test_a_terminal_gets_a_readable_line() -> None:
    """The console form is one line per event that names it and its ids."""
    line = next(line for line in _lines("console") if "turn_ended" in line)
    assert "\n" not in line
    assert "tenant=acme" in line


def test_no_line_quotes_anybody_unless_asked_for() -> None:
    """What an error quotes is left out, with its class told; with content switched on it is there."""
    assert "Rex" not in "".join(_lines())
    assert "AgentFailed" in "".join(_lines())
    assert "Rex" in "".join(_lines(content=True))


@pytest.mark.parametrize("name", SECRETS)
def test_no_secret_setting_gets_into_a_line(name, monkeypatch) -> None:
    """The value of every secret setting is hidden: as it is, URL-encoded, in base64, and inside of other text."""
    monkeypatch.setattr("outlive.settings._check_key_pair", lambda _settings: None)
    settings = load_settings(**{name: SECRET})
    hide = Redaction(secrets_of(settings))
    for form in (SECRET, quote(SECRET, safe=""), base64.b64encode(SECRET.encode()).decode()):
        hidden = hide(None, "info", {"detail": f"https://x/bot{form}/send", "steps": {"a": [form]}})
        assert form not in json.dumps(hidden)
        assert hidden["detail"] == f"https://x/bot{STAND_IN}/send"


def test_every_secret_setting_is_known() -> None:
    """Whatever setting is called token, key, secret or password is one whose value is hidden."""
    names = {name for name in load_settings().__class__.model_fields if name.endswith(("token", "secret", "password"))}
    assert names <= set(SECRETS)
    assert {"anthropic_api_key", "client_auth_token"} <= set(SECRETS)
    assert ALIASES


def test_passwords_in_urls_and_the_machines_own_keys_are_hidden(monkeypatch) -> None:
    """The password of a store's URL, decoded or not, and the AWS keys of the environment are hidden."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI")
    hide = Redaction(secrets_of(load_settings(table="postgresql://me:p%40ssw0rd@host/db")))
    cleaned = hide.clean("postgresql://me:p%40ssw0rd@host/db p@ssw0rd wJalrXUtnFEMI")
    assert "ssw0rd" not in cleaned
    assert "wJalr" not in cleaned


@pytest.mark.parametrize(
    "text",
    [
        "sk-ant-REDACTED",
        "xoxb-1234-5678-abcdefgh",
        "AKIAABCDEFGHIJKLMNOP",
        "Authorization: Bearer abcdef0123456789",
        "https://api.telegram.org/bot123456789:AAE_abcdefghijklmnopqrstuvwxyz0123/sendMessage",
        "redis://:hunter22@cache:6379/0",
    ],
)
def test_what_looks_like_a_key_is_hidden(text) -> None:
    """Keys of well-known shapes are hidden, though nobody has told of them."""
    assert STAND_IN in Redaction([]).clean(text)


def test_ordinary_words_stay() -> None:
    """Ids, names and addresses of stores are left as they are, and a very short secret hides nothing."""
    line = {"session_key": "acme:telegram:-100123:default", "detail": "postgresql://host/db does not answer.", "n": 1}
    assert Redaction(["ab"])(None, "info", line) == line


def test_a_line_is_made_without_the_fields_that_are_unknown() -> None:
    """Ids that are not known are left out instead of being empty."""
    assert "task_id" not in line_of(TOLD[0], content=False)


def test_a_quiet_process_loads_no_log_library() -> None:
    """A command with nothing to log imports neither structlog nor OpenTelemetry nor an HTTP server for metrics."""
    code = (
        "import asyncio, sys, tempfile; from outlive.wiring import open_at_rest; from outlive.settings import *\n"
        "async def main():\n"
        "    async with open_at_rest(load_settings(data=tempfile.mkdtemp(), log_format='json')): pass\n"
        "asyncio.run(main())\n"
        "print([name for name in ('structlog', 'opentelemetry', 'uvicorn') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
