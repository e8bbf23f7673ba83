"""A conversation with the scripted model's decision, without a server: what the client would send is built here."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from outlive.testing.scripted_model.answers import LOAD_MARK, Answer, Reply
from outlive.testing.scripted_model.decision import decide

Json = dict[str, Any]


class Talk:
    """The client's side: keeps the messages, sends them all each time, and answers tool calls as told."""

    def __init__(self) -> None:
        self.messages: list[Json] = []
        self.tools = [
            "Bash",
            "Edit",
            "Read",
            "Write",
            "Agent",
            "TaskCreate",
            "TaskUpdate",
            "TaskList",
            "mcp__srv__greet",
        ]
        self.system = "# Environment\n - Primary working directory: /home/ada/project\n"
        self.given: Counter[str] = Counter()
        self.extra: Json = {}
        self.calls: list[str] = []

    def body(self) -> Json:
        tools = [{"name": name, "input_schema": {"type": "object"}} for name in self.tools]
        fixed = {"model": "claude-opus-5-5", "max_tokens": 4096, "tools": tools, "system": self.system}
        return {**fixed, "messages": self.messages, **self.extra}

    def say(self, *texts: str, role: str = "user") -> None:
        """Adds one message with one block for each text."""
        self.messages.append({"role": role, "content": [{"type": "text", "text": text} for text in texts]})

    def ask(self, *texts: str) -> Any:
        """What the model answers when the user says `texts`."""
        self.say(*texts)
        return self.answer()

    def answer(self) -> Answer:
        """The next answer; a reply is added to the conversation."""
        decision = decide(self.body(), self.given)
        self.given[decision.counted_as] += 1
        if isinstance(decision.answer, Reply):
            self.messages.append({"role": "assistant", "content": self._content(decision.answer)})
        return decision.answer

    def results(self, *texts: str, failed: bool = False) -> Json:
        """The message that brings the results of the model's last calls."""
        pairs = zip(self.calls, texts, strict=True)
        content = [
            {"type": "tool_result", "tool_use_id": call, "content": text, "is_error": failed} for call, text in pairs
        ]
        return {"role": "user", "content": content}

    def returns(self, *texts: str, failed: bool = False) -> Any:
        """What the model answers when its last calls return `texts`."""
        self.messages.append(self.results(*texts, failed=failed))
        return self.answer()

    def _content(self, reply: Reply) -> list[Json]:
        marks = [LOAD_MARK if call.loads else "toolu_" for call in reply.calls]
        self.calls = [f"{mark}{len(self.messages)}_{n}" for n, mark in enumerate(marks)]
        text = [{"type": "text", "text": reply.text}] if reply.text else []
        uses = [
            {"type": "tool_use", "id": made, "name": call.name, "input": dict(call.input)}
            for made, call in zip(self.calls, reply.calls, strict=True)
        ]
        return [*text, *uses]


@pytest.fixture
def talk() -> Talk:
    return Talk()
