"""Opening the stores that the settings name."""

from __future__ import annotations

import os
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from outlive.errors import Invalid
from outlive.settings import Settings
from outlive.stores import open_stores


async def test_of_two_faults_the_tables_is_told(tmp_path: Path) -> None:
    """Table and objects are opened at once, and still it is the table's fault that is named first."""
    settings = Settings(data=tmp_path, table="mysql://me@localhost/x", objects="ftp://nowhere/x")
    async with AsyncExitStack() as stack:
        with pytest.raises(Invalid, match="mysql"):
            await open_stores(settings, stack)


async def test_what_was_opened_beside_a_fault_is_closed(tmp_path: Path) -> None:
    """A database that was opened while the object store could not be is closed with the stack, its log put away."""
    settings = Settings(data=tmp_path, objects="ftp://nowhere/x")
    async with AsyncExitStack() as stack:
        with pytest.raises(Invalid, match="ftp"):
            await open_stores(settings, stack)
    assert os.listdir(tmp_path) == ["outlive.db"]
