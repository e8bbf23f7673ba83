"""The gate before every tool call: a hook that lets it pass, defers it for a person, or says why it cannot be asked."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from outlive.agents.approval_rules import Rule, asking_rule
from outlive.agents.deferred_calls import WaitingCall
from outlive.agents.wire import Batch

BATCH_SECONDS = 30.0
"""How long to wait for the end of the model's message that a call is in."""
HOOK_SECONDS = 3600
"""The CLI's own limit for the hook that holds the allowed call back; it is let go long before."""
ALONE = (
    "This call needs the user's permission, and can be asked for only alone. It was not made. "
    "Make it again as the only tool call of your message, with no other beside it."
)
NOT_HERE = (
    "This call needs the user's permission, which a subagent cannot ask for. It was not made. "
    "Finish without it, and report that the call is left for the main agent to make."
)
ONE_AT_A_TIME = "Another call is waiting for the user's permission. This one was not made."
UNKNOWN = "Whether this call needs the user's permission could not be found out. It was not made."

Verdict = Literal["allow", "deny", "defer"]


class Gate:
    """Decides for one run; an instance is the SDK's hook."""

    def __init__(
        self, rules: Sequence[Rule], lifted: Sequence[str], batch: Batch, *, cwd: str, allowed: WaitingCall | None
    ) -> None:
        """`lifted` rules ask no more; `allowed` is the one call that a person has allowed."""
        self._asking = [rule for rule in rules if rule.text not in lifted]
        self._lifted = [rule for rule in rules if rule.text in lifted]
        self._batch, self._cwd, self._allowed = batch, cwd, allowed
        self._waiting: str | None = None

    async def __call__(self, given: Mapping[str, Any], tool_use_id: str | None, _context: object) -> dict[str, Any]:
        """What the hook answers; when that cannot be found out, the call is not made."""
        try:
            verdict = await self._decide(given, tool_use_id or str(given.get("tool_use_id")))
        except Exception:  # noqa: BLE001 - the CLI takes a failed hook for a yes
            verdict = "deny", UNKNOWN
        if verdict is None:
            return {}
        decision, reason = verdict
        return {"hookSpecificOutput": _output(decision, reason)}

    async def _decide(self, given: Mapping[str, Any], tool_use_id: str) -> tuple[Verdict, str] | None:
        name, arguments = str(given["tool_name"]), given["tool_input"]
        if self._allowed and tool_use_id == self._allowed.tool_use_id and arguments == self._allowed.arguments:
            return "allow", ""
        if asking_rule(self._asking, name, arguments, cwd=self._cwd) is None:
            lifted = asking_rule(self._lifted, name, arguments, cwd=self._cwd)
            return ("allow", "") if lifted else None
        if given.get("agent_id"):
            return "deny", NOT_HERE
        if self._waiting not in {None, tool_use_id}:
            return "deny", ONE_AT_A_TIME
        if not await self._batch.is_alone(tool_use_id, BATCH_SECONDS):
            return "deny", ALONE
        self._waiting = tool_use_id
        return "defer", ""


def _output(decision: Verdict, reason: str) -> dict[str, str]:
    return {
        "hookEventName": "PreToolUse",
        "permissionDecision": decision,
        **({"permissionDecisionReason": reason} if reason else {}),
    }


_UNMET = _output("deny", UNKNOWN)


class Handover:
    """Holds the allowed call back until the gate stands, and lets it pass then.

    The CLI makes a deferred call when it starts, before it takes the SDK's hooks, and asks the model at once. So a hook
    from its settings, which it has from the start, keeps that one call waiting until the SDK's hook is in place.
    """

    def __init__(self, call: WaitingCall, folder: Path) -> None:
        """`folder` is private to the run and empty."""
        self._call, self._taken, self._go = call, folder / "call-taken", folder / "call-go"

    def settings(self) -> dict[str, Any]:
        """What the CLI's settings have to say for it."""
        hook = {"type": "command", "command": self._command(), "timeout": HOOK_SECONDS}
        return {"hooks": {"PreToolUse": [{"hooks": [hook]}]}}

    def _command(self) -> str:
        """Once, for the first call of the process: any other than the allowed one is refused there."""
        taken, go = shlex.quote(str(self._taken)), shlex.quote(str(self._go))
        mark = f'"tool_use_id":{json.dumps(self._call.tool_use_id)}'
        # behind the id nothing follows, or for a server's tool its server: what a model writes stands before it
        last, of_server = shlex.quote(mark + "}"), shlex.quote(mark + ',"mcp_server":{')
        marks = f"*{last}|*{of_server}*"
        yes, no = (shlex.quote(json.dumps({"hookSpecificOutput": each})) for each in (_output("allow", ""), _UNMET))
        return (
            f"given=$(cat); mkdir {taken} 2>/dev/null || exit 0; while [ ! -e {go} ]; do sleep 0.02; done; "
            f'case "$given" in {marks}) printf %s {yes};; *) printf %s {no};; esac'
        )

    async def let_go(self, seconds: float) -> bool:
        """The gate stands: the call may be made. False when the CLI has not taken it up within `seconds`."""
        os.close(os.open(self._go, os.O_CREAT | os.O_WRONLY | os.O_NOFOLLOW, 0o600))
        until = asyncio.get_running_loop().time() + seconds
        while not self._taken.exists():
            if asyncio.get_running_loop().time() > until:
                return False
            await asyncio.sleep(0.02)
        return True
