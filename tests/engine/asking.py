"""An agent that needs a person's word for some of its calls, without model and CLI."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field, replace

from outlive.core.approvals import TOOL_DEFERRED
from outlive.protocols import AgentEvent, AgentTurn, DeferredCall, TurnDone
from outlive.testing.instant_agent import InstantAgent

RULE = "Bash(git push *)"


@dataclass
class AskingAgent(InstantAgent):
    """Defers the call that a message `push N` asks for, unless its rule is lifted; makes it when it is allowed."""

    pushed: list[str] = field(default_factory=list)

    async def run(self, turn: AgentTurn) -> AsyncGenerator[AgentEvent, None]:
        """As the real agent: ends at the call, and goes on with the verdict."""
        if turn.decision and turn.decision.allowed:
            self.pushed.append(turn.decision.digest)
        if turn.prompt is not None and turn.prompt.startswith("push"):
            async for event in super().run(replace(turn, prompt=f"{turn.prompt} please")):
                yield (
                    replace(event, deferred=call(turn.prompt), stop_reason=TOOL_DEFERRED, text="I will push.")
                    if (isinstance(event, TurnDone) and RULE not in turn.lifted_rules)
                    else event
                )
            return
        prompt = f"decided {turn.decision.allowed} {turn.decision.reason}" if turn.decision else turn.prompt
        async for event in super().run(replace(turn, prompt=prompt)):
            yield event


def call(prompt: str) -> DeferredCall:
    """The call that a message leads to."""
    return DeferredCall(f"toolu_{prompt}", "Bash", '{"command": "git push"}', RULE, "git push")
