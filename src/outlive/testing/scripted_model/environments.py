"""The environments in which the Claude Code CLI calls the scripted model and nothing else."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

from outlive.testing.scripted_model.sigv4 import AwsKey

NOT_A_KEY = "scripted-model-needs-no-key"
_OTHER_PROVIDERS = (
    "ANTHROPIC_AUTH_TOKEN",
    "CLAUDE_CODE_OAUTH_TOKEN",
    "CLAUDE_CODE_USE_ANTHROPIC_AWS",
    "CLAUDE_CODE_USE_ANTHROPIC_GOOGLE_CLOUD",
    "CLAUDE_CODE_USE_BEDROCK",
    "CLAUDE_CODE_USE_FOUNDRY",
    "CLAUDE_CODE_USE_GATEWAY",
    "CLAUDE_CODE_USE_MANTLE",
    "CLAUDE_CODE_USE_VERTEX",
)
_OTHER_CREDENTIALS = (
    *("AWS_PROFILE", "AWS_BEARER_TOKEN_BEDROCK", "AWS_SESSION_TOKEN", "AWS_WEB_IDENTITY_TOKEN_FILE"),
    *("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"),
)


def messages_env(url: str) -> dict[str, str]:
    """For the Messages API at `url`; other providers and credentials that the parent may have set are blanked."""
    direct = ",".join(filter(None, (os.environ.get("NO_PROXY"), urlsplit(url).hostname)))
    return {
        **dict.fromkeys(_OTHER_PROVIDERS, ""),
        "ANTHROPIC_BASE_URL": url,
        "ANTHROPIC_API_KEY": NOT_A_KEY,
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "NO_PROXY": direct,
    }


def bedrock_env(url: str, key: AwsKey, region: str) -> dict[str, str]:
    """For Bedrock at `url`, signed with `key` for `region`."""
    return {
        **messages_env(url),
        **dict.fromkeys(("ANTHROPIC_BASE_URL", "ANTHROPIC_API_KEY", *_OTHER_CREDENTIALS), ""),
        "CLAUDE_CODE_USE_BEDROCK": "1",
        "ANTHROPIC_BEDROCK_BASE_URL": url,
        "AWS_REGION": region,
        "AWS_ACCESS_KEY_ID": key.access_key_id,
        "AWS_SECRET_ACCESS_KEY": key.secret_access_key,
        **({"AWS_SESSION_TOKEN": key.session_token} if key.session_token else {}),
    }
