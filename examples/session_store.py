"""An existing Claude Agent SDK program that now survives its machine: the `SessionStore` alone, three new lines."""

import asyncio
import sys

from claude_agent_sdk import ClaudeAgentOptions, ResultMessage, query

from outlive import SessionStore, open_session_store
from outlive.testing.scripted_model import ScriptedModel


async def ask(store: SessionStore, text: str, env: dict[str, str], resume: str | None = None) -> ResultMessage:
    """Your program as it was, but for `session_store` and the flush."""
    options = ClaudeAgentOptions(
        env=env,
        resume=resume,
        session_store=store,  # new
        session_store_flush="eager",  # new
    )
    results = [message async for message in query(prompt=text, options=options) if isinstance(message, ResultMessage)]
    await store.flush()  # new: raises when something of the turn is not stored
    return results[-1]


async def main() -> None:
    """Two runs that share nothing but the store."""
    async with ScriptedModel() as model:  # leave out the model and `env` when you have a key
        async with open_session_store("./agent-data") as store:
            first = await ask(store, "My name is Ada", model.env())
        async with open_session_store("./agent-data") as store:  # another process, or another year
            again = await ask(store, "What is my name?", model.env(), resume=first.session_id)
    print(again.result)
    if again.session_id != first.session_id:
        sys.exit("The SDK began another session.")


if __name__ == "__main__":
    asyncio.run(main())
