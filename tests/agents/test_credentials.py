"""Who calls Bedrock: what of the worker's environment reaches the agent, and which region is called."""

from __future__ import annotations

from pathlib import Path

import pytest

from outlive.agents.credentials import ROLE, KeyPair, credential_source, credentials, region_of
from outlive.agents.models import ModelSettings, model_variables
from outlive.errors import Invalid

PAIR = KeyPair("own-id", "own-secret")
GIVEN = dict.fromkeys(ROLE, "the worker's") | {"AWS_LAMBDA_FUNCTION_NAME": "f", "AWS_XRAY_DAEMON_ADDRESS": "x"}


def test_an_own_pair_is_all_there_is() -> None:
    """With an own pair not one of the worker's variables reaches the agent."""
    assert credentials(PAIR, GIVEN) == {"AWS_ACCESS_KEY_ID": "own-id", "AWS_SECRET_ACCESS_KEY": "own-secret"}


def test_a_temporary_pair_has_its_token() -> None:
    """The token of an own pair is passed as the session's."""
    assert credentials(KeyPair("i", "s", "own-token"), GIVEN)["AWS_SESSION_TOKEN"] == "own-token"


def test_without_a_pair_every_way_to_credentials_passes() -> None:
    """Keys, profile, container and web identity pass, and what else the function was given does not."""
    assert credentials(None, GIVEN) == dict.fromkeys(ROLE, "the worker's")


def test_empty_variables_do_not_pass() -> None:
    """A variable set to nothing is as one not set."""
    assert credentials(None, {"AWS_PROFILE": ""}) == {}


def test_the_workers_aws_files_are_named(tmp_path: Path) -> None:
    """Files in the worker's home are passed by path where a profile or nothing else is set, and not beside keys."""
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws/config").touch()
    home = {"HOME": str(tmp_path)}
    named = {"AWS_CONFIG_FILE": str(tmp_path / ".aws/config")}
    assert credentials(None, home) == named
    assert credentials(None, {**home, "AWS_PROFILE": "p"}) == {**named, "AWS_PROFILE": "p"}
    assert credentials(None, {**home, "AWS_ACCESS_KEY_ID": "i"}) == {"AWS_ACCESS_KEY_ID": "i"}


@pytest.mark.parametrize(
    ("own", "inherited", "source"),
    [
        (PAIR, GIVEN, "its own key pair"),
        (None, {"AWS_ACCESS_KEY_ID": "i"}, "keys of the environment"),
        (None, {"AWS_PROFILE": "p"}, "an AWS profile"),
        (None, {"AWS_WEB_IDENTITY_TOKEN_FILE": "f"}, "a web identity"),
        (None, {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2"}, "the container's role"),
        (None, {}, "the machine's role, if it has one"),
    ],
)
def test_the_source_is_told(own: KeyPair | None, inherited: dict[str, str], source: str) -> None:
    """People are told where signatures come from, without a call."""
    assert credential_source(own, inherited) == source


def test_a_pair_is_not_shown() -> None:
    """The representation of model settings has neither half of the pair."""
    assert "own-" not in repr(ModelSettings("bedrock", key_pair=PAIR))


# ------------------------------------------------------------------------------------------------- region


@pytest.mark.parametrize(
    ("given", "inherited", "region"),
    [
        ("eu-west-1", {"AWS_REGION": "us-east-1"}, "eu-west-1"),
        (None, {"AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-west-2"}, "us-east-1"),
        (None, {"AWS_DEFAULT_REGION": "us-gov-west-1"}, "us-gov-west-1"),
    ],
)
def test_the_settings_region_comes_first(given: str | None, inherited: dict[str, str], region: str) -> None:
    """The region of the settings beats AWS_REGION, which beats AWS_DEFAULT_REGION."""
    assert region_of(given, inherited) == region


@pytest.mark.parametrize("region", ["Ireland", "eu_west_1", "eu-west-1 ", "https://x"])
def test_what_is_no_region_is_refused(region: str) -> None:
    """A misspelt region is refused by name, instead of a host that cannot be found."""
    with pytest.raises(Invalid, match=r"no name of an AWS region.*OUTLIVE_BEDROCK_REGION"):
        region_of(region, {})


# ------------------------------------------------------------------------------------------------- models


def test_aliases_mean_the_model_unless_named() -> None:
    """On Bedrock `sonnet` and `opus` mean the one model that was named, `haiku` the one named for it."""
    model = ModelSettings("bedrock", "main", region="eu-west-1", aliases={"haiku": "small"})
    found = model_variables(model, {})
    assert found["ANTHROPIC_DEFAULT_HAIKU_MODEL"] == "small"
    assert found["ANTHROPIC_DEFAULT_SONNET_MODEL"] == found["ANTHROPIC_DEFAULT_OPUS_MODEL"] == "main"


def test_aliases_are_left_to_the_cli_elsewhere() -> None:
    """On the Anthropic API only the aliases that were named are set."""
    found = model_variables(ModelSettings("anthropic", "main", "key", aliases={"haiku": "small"}), {})
    assert [name for name in found if "_DEFAULT_" in name] == ["ANTHROPIC_DEFAULT_HAIKU_MODEL"]


def test_a_bad_bedrock_endpoint_is_refused() -> None:
    """The error names Bedrock's own variable."""
    with pytest.raises(Invalid, match="ANTHROPIC_BEDROCK_BASE_URL"):
        model_variables(ModelSettings("bedrock", base_url="vpce-1", region="eu-west-1"), {})
