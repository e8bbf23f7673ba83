"""DBOS as a contestant. It keeps workflows, not conversations: a turn is one workflow, its output what was said."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from dbos import DBOS, SetWorkflowID

from bench.contest import History
from bench.workload import Message, Turn


@DBOS.step()  # type: ignore[untyped-decorator]
async def note(text: str) -> str:
    """A step whose result is kept: what came in, or what the model said."""
    return text


@DBOS.workflow()  # type: ignore[untyped-decorator]
async def converse(user: str, assistant: str) -> list[str]:
    """One turn: two steps of 2 KB each."""
    return [await note(user), await note(assistant)]


class Dbos:
    """One SQLite file, as DBOS keeps it where no server is named."""

    def place(self, folder: Path) -> dict[str, str]:
        """Where workflows are kept."""
        return {"system_database_url": f"sqlite:///{folder / 'dbos.sqlite'}"}

    async def open(self, folder: Path) -> None:
        DBOS(config={"name": "bench", "log_level": "ERROR", **self.place(folder)})
        DBOS.launch()

    async def seed(self, turns: list[Turn]) -> None:
        for turn in turns:
            await self.append_turn(turn.user, turn.assistant)

    async def append_turn(self, user: Message, assistant: Message) -> None:
        with SetWorkflowID(user.id):
            await converse(user.text, assistant.text)

    async def resume(self) -> History:
        found = await DBOS.list_workflows_async(name="converse", load_input=False, load_output=True)
        return History.of(text for each in found for text in each.output)

    async def forget(self) -> None:
        """Each `resume` asks the store for everything."""

    async def close(self) -> None:
        DBOS.destroy()
        # it had made its threads the loop's, and they have ended
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor())


CONTESTANT = Dbos
