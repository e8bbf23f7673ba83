"""Which model answers, and the variables by which the CLI reaches it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, assert_never
from urllib.parse import urlsplit

from outlive.errors import Invalid

Provider = Literal["anthropic", "bedrock", "scripted"]

BEDROCK = frozenset(
    [
        *("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_BEARER_TOKEN_BEDROCK"),
        *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"),
        *("AWS_PROFILE", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"),
        *("ANTHROPIC_BEDROCK_BASE_URL", "CLAUDE_CODE_SKIP_BEDROCK_AUTH"),
    ]
)
"""What the agent gets besides when the model is on Amazon Bedrock."""

STAND_IN_KEY = "scripted-model-needs-no-key"


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """Which model answers, and how it is reached."""

    provider: Provider
    model: str | None = None
    """The model's name; None for the CLI's own choice."""
    api_key: str | None = field(default=None, repr=False)
    base_url: str | None = None
    """Another endpoint that speaks the Messages API; needed for `scripted`."""
    retries: int | None = None
    """How often a refused model call is repeated; None for the CLI's own choice."""


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
    return found | ({} if model.retries is None else {"CLAUDE_CODE_MAX_RETRIES": str(model.retries)})


def _anthropic(model: ModelSettings, inherited: Mapping[str, str]) -> dict[str, str]:
    if not model.api_key:
        raise Invalid("there is no key for the Anthropic API.", fix="Set ANTHROPIC_API_KEY.")
    return {"ANTHROPIC_API_KEY": model.api_key} | _endpoint(model.base_url, inherited)


def _scripted(model: ModelSettings, inherited: Mapping[str, str]) -> dict[str, str]:
    if not model.base_url:
        raise Invalid("the scripted model has no address.", fix="Start it and pass its `url` as base_url.")
    return {"ANTHROPIC_API_KEY": STAND_IN_KEY} | _endpoint(model.base_url, inherited)


def _bedrock(model: ModelSettings, inherited: Mapping[str, str]) -> dict[str, str]:
    found = {name: value for name, value in inherited.items() if name in BEDROCK}
    if not found.keys() & {"AWS_REGION", "AWS_DEFAULT_REGION"}:
        raise Invalid("Amazon Bedrock needs a region.", fix="Set AWS_REGION.")
    endpoint = {"ANTHROPIC_BEDROCK_BASE_URL": model.base_url} if model.base_url else {}
    return found | {"CLAUDE_CODE_USE_BEDROCK": "1"} | endpoint


def _endpoint(base_url: str | None, inherited: Mapping[str, str]) -> dict[str, str]:
    """The endpoint's variables; a proxy is never asked for one on this machine."""
    if base_url is None:
        return {}
    parts = urlsplit(base_url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise Invalid(f"base URL {base_url!r} is not an http(s) URL.", fix="Correct ANTHROPIC_BASE_URL.")
    found = {"ANTHROPIC_BASE_URL": base_url}
    if parts.hostname in {"127.0.0.1", "::1", "localhost"}:
        direct = ",".join(filter(None, [inherited.get("NO_PROXY"), parts.hostname]))
        found |= {"NO_PROXY": direct, "no_proxy": direct}
    return found
