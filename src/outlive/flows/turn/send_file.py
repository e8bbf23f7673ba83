"""The tool by which an agent sends a file to its chat: named during the turn, committed with it, sent after it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from outlive.core.manifests import APPEND, FILE
from outlive.core.outgoing import PATH, SEND_FILE, WORK, OutFile, check_out_file, encode_out_file, work_path
from outlive.errors import Invalid, NotFound
from outlive.flows.engine import Engine
from outlive.flows.turn.commit_files import MODE
from outlive.flows.turn.commit_turn import TurnOnDisk
from outlive.flows.turn.outgoing_files import outgoing_of
from outlive.flows.turn.turn_tools import TurnTools
from outlive.protocols import AgentTool, FileContent, FileStat

DESCRIPTION = (
    "Send a file of the working directory to the user, along with your reply. It goes out when your turn ends, as it "
    "is then: leave it in place."
)
SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "path": {"type": "string", "description": "Relative to the working directory."},
        "caption": {"type": "string", "description": "A line to go with it."},
    },
    "required": ["path"],
    "additionalProperties": False,
}


def send_file(engine: Engine, channel: str, tools: TurnTools) -> AgentTool:
    """The tool, for the turn of the other `tools`; `channel` decides where the profile says nothing of files."""

    async def call(given: Mapping[str, Any]) -> str:
        return await _promise(tools.open(), given)

    sends = getattr(engine.channels.get(channel), "sends_files", False)
    return AgentTool(SEND_FILE, DESCRIPTION, SCHEMA, call, by_default=sends)


async def _promise(turn: TurnOnDisk, given: Mapping[str, Any]) -> str:
    path = work_path(given.get("path"), str(turn.workspace.root / WORK.rstrip("/")))
    caption = given.get("caption") or ""
    if not isinstance(caption, str):
        raise Invalid("argument caption is no text.", fix="Write a line, or leave it out.")
    async with turn.flushing:  # a flush takes the list and what it names, or neither
        found = _kept(await turn.workspace.scan(), WORK + path)
        file = OutFile(path, found.size, caption)
        message_id = turn.inbound.message_id
        others = tuple(each for each in await outgoing_of(turn.workspace, message_id) if each.path != path)
        check_out_file(file, others)
        line = encode_out_file(message_id, file)
        await turn.workspace.write([FileContent(PATH, APPEND, MODE, [line], append=True)])
    return f"{path} ({found.size:,} bytes) goes out with your reply."


def _kept(entries: Sequence[FileStat], path: str) -> FileStat:
    """The file as the tree keeps it: what is ignored, a link or a folder is none."""
    found = next((each for each in entries if each.path == path), None)
    shown = path.removeprefix(WORK)
    if found is None:
        raise NotFound(f"there is no file {shown!r} that is kept.", fix="Look at the path; node_modules, say, is not.")
    if found.kind != FILE:
        raise Invalid(f"{shown!r} is a {found.kind}, no file.", fix="Name the file itself.")
    return found
