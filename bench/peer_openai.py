"""OpenAI Agents `SQLiteSession` as a contestant: the three session calls its Runner makes in each turn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from agents import SQLiteSession

from bench.contest import History
from bench.workload import Message, Turn


class OpenAISession:
    """One SQLite file. WAL, with SQLite's default `synchronous=FULL`: the log is synced at each commit."""

    async def open(self, folder: Path) -> None:
        self._session = SQLiteSession("bench", folder / "session.db")

    async def seed(self, turns: list[Turn]) -> None:
        await self._session.add_items([_item(message) for turn in turns for message in turn])

    async def append_turn(self, user: Message, assistant: Message) -> None:
        # Runner.run reads the whole history, saves the input, calls the model, saves the output.
        await self._session.get_items()
        await self._session.add_items([_item(user)])
        await self._session.add_items([_item(assistant)])

    async def resume(self) -> History:
        return History.of(_text(item) for item in await self._session.get_items())

    async def forget(self) -> None:
        """Each `resume` asks the store for everything."""

    async def close(self) -> None:
        self._session.close()


def _item(message: Message) -> Any:
    """The item as the Runner stores it: input as given, output in the shape of the Responses API."""
    if message.role == "user":
        return {"role": "user", "content": message.text}
    part = {"type": "output_text", "text": message.text, "annotations": []}
    return {
        "id": f"msg_{message.id}",
        "type": "message",
        "role": "assistant",
        "status": "completed",
        "content": [part],
    }


def _text(item: Any) -> str:
    content = item["content"]
    return str(content if isinstance(content, str) else content[0]["text"])


CONTESTANT = OpenAISession
