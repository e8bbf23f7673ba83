"""Files that came with a message: from the channel into the session's `work/inbox/`, before the agent starts."""

from __future__ import annotations

from dataclasses import replace

from outlive.core.messages import FileRef, Inbound
from outlive.errors import Invalid, NotFound, Refused
from outlive.flows.engine import Engine
from outlive.protocols import FileContent, Workspace

INBOX = "work/inbox"
MODE = 0o600


async def fetch_files(engine: Engine, inbound: Inbound, workspace: Workspace) -> Inbound:
    """Put the files in place; the message comes back with a line for each that the channel no longer has.

    `Unavailable` when the channel does not answer: the message is tried again as a whole.
    """
    channel = engine.channels.get(inbound.key.channel)
    if channel is None:
        name = inbound.key.channel
        raise Invalid(f"channel {name!r} is not set up on this worker.", fix="Run the worker that has it.")
    missing: list[str] = []
    for file in inbound.files:
        try:
            await workspace.write([_content(file, await channel.fetch(file))])
        except (NotFound, Invalid, Refused) as error:
            missing.append(f"[inbox/{file.name} could not be fetched: {error.message}]")
    return replace(inbound, text="\n".join([inbound.text, *missing])) if missing else inbound


def _content(file: FileRef, data: bytes) -> FileContent:
    return FileContent(f"{INBOX}/{file.name}", "file", MODE, [data])
