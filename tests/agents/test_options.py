"""The options builder: what reaches the agent's environment and command line, and what does not."""

from __future__ import annotations

from pathlib import Path

import pytest
from claude_agent_sdk import ClaudeAgentOptions
from claude_agent_sdk._internal.transport.subprocess_cli import SubprocessCLITransport

from outlive.agents.models import ModelSettings
from outlive.agents.options import CliOptions, arguments, environment
from outlive.protocols import AgentTurn

ROOT = Path("/trees/one")
STAND_IN = ModelSettings("scripted", base_url="http://127.0.0.1:9")
TURN = AgentTurn(ROOT, "hello", "11111111-2222-4333-8444-555555555555", max_turns=7, max_usd=0.5)


def variables(
    inherited: dict[str, str],
    *,
    model: ModelSettings = STAND_IN,
    options: CliOptions | None = None,
    is_root: bool = False,
) -> dict[str, str]:
    """The agent's environment."""
    return environment(ROOT, model, options or CliOptions(), inherited=inherited, is_root=is_root)


@pytest.mark.defect(17)
def test_only_listed_variables_pass() -> None:
    """Nothing of the worker's environment reaches the agent but what is on the list."""
    found = variables({"PATH": "/bin", "LC_ALL": "C", "OUTLIVE_TABLE": "x", "AWS_SECRET_ACCESS_KEY": "x", "BOT": "x"})
    assert found["PATH"] == "/bin"
    assert found["LC_ALL"] == "C"
    assert not {"OUTLIVE_TABLE", "AWS_SECRET_ACCESS_KEY", "BOT"} & found.keys()


def test_every_place_is_below_the_root() -> None:
    """Home, configuration and temporary folders are the session's own."""
    found = variables({"HOME": "/root", "TMPDIR": "/var/tmp", "CLAUDE_CONFIG_DIR": "/root/.claude"})
    for name in ("HOME", "TMPDIR", "CLAUDE_CONFIG_DIR", "CLAUDE_CODE_TMPDIR", "PWD"):
        assert found[name].startswith("/trees/one/")


@pytest.mark.parametrize(("mode", "is_root", "claimed"), [("bypassPermissions", True, True), ("dontAsk", True, False)])
def test_sandbox_is_claimed_for_root_without_permissions_only(mode: str, is_root: bool, claimed: bool) -> None:
    """IS_SANDBOX is set only where the CLI would refuse to start without it."""
    options = CliOptions(permission_mode=mode)  # type: ignore[arg-type]
    assert ("IS_SANDBOX" in variables({}, options=options, is_root=is_root)) is claimed


def test_the_arguments_are_the_ones_the_sdk_would_build(tmp_path: Path) -> None:
    """For the same options the SDK's own command line has the same arguments."""
    model = ModelSettings("anthropic", "claude-x", "key")
    ours = arguments(TURN, model, CliOptions(), prompt_file=tmp_path / "prompt.md")
    options = ClaudeAgentOptions(
        cli_path="claude",
        system_prompt={"type": "file", "path": str(tmp_path / "prompt.md")},
        tools=list(CliOptions().tools),
        allowed_tools=[rule.replace("{root}", f"/{ROOT}") for rule in CliOptions().allowed],
        max_turns=7,
        max_budget_usd=0.5,
        model="claude-x",
        permission_mode="dontAsk",
        resume=TURN.agent_session_id,
        settings='{"cleanupPeriodDays": 36500}',
        include_partial_messages=True,
        strict_mcp_config=True,
        setting_sources=[],
    )
    assert sorted(ours) == sorted(SubprocessCLITransport("", options)._build_command()[1:])


def test_a_new_session_resumes_nothing(tmp_path: Path) -> None:
    """Without an agent session id there is no resume argument, and without limits no limit."""
    words = arguments(AgentTurn(ROOT, "hello", None), STAND_IN, CliOptions(), prompt_file=tmp_path)
    assert not [word for word in words if word.startswith(("--resume", "--max", "--model", "--session-id"))]
