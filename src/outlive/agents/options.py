"""What the CLI is started with: environment and arguments, built by plain functions with safe defaults."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from outlive.agents.models import ModelSettings, model_variables
from outlive.protocols import AgentTurn

PermissionMode = Literal["dontAsk", "default", "acceptEdits", "plan", "bypassPermissions"]

PROJECT = "session"
"""Name of the CLI's project folder: given by us, so that it does not depend on the path of the working directory."""

TOOLS = ("Bash", "Read", "Write", "Edit", "NotebookEdit", "TaskCreate", "TaskGet", "TaskList", "TaskUpdate", "Agent")
"""The tools a model is shown. Left out: what lives in the process only (cron, monitors), worktrees, the web."""

ALLOWED = ("Bash", "Read(./**)", "Read({root}/**)", "Read(//usr/**)", "Edit(./**)", "Agent")
"""What runs without asking; `{root}` is the session's own tree, where large tool outputs lie too. The `Edit` rule
covers every tool that writes files; task tools never ask."""

INHERITED = frozenset(
    [
        *("PATH", "LANG", "LANGUAGE", "TERM", "TZ"),
        *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy"),
        *("SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
        *("GIT_SSL_CAINFO", "AWS_CA_BUNDLE"),
    ]
)
"""The variables of our own environment that the agent gets, with every `LC_*`; nothing else passes."""

NO_MEMORY = "CLAUDE_CODE_DISABLE_AUTO_MEMORY"

SWITCHES = {
    "CLAUDE_CODE_PROJECT_DIR_NAME": PROJECT,
    "CLAUDE_CODE_DISABLE_BACKGROUND_TASKS": "1",  # compute ends with the turn: nothing may go on behind it
    "CLAUDE_CODE_ENABLE_TODO_TOOLS": "1",  # newer models are not offered the task list by default
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    NO_MEMORY: "1",  # it lies beside the session and would not come back
    "CLAUDE_CODE_SDK_READS_SESSION_STATE": "1",  # the wire learns from it whether a turn goes on
    "CLAUDE_CODE_ENTRYPOINT": "sdk-py",
}

SETTINGS = {"cleanupPeriodDays": 36500}
"""Without it the CLI deletes what it thinks old, and a long-lived session would lose its large tool outputs."""


@dataclass(frozen=True, slots=True)
class CliOptions:
    """How the agent may work; see docs/decisions/agent-permissions.md for the defaults."""

    permission_mode: PermissionMode = "dontAsk"
    tools: tuple[str, ...] = TOOLS
    allowed: tuple[str, ...] = ALLOWED
    """Permission rules; `./` is the session's working directory, `{root}` its tree."""
    rules: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Further rules by what becomes of a call: `allow` or `deny`."""
    extra: tuple[str, ...] = ()
    """Further arguments."""
    ask: tuple[str, ...] = ()
    """Permission rules of the calls that a person has to allow; see docs/how-to/approvals.md."""
    cli_path: Path | None = None
    """The CLI; None for the one that comes with the SDK."""
    memory: bool = False
    """Whether the CLI keeps notes in its memory folder; the engine shares them between sessions."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """Further variables for the agent and its tools."""


# ----------------------------------------------------------------------------------------- environment


def environment(
    root: Path, model: ModelSettings, options: CliOptions, *, inherited: Mapping[str, str], is_root: bool
) -> dict[str, str]:
    """The agent's whole environment; `Invalid` when the model cannot be reached with these settings."""
    return (
        {name: value for name, value in inherited.items() if name in INHERITED or name.startswith("LC_")}
        | model_variables(model, inherited)
        | {name: value for name, value in SWITCHES.items() if not (options.memory and name == NO_MEMORY)}
        | _places(root)
        | ({"IS_SANDBOX": "1"} if is_root and options.permission_mode == "bypassPermissions" else {})
        | dict(options.variables)
    )


def tool_environment(root: Path, options: CliOptions, inherited: Mapping[str, str]) -> dict[str, str]:
    """What a tool outside of the CLI gets: as much of our environment as the agent, the same places, no key."""
    return (
        {name: value for name, value in inherited.items() if name in INHERITED or name.startswith("LC_")}
        | _places(root)
        | dict(options.variables)
    )


def _places(root: Path) -> dict[str, str]:
    return {
        "CLAUDE_CONFIG_DIR": str(root / "config"),
        "HOME": str(root / "home"),
        "PWD": str(root / "work"),
        "CLAUDE_CODE_TMPDIR": str(root / "tmp"),
        "TMPDIR": str(root / "tmp"),
    }


# ------------------------------------------------------------------------------------------- arguments

CLI_DEFAULT = "default"
"""What the CLI calls its own choice of a model."""


def arguments(
    turn: AgentTurn,
    model: ModelSettings,
    options: CliOptions,
    *,
    prompt_file: Path,
    settings: Mapping[str, object] | None = None,
) -> list[str]:
    """The CLI's arguments for one turn: the ones the SDK itself would build for these options.

    A resumed conversation goes on with its last model unless one is named: without a choice the CLI's own is asked for.
    """
    named = model.model or (CLI_DEFAULT if turn.agent_session_id else None)
    return [
        *("--output-format", "stream-json", "--verbose"),
        *("--system-prompt-file", str(prompt_file)),
        *("--tools", ",".join(options.tools)),
        *("--allowedTools", ",".join(rule.replace("{root}", f"/{turn.root}") for rule in options.allowed)),
        *(("--max-turns", str(turn.max_turns)) if turn.max_turns else ()),
        *(("--max-budget-usd", str(turn.max_usd)) if turn.max_usd is not None else ()),
        *(("--model", named) if named else ()),
        *("--permission-mode", options.permission_mode),
        *((f"--resume={turn.agent_session_id}",) if turn.agent_session_id else ()),
        *(("--debug-file", str(turn.debug_file)) if turn.debug_file else ()),
        *("--settings", json.dumps(_settings(options, settings or {}))),
        *options.extra,
        "--include-partial-messages",
        "--strict-mcp-config",
        "--setting-sources=",
        *("--input-format", "stream-json"),
    ]


def _settings(options: CliOptions, more: Mapping[str, object]) -> dict[str, object]:
    return {**SETTINGS, **({"permissions": options.rules} if options.rules else {}), **more}
