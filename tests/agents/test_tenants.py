"""Tenants on one machine where nothing else parts them: whose trees go, whose stay, and who is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from outlive.agents.tenants import Tenancy
from outlive.agents.workspace import DiskWorkspaces
from outlive.errors import Unavailable
from outlive.protocols import FileContent


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A folder for trees."""
    return tmp_path / "base"


def names(base: Path) -> dict[str, bytes]:
    """What lies directly in the folder, with the content of the files."""
    return {path.name: path.read_bytes() if path.is_file() else b"" for path in base.iterdir()}


async def left_behind(base: Path, tenant: str, session: str) -> Path:
    """An idle tree with a file in it."""
    tree = await DiskWorkspaces(base).open(tenant, session)
    await tree.write([FileContent("work/file", "file", 0o644, [b"x"])])
    await tree.mark_clean(b"note")
    await tree.close()
    return tree.root


@pytest.mark.promise("P9")
@pytest.mark.parametrize("tenancy", ["alone", "wiped"])
async def test_idle_trees_of_others_go(base: Path, tenancy: Tenancy) -> None:
    """Another tenant's idle tree is gone with its note and its lock; one's own stays."""
    other, own = await left_behind(base, "other", "s"), await left_behind(base, "own", "s")
    tree = await DiskWorkspaces(base, tenancy=tenancy).open("own", "s2")
    assert (own / "work" / "file").exists()
    assert not [path for path in names(base) if path.startswith(other.name)]
    await tree.close()


@pytest.mark.promise("P9")
async def test_one_at_work_is_not_joined(base: Path) -> None:
    """While another tenant's tree is held, `alone` is refused with what helps, and `wiped` goes on."""
    held = await DiskWorkspaces(base, tenancy="alone").open("other", "s")
    with pytest.raises(Unavailable, match=r"at work on this machine.*OUTLIVE_ISOLATION"):
        await DiskWorkspaces(base, tenancy="alone").open("own", "s")
    tree = await DiskWorkspaces(base, tenancy="wiped").open("own", "s")
    await held.close()
    await tree.close()
    alone = await DiskWorkspaces(base, tenancy="alone").open("own", "s")
    assert not held.root.exists()
    await alone.close()


async def test_one_tenant_has_many_at_work(base: Path) -> None:
    """Sessions of one tenant run side by side, also two holders of the same one."""
    trees = [await DiskWorkspaces(base, tenancy="alone").open("own", name) for name in ("a", "b", "a")]
    assert len({tree.root for tree in trees}) == 3
    for tree in trees:
        await tree.close()


async def test_parted_tenants_meet(base: Path) -> None:
    """Where users or a sandbox part them, nothing is wiped and nobody waits."""
    other = await left_behind(base, "other", "s")
    held = await DiskWorkspaces(base).open("third", "s")
    tree = await DiskWorkspaces(base).open("own", "s")
    assert (other / "work" / "file").exists()
    for each in (held, tree):
        await each.close()


async def test_trees_of_an_older_version_go_too(base: Path) -> None:
    """A lock that names no tenant is taken for another one's."""
    other = await left_behind(base, "own", "s")
    (base / ".tenants").unlink()
    other.with_name(other.name + ".lock").write_bytes(b"")
    tree = await DiskWorkspaces(base, tenancy="alone").open("own", "s2")
    assert not other.exists()
    await tree.close()


async def test_the_tenants_name_is_not_written_down(base: Path) -> None:
    """Locks and the gate hold a digest."""
    await left_behind(base, "a-telling-name", "s")
    assert not [content for content in names(base).values() if b"telling" in content]
