"""Google ADK `SqliteSessionService` as a contestant: the three calls that its Runner makes in each turn."""

from __future__ import annotations

from hashlib import blake2b
from pathlib import Path
from typing import Any

from google.adk.events import Event
from google.adk.sessions.sqlite_session_service import SqliteSessionService
from google.genai.types import Content, Part

from bench.contest import History
from bench.workload import Message, Turn


class GoogleAdk:
    """One SQLite file, as `adk run` and `adk web` keep it."""

    async def open(self, folder: Path) -> None:
        self._service: Any = self.service(folder)
        name = blake2b(str(folder).encode(), digest_size=8).hexdigest()
        self._who = {"app_name": "bench", "user_id": "user", "session_id": name}

    def service(self, folder: Path) -> Any:
        """Where sessions are kept."""
        return SqliteSessionService(str(folder / "sessions.db"))

    async def seed(self, turns: list[Turn]) -> None:
        session = await self._service.create_session(**self._who)
        for turn in turns:
            for message in turn:
                await self._service.append_event(session, _event(message))

    async def append_turn(self, user: Message, assistant: Message) -> None:
        # Runner.run_async finds the session, with all its events, then appends the message and the model's answer.
        session = await self._service.get_session(**self._who)
        await self._service.append_event(session, _event(user))
        await self._service.append_event(session, _event(assistant))

    async def resume(self) -> History:
        session = await self._service.get_session(**self._who)
        return History.of(event.content.parts[0].text for event in session.events)

    async def forget(self) -> None:
        """Each `resume` asks the store for everything."""

    async def close(self) -> None:
        """Each call opens the file for itself."""


def _event(message: Message) -> Event:
    """The event as the Runner makes it of a message, or of what the model said."""
    role = "user" if message.role == "user" else "model"
    content = Content(role=role, parts=[Part(text=message.text)])
    return Event(id=message.id, invocation_id=message.id, author=message.role, content=content)


CONTESTANT = GoogleAdk
