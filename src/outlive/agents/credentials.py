"""Who calls Amazon Bedrock: an own key pair, or what the worker itself was given; and for which region."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from outlive.errors import Invalid

ROLE = frozenset(
    [
        *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_BEARER_TOKEN_BEDROCK"),
        *("AWS_PROFILE", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"),
        *("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"),
        *("AWS_CONTAINER_AUTHORIZATION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"),
        *("AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN", "AWS_ROLE_SESSION_NAME"),
        *("AWS_EC2_METADATA_DISABLED", "AWS_EC2_METADATA_SERVICE_ENDPOINT", "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE"),
        "CLAUDE_CODE_SKIP_BEDROCK_AUTH",
    ]
)
"""The worker's variables that the agent gets on Bedrock where there is no own key pair."""

_FILES = {"AWS_CONFIG_FILE": ".aws/config", "AWS_SHARED_CREDENTIALS_FILE": ".aws/credentials"}
_REGION = re.compile(r"[a-z]{2,}(-[a-z]+)+-[0-9]+")
_SOURCES = {
    "CLAUDE_CODE_SKIP_BEDROCK_AUTH": "none: calls are not signed",
    "AWS_BEARER_TOKEN_BEDROCK": "a bearer token of the environment",
    "AWS_ACCESS_KEY_ID": "keys of the environment",
    "AWS_PROFILE": "an AWS profile",
    "AWS_WEB_IDENTITY_TOKEN_FILE": "a web identity",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "the container's role",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI": "the container's role",
}


@dataclass(frozen=True, slots=True)
class KeyPair:
    """Keys of an identity that may call Bedrock and, best, nothing else."""

    access_key_id: str = field(repr=False)
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)


def credentials(own: KeyPair | None, inherited: Mapping[str, str]) -> dict[str, str]:
    """The variables that sign: the own pair and nothing of the worker's, or all that the worker was given."""
    if own is None:
        return _shared_files(inherited) | {name: value for name, value in inherited.items() if name in ROLE and value}
    token = {"AWS_SESSION_TOKEN": own.session_token} if own.session_token else {}
    return {"AWS_ACCESS_KEY_ID": own.access_key_id, "AWS_SECRET_ACCESS_KEY": own.secret_access_key} | token


def credential_source(own: KeyPair | None, inherited: Mapping[str, str]) -> str:
    """Where the signatures come from, for people; nobody is asked."""
    if own:
        return "its own key pair"
    found = credentials(None, inherited)
    fallback = "the shared AWS files" if found.keys() & _FILES.keys() else "the machine's role, if it has one"
    return next((source for name, source in _SOURCES.items() if name in found), fallback)


def region_of(given: str | None, inherited: Mapping[str, str]) -> str:
    """The region to call; `Invalid` when there is none, or it is no region's name."""
    region = given or inherited.get("AWS_REGION") or inherited.get("AWS_DEFAULT_REGION")
    fix = "Set OUTLIVE_BEDROCK_REGION or AWS_REGION, for example to us-east-1."
    if not region:
        raise Invalid("Amazon Bedrock needs a region.", fix=fix)
    if not _REGION.fullmatch(region):
        raise Invalid(f"{region!r} is no name of an AWS region.", fix=fix)
    return region


def _shared_files(inherited: Mapping[str, str]) -> dict[str, str]:
    """The worker's own AWS files: the agent has another home, where it would not find them."""
    home = inherited.get("HOME")
    if inherited.get("AWS_ACCESS_KEY_ID") and not inherited.get("AWS_PROFILE"):
        return {}
    places = {name: Path(home) / path for name, path in _FILES.items()} if home else {}
    return {name: str(path) for name, path in places.items() if path.is_file()}
