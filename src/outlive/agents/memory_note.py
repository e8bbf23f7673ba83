"""What the system prompt says about the memory folder: the CLI tells of it only in a prompt that is not ours."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from outlive.agents.profiles import Profile
from outlive.core.memories import FOLDER, INDEX
from outlive.core.trees import content_digest

NOTE = """

Memory: the folder {folder} is shared by all your conversations with this customer. Its {index} is shown to you at the
start of each. When you learn something that will matter in other conversations, write it down there: one short fact a
line in {index}, and anything longer in a file of its own that a line of {index} names. Other conversations may change
these files at the same time; when a file named *.conflict-* appears, put what is right into one file and delete the
other. Never write down passwords, keys or other secrets.
"""


def with_memory(profile: Profile, root: Path) -> Profile:
    """The profile with what its agent has to know about the memory folder of this tree."""
    note = NOTE.format(folder=root / FOLDER, index=INDEX)
    digest = content_digest((profile.digest + NOTE).encode())
    return replace(profile, system_prompt=profile.system_prompt + note, digest=digest)
