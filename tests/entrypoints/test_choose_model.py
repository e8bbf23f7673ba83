"""Which model answers, from settings alone."""

from __future__ import annotations

import pytest

from outlive.errors import Invalid
from outlive.settings import load_settings
from outlive.wiring import choose_model
from tests.entrypoints.conftest import Outlive

PAIR = {"BEDROCK_ACCESS_KEY_ID": "own-id", "BEDROCK_SECRET_ACCESS_KEY": "own-secret"}
KEY = {"ANTHROPIC_API_KEY": "key"}
BEDROCK = {"CLAUDE_CODE_USE_BEDROCK": "1"}


@pytest.mark.parametrize(
    ("variables", "provider"),
    [
        ({}, "scripted"),
        (KEY, "anthropic"),
        (BEDROCK, "bedrock"),
        (PAIR, "bedrock"),
        (PAIR | KEY, "anthropic"),
        (PAIR | KEY | BEDROCK, "bedrock"),
        (PAIR | {"OUTLIVE_MODEL": "scripted"}, "scripted"),
    ],
)
def test_the_provider_follows_from_what_is_set(outlive: Outlive, variables: dict[str, str], provider: str) -> None:
    """Bedrock where it is asked for or has the only credentials, else the API, else the stand-in."""
    for name, value in variables.items():
        outlive.monkeypatch.setenv(name, value)
    assert choose_model(load_settings(), stand_in=True).provider == provider


def test_every_bedrock_setting_arrives(outlive: Outlive) -> None:
    """Pair, token, region, endpoint, model and aliases are the ones of the settings."""
    for name, value in {
        **PAIR,
        "BEDROCK_SESSION_TOKEN": "own-token",
        "OUTLIVE_BEDROCK_REGION": "eu-west-1",
        "OUTLIVE_MODEL": "eu.anthropic.claude-sonnet-5-5",
        "ANTHROPIC_BEDROCK_BASE_URL": "https://vpce.example",
        "ANTHROPIC_DEFAULT_HAIKU_MODEL": "small",
    }.items():
        outlive.monkeypatch.setenv(name, value)
    found = choose_model(load_settings(), stand_in=False)
    assert found.key_pair is not None
    assert (found.key_pair.access_key_id, found.key_pair.session_token) == ("own-id", "own-token")
    assert (found.region, found.base_url, found.aliases) == ("eu-west-1", "https://vpce.example", {"haiku": "small"})


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ("BEDROCK_ACCESS_KEY_ID", "BEDROCK_SECRET_ACCESS_KEY"),
        ("BEDROCK_SECRET_ACCESS_KEY", "BEDROCK_ACCESS_KEY_ID"),
        ("BEDROCK_SESSION_TOKEN", "BEDROCK_ACCESS_KEY_ID"),
    ],
)
def test_half_a_pair_is_refused(outlive: Outlive, given: str, missing: str) -> None:
    """One half does not let the worker's own role step in: the missing one is named."""
    outlive.monkeypatch.setenv(given, "x")
    with pytest.raises(Invalid, match=f"{given} is set, but {missing} is not"):
        load_settings()


@pytest.mark.parametrize("name", ["ANTHROPIC_API_KEY", *PAIR])
def test_a_key_with_a_line_break_is_refused(outlive: Outlive, name: str) -> None:
    """White space in a key is an error that names the variable and does not show the key."""
    for each in PAIR:
        outlive.monkeypatch.setenv(each, "x")
    outlive.monkeypatch.setenv(name, "sesame\n")
    with pytest.raises(Invalid, match=f"white space.*Set {name}") as refused:
        load_settings()
    assert "sesame" not in str(refused.value)
