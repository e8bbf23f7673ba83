"""A profile to begin with: a folder of commented files, valid as it is."""

from __future__ import annotations

import shutil
from pathlib import Path

from outlive.agents.profiles import NAME
from outlive.errors import AlreadyExists, Invalid

TEMPLATE = Path(__file__).parent / "starter"


def write_starter(profiles: Path, name: str) -> Path:
    """Write it into the folder of profiles, which is made if need be; `AlreadyExists` when it has one of that name."""
    if not NAME.fullmatch(name):
        raise Invalid(f"{name!r} is not a profile's name.", fix="Use small letters, digits, - and _, 64 at most.")
    folder = profiles / name
    try:
        shutil.copytree(TEMPLATE, folder)
    except FileExistsError as error:
        raise AlreadyExists(f"{folder} exists; nothing was written.", fix="Take another name, or edit it.") from error
    except OSError as error:
        raise Invalid(f"{folder} cannot be written: {error.strerror or error}.", fix="Make it writable.") from error
    return folder
