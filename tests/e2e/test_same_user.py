"""Agents that run as the worker's own user: what still holds, and what does not."""

from __future__ import annotations

from functools import partial

import pytest

from outlive.agents.isolation import choose_isolation
from outlive.agents.models import STAND_IN_KEY
from outlive.errors import Unavailable
from tests.agents.places import passable_folder
from tests.agents.watching import until
from tests.e2e.neighbours import HOSTILE, SECRET, at_work, neighbours, skip_unless_possible

pytestmark = [pytest.mark.cli, pytest.mark.promise("P9")]


@pytest.fixture
def as_nobody_special(monkeypatch: pytest.MonkeyPatch) -> None:
    """`auto` as it is for a worker that is not root."""
    monkeypatch.setattr("outlive.wiring.choose_isolation", partial(choose_isolation, geteuid=lambda: 1000))


async def test_an_idle_neighbour_is_wiped_first(as_nobody_special: None) -> None:
    """Without root another tenant's idle tree is gone before an agent starts, and comes back for its owner."""
    with passable_folder() as base:
        async with neighbours(base, "auto") as machine:
            root = await machine.victim()
            found = await machine.attack(f"cat {root}/work/secret.txt; cat {machine.trees}/*/work/*", but=root)
            assert SECRET not in found
            assert not root.exists()
            turn = await machine.ask("victim:console:v:default", "Read secret.txt")
            assert SECRET in turn.line.reply


async def test_a_neighbour_at_work_is_waited_for(as_nobody_special: None) -> None:
    """Without root a tenant is refused while another one's turn runs, and served after it."""
    with passable_folder() as base:
        async with neighbours(base, "auto") as machine:
            root = await machine.victim()
            async with at_work(machine):
                await until((root / "work" / "began").exists)
                with pytest.raises(Unavailable, match="another tenant's session is at work"):
                    await machine.ask(HOSTILE, "My name is Mallory")
            assert (await machine.ask(HOSTILE, "My name is Mallory")).after == 1


async def test_without_isolation_a_neighbour_at_work_is_read() -> None:
    """In `none` the attack that fails elsewhere succeeds, as documented: so it is one, and `none` is for one tenant."""
    with passable_folder() as base:
        async with neighbours(base, "none") as machine:
            root = await machine.victim()
            async with at_work(machine):
                await until((root / "work" / "began").exists)
                found = await machine.attack(f"cat {root}/work/secret.txt", but=root)
            assert SECRET in found


@pytest.mark.parametrize("mode", ["none", "user", "bubblewrap"])
async def test_the_models_key_is_in_no_environment_and_no_file(mode) -> None:
    """The key reaches the CLI but neither the shell's environment nor the CLI's, nor any file of the tree."""
    skip_unless_possible(mode)
    with passable_folder() as base:
        async with neighbours(base, mode) as machine:
            found = await machine.attack(
                "env; cat /proc/self/environ /proc/$PPID/environ | tr '\\0' '\\n'",
                "cat /proc/$PPID/cmdline; cd /proc/$PPID/fd && for fd in *; do [ -p $fd ] && timeout 0.2 cat $fd; done",
                but=base,
            )
    assert "CLAUDE_CODE_API_KEY_FILE_DESCRIPTOR" in found
    assert STAND_IN_KEY not in found
