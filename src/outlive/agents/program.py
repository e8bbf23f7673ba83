"""Where the CLI lies."""

from __future__ import annotations

import os
import shutil
from importlib.util import find_spec
from pathlib import Path

from outlive.errors import AgentFailed


def find_cli(given: Path | None) -> Path:
    """The CLI given, or the one that came with the SDK, or the one on the PATH; `AgentFailed` when there is none."""
    found = find_spec("claude_agent_sdk")
    bundled = Path(found.origin if found and found.origin else "claude_agent_sdk").parent / "_bundled" / "claude"
    for path in [given] if given else [bundled, Path(shutil.which("claude") or bundled)]:
        if path.is_file() and os.access(path, os.X_OK):
            return path
    raise AgentFailed(
        f"there is no program at {given or bundled}.",
        fix="Correct cli_path." if given else "Install the wheel of claude-agent-sdk that carries the CLI.",
    )
