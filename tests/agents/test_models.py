"""The providers: which variables reach the agent for each of them, and which settings are refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from outlive.agents.models import ModelSettings, model_variables
from outlive.errors import Invalid

STAND_IN = ModelSettings("scripted", base_url="http://127.0.0.1:9")


@pytest.mark.parametrize(
    ("model", "fix"),
    [
        (ModelSettings("anthropic"), "ANTHROPIC_API_KEY"),
        (ModelSettings("anthropic", api_key="k", base_url="localhost:1"), "ANTHROPIC_BASE_URL"),
        (ModelSettings("scripted"), "base_url"),
        (ModelSettings("bedrock"), "AWS_REGION"),
    ],
)
def test_a_model_that_cannot_be_reached_is_refused(model: ModelSettings, fix: str) -> None:
    """The error names the setting to correct."""
    with pytest.raises(Invalid, match=fix):
        model_variables(model, {})


def test_bedrock_gets_its_own_variables() -> None:
    """Region and credentials reach the agent on Bedrock, and only there."""
    aws = {"AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret"}
    found = model_variables(ModelSettings("bedrock"), aws)
    assert aws.items() <= found.items()
    assert found["CLAUDE_CODE_USE_BEDROCK"] == "1"


def test_a_local_endpoint_is_reached_without_the_proxy() -> None:
    """The proxy's exceptions gain the local address and keep what they had."""
    found = model_variables(STAND_IN, {"HTTPS_PROXY": "http://proxy:1", "NO_PROXY": "intern"})
    assert found["NO_PROXY"] == "intern,127.0.0.1"


def test_keys_are_not_shown() -> None:
    """The representation of model settings has no key in it."""
    assert "s3cret" not in repr(replace(STAND_IN, api_key="s3cret"))


def test_retries_are_passed_on() -> None:
    """The number of retries becomes the CLI's own variable."""
    assert model_variables(replace(STAND_IN, retries=2), {})["CLAUDE_CODE_MAX_RETRIES"] == "2"
