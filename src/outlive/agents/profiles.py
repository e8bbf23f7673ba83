"""Agent profiles: folders that say who the agent is. For now a profile is its `system_prompt.md`."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from outlive.errors import Invalid, TooLarge

PROMPT_FILE = "system_prompt.md"
MAX_PROMPT_BYTES = 200_000
SHIPPED = Path(__file__).parent / "profiles"
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


@dataclass(frozen=True, slots=True)
class Profile:
    """A profile as it was read."""

    name: str
    system_prompt: str
    digest: str
    """The prompt version: 32 hexadecimal digits that change whenever the profile does."""


class Profiles:
    """The profiles of one folder, and the shipped ones where the folder has none of that name."""

    def __init__(self, folder: Path | None = None) -> None:
        """`Invalid` when `folder` is given and is not one."""
        if folder is not None and not folder.is_dir():
            raise Invalid(f"profiles folder {folder} does not exist.", fix="Create it or correct OUTLIVE_PROFILES.")
        self._folders = [SHIPPED] if folder is None else [folder, SHIPPED]

    def names(self) -> list[str]:
        """Every profile there is, sorted."""
        found = {path.name for folder in self._folders for path in folder.iterdir() if path.is_dir()}
        return sorted(name for name in found if _NAME.fullmatch(name))

    def load(self, name: str) -> Profile:
        """Read and check a profile; `Invalid` names the file and the fix, or the profiles there are."""
        if not _NAME.fullmatch(name) or name not in self.names():
            raise Invalid(f"there is no agent profile {name!r}.{self._nearest(name)}", fix=self._known())
        folder = next(folder / name for folder in self._folders if (folder / name).is_dir())
        prompt = _read_prompt(folder / PROMPT_FILE)
        return Profile(name, prompt, blake2b(prompt.encode(), digest_size=16).hexdigest())

    def _nearest(self, name: str) -> str:
        close = difflib.get_close_matches(name, self.names(), n=1)
        return f" Did you mean {close[0]!r}?" if close else ""

    def _known(self) -> str:
        return f"Use one of: {', '.join(self.names())}."


def _read_prompt(path: Path) -> str:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise Invalid(f"{path} cannot be read: {error.strerror}.", fix="Every profile has this file.") from error
    if len(raw) > MAX_PROMPT_BYTES:
        raise TooLarge(f"{path} has {len(raw):,} bytes.", fix=f"Keep it under {MAX_PROMPT_BYTES:,}.")
    try:
        prompt = raw.decode()
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise Invalid(f"{path}, line {line}, is not UTF-8.", fix="Save the file as UTF-8.") from error
    if not prompt.strip():
        raise Invalid(f"{path} is empty.", fix="Write the agent's system prompt into it.")
    if "\0" in prompt:
        raise Invalid(f"{path} holds a NUL character.", fix="Remove it.")
    return prompt
