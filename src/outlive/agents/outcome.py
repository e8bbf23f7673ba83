"""What the end of a run means, and one line for people about each tool call."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from outlive.errors import AgentFailed
from outlive.protocols import Usage

SUMMARY_LENGTH = 120
_TELLING = (
    "command",
    "file_path",
    "notebook_path",
    "path",
    "pattern",
    "url",
    "query",
    "subject",
    "description",
    "prompt",
)
_CREDENTIALS = (
    "the provider's credentials: ANTHROPIC_API_KEY, or on Amazon Bedrock BEDROCK_ACCESS_KEY_ID and "
    "BEDROCK_SECRET_ACCESS_KEY, or else the worker's AWS role or keys"
)
_BEDROCK_ID = "Check the id of the model and the region: an inference profile of that region, or an ARN."
_FIXES = {
    400: "See the message; a smaller request or another model may pass.",
    401: f"Check {_CREDENTIALS}.",
    403: f"Check {_CREDENTIALS}, and what they may do.",
    404: "Check the name of the model.",
    413: "Start a new conversation, or send less.",
    429: "Wait until the provider's limit frees; the message is tried again.",
}


def stop_reason(subtype: str, terminal_reason: str | None, model_reason: str | None) -> str | None:
    """Why a turn ended that may be kept; None when it failed, unless the model itself gave a reason."""
    if (terminal_reason or "").startswith("aborted"):
        return "interrupted"
    match subtype:
        case "error_max_turns":
            return "max_turns"
        case "error_max_budget_usd":
            return "max_budget"
        case "success" if terminal_reason != "api_error":
            return model_reason
        case _:
            return None


def failure(text: str | None, errors: Sequence[str] | None, status: int | None) -> AgentFailed:
    """The error for a result that is none."""
    said = text or "; ".join(errors or ()) or "the CLI does not say why"
    return AgentFailed(f"the model failed: {said.rstrip().removesuffix('.')}.", fix=_fix(said, status))


def _fix(said: str, status: int | None) -> str:
    if "credentials" in said and status is None:
        return _FIXES[401]
    if "model identifier is invalid" in said:
        return _BEDROCK_ID
    fallback = "The provider is overloaded or broken; the message is tried again." if status else "See the message."
    return _FIXES.get(status or 0, fallback)


def tool_summary(arguments: Mapping[str, Any]) -> str:
    """The telling argument of a tool call on one line, without control characters."""
    telling = next((arguments[key] for key in _TELLING if isinstance(arguments.get(key), str)), None)
    text = telling if telling is not None else json.dumps(arguments, ensure_ascii=False)
    printable = "".join(character if character.isprintable() else " " for character in text)
    line = " ".join(printable.split())
    return line if len(line) <= SUMMARY_LENGTH else line[: SUMMARY_LENGTH - 1] + "…"


class Result(Protocol):
    """What one result of the CLI says it has used."""

    @property
    def usage(self) -> Mapping[str, Any] | None:
        """Tokens, by kind."""
        ...

    @property
    def total_cost_usd(self) -> float | None:
        """Of the conversation so far."""
        ...

    @property
    def num_turns(self) -> int:
        """Model calls."""
        ...


def usage_of(results: Sequence[Result], usd_before: float) -> Usage:
    """Tokens and model calls are per result; money is the session's total so far, so the part before is taken off."""
    tokens = [result.usage or {} for result in results]
    total = results[-1].total_cost_usd or 0.0
    return Usage(
        usd=total - usd_before if total >= usd_before else total,
        input_tokens=sum(each.get("input_tokens", 0) for each in tokens),
        output_tokens=sum(each.get("output_tokens", 0) for each in tokens),
        cache_read_tokens=sum(each.get("cache_read_input_tokens", 0) for each in tokens),
        cache_write_tokens=sum(each.get("cache_creation_input_tokens", 0) for each in tokens),
        agent_turns=sum(result.num_turns for result in results),
    )
