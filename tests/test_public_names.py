"""The names a user imports, and what importing them costs."""

from __future__ import annotations

import subprocess
import sys

import outlive


def test_every_public_name_is_there() -> None:
    """Each name in `__all__` can be imported, and there are at most twenty."""
    assert len(outlive.__all__) <= 20
    assert all(getattr(outlive, name) is not None for name in outlive.__all__)


def test_importing_the_package_loads_no_vendor() -> None:
    """`import outlive` loads neither the SDK nor an object store nor a settings library."""
    heavy = ("claude_agent_sdk", "obstore", "pydantic", "rich")
    code = f"import outlive, sys; print([name for name in {heavy} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
