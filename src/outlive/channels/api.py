"""The HTTP API: its callers read their replies from the session, and watch turns that run on other machines."""

from __future__ import annotations

from outlive.core.uploads import MAX_UPLOADS, stored_at, upload_key
from outlive.protocols import FileRef, Objects, Reply


class ApiChannel:
    """Implements `protocols.Channel`. A committed reply is delivered: who asked reads it from the session.

    `pulls`: the live text of its turns is written to the table, for whichever process holds the caller's stream.
    """

    pulls = True

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    async def deliver(self, reply: Reply) -> None:
        """The turn is committed, so the files that came with the message are in the session's tree."""
        await self._objects.delete(
            [upload_key(reply.session_key, reply.message_id, number) for number in range(MAX_UPLOADS)]
        )

    async def fetch(self, file: FileRef) -> bytes:
        """What was uploaded with the message; `NotFound` when it is gone."""
        return await self._objects.get(stored_at(file.ref))
