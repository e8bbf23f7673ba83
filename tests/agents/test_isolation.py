"""Choosing how agents are kept apart: what a setting means on a machine, and that nothing falls back in silence."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from outlive.agents.isolation import Isolation, choose_isolation
from outlive.agents.sandbox import ETC, Bubblewrap, find_bubblewrap
from outlive.agents.users import Users
from outlive.errors import Invalid

needs_bubblewrap = pytest.mark.skipif(shutil.which("bwrap") is None, reason="the package bubblewrap is not installed")
UIDS = "2100010000-2100019999"
ROOT = Path("/trees/one")
SANDBOX = Bubblewrap(Path("/usr/bin/bwrap"), hidden=(Path("/usr/data"), Path("/srv/data")), readable=(Path("/srv/x"),))


def pairs(words: list[str], how: str) -> list[str]:
    """The paths bound in this way."""
    return [words[place + 1] for place, word in enumerate(words) if word == how]


def test_auto_without_root_is_one_tenant_at_a_time() -> None:
    """Any other user cannot start agents as somebody else, so tenants do not meet."""
    assert choose_isolation("auto", uids=UIDS, geteuid=lambda: 1000) == Isolation(tenancy="alone")
    assert choose_isolation("auto", uids=UIDS, geteuid=lambda: 0, platform="darwin") == Isolation(tenancy="alone")


def test_none_is_what_it_says() -> None:
    """Neither users nor sandbox."""
    assert choose_isolation("none", uids=UIDS) == Isolation(tenancy="wiped")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start programs as other users")
@pytest.mark.parametrize("mode", ["auto", "user"])
def test_root_gets_users(mode) -> None:
    """For root, `auto` is `user`."""
    assert choose_isolation(mode, uids=UIDS).users == Users(2_100_010_000, 2_100_019_999)


def test_users_without_root_are_refused() -> None:
    """The setting and what to do instead are in the error."""
    with pytest.raises(Invalid, match="OUTLIVE_ISOLATION is user, and only root"):
        choose_isolation("user", uids=UIDS, geteuid=lambda: 1000)


def test_users_that_cannot_be_become_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Root without the capability, or in a container that does not map the range, is told so before any turn."""

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("outlive.agents.users.subprocess.run", refuse)
    with pytest.raises(Invalid, match=r"no program can be started as user 2100010000.*SETUID.*OUTLIVE_AGENT_UIDS"):
        choose_isolation("auto", uids=UIDS, geteuid=lambda: 0, platform="linux")


def test_a_missing_sandbox_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the program nothing runs unconfined: the package and the setting are named."""
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(Invalid, match=r"no program `bwrap`.*package `bubblewrap`.*OUTLIVE_ISOLATION"):
        choose_isolation("bubblewrap", uids=UIDS)


@pytest.mark.parametrize(
    ("script", "message"),
    [("echo 'no user namespaces' >&2; exit 1", "no user namespaces"), ("echo 4711 /proc/1", "shows other processes")],
)
def test_a_sandbox_that_does_not_work_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, message: str
) -> None:
    """What `bwrap` says when it fails is passed on, and one that runs but does not confine is refused too."""
    (tmp_path / "bwrap").write_text(f"#!/bin/sh\n{script}\n")
    (tmp_path / "bwrap").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(Invalid, match=message):
        choose_isolation("bubblewrap", uids=UIDS)


def test_the_sandbox_shows_the_system_and_one_tree() -> None:
    """Read-only: programs, a list of `/etc`, the CLI and what was asked for; writable: the agent's four folders."""
    words = SANDBOX.wrap(["/app/claude", "--verbose"], ROOT)
    assert pairs(words, "--bind") == [f"/trees/one/{name}" for name in ("work", "config", "home", "tmp")]
    assert pairs(words, "--ro-bind") == ["/srv/x", "/app/claude"]
    assert set(pairs(words, "--ro-bind-try")) >= {"/usr", "/etc/passwd"}
    assert "/etc" not in pairs(words, "--ro-bind-try")
    assert words[words.index("--") + 1 :] == ["/app/claude", "--verbose"]


def test_the_stores_are_covered_where_they_would_be_seen() -> None:
    """A data folder below a folder that is shown is hidden again, before the tree itself is put in."""
    words = SANDBOX.wrap(["/app/claude"], ROOT)
    assert pairs(words, "--tmpfs") == ["/tmp", "/usr/data"]
    assert words.index("/usr") < words.index("/usr/data") < words.index("/trees/one/work")


def test_no_secret_of_etc_is_on_the_list() -> None:
    """Root's sandbox reads what root may, so what holds passwords and keys is not shown."""
    assert not {"shadow", "gshadow", "sudoers", "ssl", "ssl/private", "ssh", "environment"} & set(ETC)


@needs_bubblewrap
def test_a_path_to_show_must_exist(tmp_path: Path) -> None:
    """A further folder that is not there is named with its setting."""
    with pytest.raises(Invalid, match="OUTLIVE_SANDBOX_PATHS"):
        find_bubblewrap(readable=[tmp_path / "missing"])


def test_the_key_is_handed_over_apart_from_the_environment() -> None:
    """The key leaves the environment and goes through a descriptor; without a key there is none."""
    launch = Isolation().launch(ROOT, ["/app/claude"], {"ANTHROPIC_API_KEY": "k", "A": "b"})
    assert (launch.env, launch.secrets) == ({"A": "b"}, {"CLAUDE_CODE_API_KEY_FILE_DESCRIPTOR": "k"})
    assert Isolation().launch(ROOT, ["/app/claude"], {"A": "b"}).secrets == {}


def test_a_tree_without_a_user_is_not_run(tmp_path: Path) -> None:
    """With users on, an agent never starts as ourselves because a tree was not handed over."""
    (tmp_path / "work").mkdir()
    isolation = replace(Isolation(), users=Users(2_100_010_000, 2_100_019_999))
    with pytest.raises(Invalid, match="who is no agent"):
        isolation.launch(tmp_path, ["/bin/true"], {})


@needs_bubblewrap
def test_what_a_program_in_the_sandbox_sees(tmp_path: Path) -> None:
    """Two processes, its tree, the system; neither the rest of the disk nor what lies beside the agent's folders."""
    root = tmp_path / "tree"
    for name in ("work", "config", "home", "tmp", "secret"):
        (root / name).mkdir(parents=True)
    sandbox = choose_isolation("bubblewrap", uids=UIDS).sandbox
    assert sandbox is not None
    look = f"ls -d /proc/[0-9]* /home/* /root/* /srv/* /var/* {root}/* {tmp_path}/* 2>/dev/null; touch /usr/x || pwd"
    done = subprocess.run(sandbox.wrap(["/bin/sh", "-c", look], root), capture_output=True, text=True, check=True)
    *seen, where = done.stdout.splitlines()
    folders = {f"{root}/{name}" for name in ("work", "config", "home", "tmp")}
    assert {line for line in seen if not line.startswith("/proc/")} == folders | {str(root)}
    assert len(seen) <= len(folders) + 4
    assert where == f"{root}/work"
