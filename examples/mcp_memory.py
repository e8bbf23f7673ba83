"""Memory for an agent of the OpenAI Agents SDK: `outlive mcp` as its server. `pip install openai-agents outlive`."""

import asyncio
import json
import os
import re
from collections.abc import AsyncIterator
from typing import Any

from agents import Agent, Model, ModelResponse, Runner, Usage, set_tracing_disabled
from agents.mcp import MCPServerStdio, MCPServerStdioParams
from openai.types.responses import ResponseFunctionToolCall, ResponseOutputMessage, ResponseOutputText

INSTRUCTIONS = """
Your memory is the state of the session "ada". Read it with state_get before you answer,
and keep what you are told with state_patch.
"""


class StandIn(Model):
    """Not a language model: it keeps "My X is Y" and looks X up, by tool calls. Used where no OPENAI_API_KEY is set."""

    async def get_response(self, system_instructions: Any, input: Any, *_: Any, **__: Any) -> ModelResponse:  # noqa: A002
        """One step: a tool call, or from its result the answer."""
        items = [{"role": "user", "content": input}] if isinstance(input, str) else input
        last, question = items[-1], items[0]["content"]
        return ModelResponse([self._next(last, question)], Usage(), None)

    def _next(self, last: Any, question: str) -> Any:
        told = re.fullmatch(r"My (\w+) is (\w+)\.?", question)
        if last.get("type") != "function_call_output":
            patch = {"extracted_context": {told[1]: told[2]}} if told else None
            return _call("state_patch", patch=patch) if told else _call("state_get")
        if told:
            return _say("Kept.")
        (block,) = last["output"]
        return _say(f"The memory says: {json.loads(block['text'])['document']['extracted_context']}")

    async def stream_response(self, *_: Any, **__: Any) -> AsyncIterator[Any]:
        """Not used here."""
        raise NotImplementedError
        yield


def _call(tool: str, **arguments: Any) -> ResponseFunctionToolCall:
    return ResponseFunctionToolCall(
        arguments=json.dumps({"session": "ada"} | arguments), call_id=f"call-{tool}", name=tool, type="function_call"
    )


def _say(text: str) -> ResponseOutputMessage:
    content = ResponseOutputText(annotations=[], text=text, type="output_text")
    return ResponseOutputMessage(id="m", content=[content], role="assistant", status="completed", type="message")


async def ask(text: str) -> str:
    """One run of an agent that knows nothing: no history is passed, and the server is a new process."""
    environment = {"PATH": os.environ["PATH"], "OUTLIVE_DATA": "./memory-data"}
    command = MCPServerStdioParams(command="outlive", args=["mcp"], env=environment)
    async with MCPServerStdio(command, client_session_timeout_seconds=30) as memory:
        model = None if "OPENAI_API_KEY" in os.environ else StandIn()
        agent = Agent("Ada's assistant", instructions=INSTRUCTIONS, model=model, mcp_servers=[memory])
        return str((await Runner.run(agent, text)).final_output)


async def main() -> None:
    """Two runs that share nothing but the memory."""
    set_tracing_disabled(True)
    print(await ask("My colour is teal"))
    print(await ask("What is my colour?"))


if __name__ == "__main__":
    asyncio.run(main())
