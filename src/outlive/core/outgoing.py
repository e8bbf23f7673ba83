"""Files that a turn sends along with its reply: what may be sent, and their list in the session's own tree."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from outlive.errors import Corrupt, Invalid, TooLarge

PATH = "outgoing.jsonl"
"""In the tree, so that a turn which another worker finishes sends what it had promised before."""
WORK = "work/"
SEND_FILE = "send_file"
"""The agent's tool."""
MAX_FILE_BYTES = 20 * 1024 * 1024
"""What every vendor takes (Telegram 50 MB, Slack 1 GB, WeChat 10 to 20 MB)."""
MAX_FILES = 10
"""Of one reply."""
MAX_CAPTION = 1000
"""Characters; Telegram takes 1,024."""


@dataclass(frozen=True, slots=True)
class OutFile:
    """A file that goes out with a reply."""

    path: str
    """Below `work/`."""
    size: int
    """In bytes, when it was named; what is sent is the file as the turn left it."""
    caption: str = ""

    @property
    def name(self) -> str:
        """What the receiver sees."""
        return self.path.rpartition("/")[2]


def work_path(given: object, work: str) -> str:
    """The path below `work/` that an agent names; `work` is where that folder lies on this machine.

    `Invalid` for one outside of it. Links are looked at by whoever has the tree.
    """
    if not isinstance(given, str) or not given.strip() or "\0" in given:
        raise Invalid("argument path is no path.", fix="Name a file below the working directory, report.pdf say.")
    relative = given.removeprefix(work + "/")
    parts = [part for part in relative.split("/") if part != "."]
    if relative.startswith("/") or ".." in parts or "" in parts:
        raise Invalid(f"path {given!r} is not below the working directory.", fix="Copy the file there first.")
    return "/".join(parts)


def check_out_file(file: OutFile, sent: tuple[OutFile, ...]) -> None:
    """`Invalid` or `TooLarge` unless the file may go out beside those that are `sent` already."""
    if not file.size:
        raise Invalid(f"{file.path} is empty.", fix="Write something into it first.")
    if file.size > MAX_FILE_BYTES:
        raise TooLarge(f"{file.path} is {file.size:,} bytes long.", fix=f"Send {MAX_FILE_BYTES:,} bytes at most.")
    if len(file.caption) > MAX_CAPTION:
        raise TooLarge(f"caption is {len(file.caption):,} characters long.", fix=f"Write {MAX_CAPTION:,} at most.")
    if len(sent) >= MAX_FILES:
        raise TooLarge(f"{len(sent)} files go out with this reply already.", fix="Put several into one archive.")


def encode_out_file(message_id: str, file: OutFile) -> bytes:
    """One line of the list."""
    return json.dumps({"message_id": message_id, **asdict(file)}, separators=(",", ":")).encode() + b"\n"


def files_for(listed: bytes, message_id: str) -> tuple[OutFile, ...]:
    """What goes out with the answer to a message: each path once, as it was named last."""
    found: dict[str, OutFile] = {}
    try:
        for line in listed.splitlines():
            fields = json.loads(line)
            if fields.pop("message_id") == message_id:
                found[fields["path"]] = OutFile(**fields)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise Corrupt(f"a line of {PATH} cannot be read.", fix="Rewind the session to an older version.") from error
    return tuple(found.values())
