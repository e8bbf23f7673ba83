"""What the end of a run means, and one line for people about each tool call."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from outlive.errors import AgentFailed

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
_FIXES = {
    400: "See the message; a smaller request or another model may pass.",
    401: "Check the key of the model's provider.",
    403: "Check what the key of the model's provider may do.",
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
    fallback = "The provider is overloaded or broken; the message is tried again." if status else "See the message."
    return AgentFailed(f"the model failed: {said}", fix=_FIXES.get(status or 0, fallback))


def tool_summary(arguments: Mapping[str, Any]) -> str:
    """The telling argument of a tool call on one line, without control characters."""
    telling = next((arguments[key] for key in _TELLING if isinstance(arguments.get(key), str)), None)
    text = telling if telling is not None else json.dumps(arguments, ensure_ascii=False)
    printable = "".join(character if character.isprintable() else " " for character in text)
    line = " ".join(printable.split())
    return line if len(line) <= SUMMARY_LENGTH else line[: SUMMARY_LENGTH - 1] + "…"
