"""Which model answers, and the variables by which the CLI reaches it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, assert_never
from urllib.parse import urlsplit

from outlive.agents.credentials import KeyPair, credentials, region_of
from outlive.errors import Invalid

Provider = Literal["anthropic", "bedrock", "scripted"]

ALIASES = ("haiku", "sonnet", "opus")
"""The short names of models that subagents and skills use."""

STAND_IN_KEY = "scripted-model-needs-no-key"


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """Which model answers, and how it is reached."""

    provider: Provider
    model: str | None = None
    """The model's name; None for the CLI's own choice."""
    api_key: str | None = field(default=None, repr=False)
    base_url: str | None = None
    """Another endpoint that speaks the Messages API, or Bedrock's; needed for `scripted`."""
    retries: int | None = None
    """How often a refused model call is repeated; None for the CLI's own choice."""
    aliases: Mapping[str, str] = field(default_factory=dict)
    """What `haiku`, `sonnet` and `opus` mean; without them the CLI's own choice, on Bedrock `model`."""
    region: str | None = None
    """The AWS region of Bedrock; None for the one of the environment."""
    key_pair: KeyPair | None = None
    """Who calls Bedrock; None for the role, profile or keys of the environment."""


def model_variables(model: ModelSettings, inherited: Mapping[str, str]) -> dict[str, str]:
    """The provider's own variables, taken from the settings (and for Bedrock from `inherited`)."""
    match model.provider:
        case "anthropic":
            found = _anthropic(model, inherited)
        case "scripted":
            found = _scripted(model, inherited)
        case "bedrock":
            found = _bedrock(model, inherited)
        case _:
            assert_never(model.provider)
    named = {f"ANTHROPIC_DEFAULT_{alias.upper()}_MODEL": name for alias, name in model.aliases.items()}
    return found | named | ({} if model.retries is None else {"CLAUDE_CODE_MAX_RETRIES": str(model.retries)})


def _anthropic(model: ModelSettings, inherited: Mapping[str, str]) -> dict[str, str]:
    if not model.api_key:
        raise Invalid("there is no key for the Anthropic API.", fix="Set ANTHROPIC_API_KEY.")
    return {"ANTHROPIC_API_KEY": model.api_key} | _endpoint(model.base_url, inherited)


def _scripted(model: ModelSettings, inherited: Mapping[str, str]) -> dict[str, str]:
    if not model.base_url:
        raise Invalid("the scripted model has no address.", fix="Start it and pass its `url` as base_url.")
    return {"ANTHROPIC_API_KEY": STAND_IN_KEY} | _endpoint(model.base_url, inherited)


def _bedrock(model: ModelSettings, inherited: Mapping[str, str]) -> dict[str, str]:
    """Where an alias has no name it means the model, so that no work goes to a model that nobody named."""
    aliases = {f"ANTHROPIC_DEFAULT_{alias.upper()}_MODEL": model.model for alias in ALIASES if model.model}
    return (
        {"CLAUDE_CODE_USE_BEDROCK": "1", "AWS_REGION": region_of(model.region, inherited)}
        | credentials(model.key_pair, inherited)
        | _endpoint(model.base_url, inherited, "ANTHROPIC_BEDROCK_BASE_URL")
        | aliases
    )


def _endpoint(
    base_url: str | None, inherited: Mapping[str, str], variable: str = "ANTHROPIC_BASE_URL"
) -> dict[str, str]:
    """The endpoint's variables; a proxy is never asked for one on this machine."""
    if base_url is None:
        return {}
    parts = urlsplit(base_url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise Invalid(f"base URL {base_url!r} is not an http(s) URL.", fix=f"Correct {variable}.")
    found = {variable: base_url}
    if parts.hostname in {"127.0.0.1", "::1", "localhost"}:
        direct = ",".join(filter(None, [inherited.get("NO_PROXY"), parts.hostname]))
        found |= {"NO_PROXY": direct, "no_proxy": direct}
    return found
