"""Strands `FileSessionManager` as a contestant: an Agent, and the session calls its hooks make in each turn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from strands import Agent
from strands.agent.conversation_manager import NullConversationManager
from strands.models.model import Model
from strands.session.file_session_manager import FileSessionManager

from bench.contest import History
from bench.workload import Message, Turn


class StrandsFiles:
    """One JSON file per message, replaced atomically; no fsync."""

    async def open(self, folder: Path) -> None:
        # Building the Agent restores its messages, and its manager serves no second one: both belong to a resume.
        self._folder = folder
        self._built: Agent | None = None

    @property
    def _agent(self) -> Agent:
        if self._built is None:
            self._manager = self.manager(self._folder)
            # The default window of 40 messages would forget the rest; every other contestant keeps all of them.
            self._built = Agent(
                model=_NoModel(),
                agent_id="bench",
                session_manager=self._manager,
                conversation_manager=NullConversationManager(),
                callback_handler=None,
            )
        return self._built

    def manager(self, folder: Path) -> Any:
        """The library's store for this folder's session."""
        return FileSessionManager("bench", storage_dir=str(folder))

    async def seed(self, turns: list[Turn]) -> None:
        agent = self._agent
        for message in (message for turn in turns for message in turn):
            self._manager.append_message(_stored(message), agent)

    async def append_turn(self, user: Message, assistant: Message) -> None:
        # Hooks: append and sync at each message added, one more sync after the invocation.
        agent = self._agent
        for message in (_stored(user), _stored(assistant)):
            agent.messages.append(message)
            self._manager.append_message(message, agent)
            self._manager.sync_agent(agent)
        self._manager.sync_agent(agent)

    async def resume(self) -> History:
        return History.of(message["content"][0]["text"] for message in self._agent.messages)

    async def forget(self) -> None:
        self._built = None

    async def close(self) -> None:
        """Nothing to release: no handle outlives a call."""


def _never(*_positional: Any, **_named: Any) -> Any:
    raise AssertionError("the benchmark measures stores and calls no model")


class _NoModel(Model):
    """A model that is there because an Agent needs one."""

    update_config = structured_output = stream = _never

    def get_config(self) -> dict[str, Any]:
        return {}


def _stored(message: Message) -> Any:
    return {"role": message.role, "content": [{"text": message.text}], "tracking_id": message.id}


CONTESTANT = StrandsFiles
