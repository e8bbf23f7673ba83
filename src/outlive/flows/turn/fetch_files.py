"""Files that came with a message: into the session's `work/inbox/` before the agent starts, and what became of them."""

from __future__ import annotations

from dataclasses import replace

from outlive.core.ledger import Attached
from outlive.core.messages import FileRef, Inbound
from outlive.core.trees import content_digest
from outlive.core.uploads import upload_key
from outlive.errors import Conflict, Invalid, NotFound, Refused, Unavailable
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
    for number, file in enumerate(inbound.files):
        # a file that the API took in is kept by us, whichever channel the session belongs to
        is_ours = file.ref == upload_key(str(inbound.key), inbound.message_id, number)
        try:
            data = await (engine.objects.get(file.ref) if is_ours else channel.fetch(file))
            await workspace.write([_content(file, data)])
        except (NotFound, Invalid, Refused) as error:
            missing.append(f"[inbox/{file.name} could not be fetched: {error.message}]")
    return replace(inbound, text="\n".join([inbound.text, *missing])) if missing else inbound


def _content(file: FileRef, data: bytes) -> FileContent:
    return FileContent(f"{INBOX}/{file.name}", "file", MODE, [data])


async def attached_of(inbound: Inbound, workspace: Workspace) -> tuple[Attached, ...]:
    """What the conversation tells of a message's files at the end of its turn; no request to a store."""
    return tuple([await _attached(file, workspace) for file in inbound.files])


async def _attached(file: FileRef, workspace: Workspace) -> Attached:
    try:
        content = await workspace.read(f"{INBOX}/{file.name}")
    except (NotFound, Invalid, Conflict, Unavailable):
        # it could not be fetched, or the agent has made something else of it; the commit looks at the tree by itself
        return Attached(file.name, file.mime, file.size)
    return Attached(file.name, file.mime, len(content), content_digest(content))
