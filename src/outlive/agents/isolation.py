"""How agents are kept from each other and from us: the mode this machine can do, and what it means for one start."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, assert_never

from outlive.agents.sandbox import Bubblewrap, find_bubblewrap
from outlive.agents.tenants import Tenancy
from outlive.agents.users import Users, check_reachable, parse_users
from outlive.errors import Invalid

Mode = Literal["auto", "user", "bubblewrap", "none"]

KEY_VARIABLE = "ANTHROPIC_API_KEY"
KEY_DESCRIPTOR = "CLAUDE_CODE_API_KEY_FILE_DESCRIPTOR"
"""The CLI reads its key from this descriptor when it starts; the programs it starts find nothing there, and no key in
their environment or in the CLI's."""


@dataclass(frozen=True, slots=True)
class Launch:
    """What a CLI is started with."""

    command: list[str]
    env: dict[str, str]
    user: int | None
    secrets: dict[str, str]


@dataclass(frozen=True, slots=True)
class Isolation:
    """One mode: users of their own, a sandbox, or neither; see docs/decisions/agent-isolation.md."""

    users: Users | None = None
    sandbox: Bubblewrap | None = None
    tenancy: Tenancy = "parted"

    def launch(self, root: Path, command: Sequence[str], env: Mapping[str, str]) -> Launch:
        """How to start `command` in this tree; `Invalid` when it cannot be kept apart as it should."""
        variables = dict(env)
        key = variables.pop(KEY_VARIABLE, None)
        return Launch(
            self.sandbox.wrap(command, root) if self.sandbox else list(command),
            variables,
            self._user(root, Path(command[0])),
            {KEY_DESCRIPTOR: key} if key else {},
        )

    def _user(self, root: Path, program: Path) -> int | None:
        """The user the tree was given to; the folder lies in one of ours, so that nobody else can have changed it."""
        if self.users is None:
            return None
        info = (root / "work").lstat()
        if not stat.S_ISDIR(info.st_mode) or not self.users.first <= info.st_uid <= self.users.last:
            raise Invalid(f"the tree {root} belongs to user {info.st_uid}, who is no agent.", fix="Open it again.")
        check_reachable(program, "the CLI")
        return info.st_uid


def choose_isolation(
    mode: Mode,
    *,
    uids: str,
    hidden: Sequence[Path] = (),
    readable: Sequence[Path] = (),
    geteuid: Callable[[], int] = os.geteuid,
    platform: str = sys.platform,
) -> Isolation:
    """The isolation a setting means on this machine, tried out; `Invalid` if it cannot be had: it never falls back."""
    can_change_user = platform == "linux" and geteuid() == 0
    match mode:
        case "auto" if can_change_user:
            return _with_users(uids)
        case "auto":
            return Isolation(tenancy="alone")
        case "user" if can_change_user:
            return _with_users(uids)
        case "user":
            raise Invalid(
                "OUTLIVE_ISOLATION is user, and only root on Linux can start agents as other users.",
                fix="Run the worker as root, or set OUTLIVE_ISOLATION to auto or bubblewrap.",
            )
        case "bubblewrap":
            sandbox = find_bubblewrap(hidden=hidden, readable=readable)
            sandbox.check()
            return Isolation(sandbox=sandbox)
        case "none":
            return Isolation(tenancy="wiped")
        case _:
            assert_never(mode)


def _with_users(uids: str) -> Isolation:
    users = parse_users(uids)
    users.check()
    return Isolation(users=users)
