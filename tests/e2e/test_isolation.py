"""A hostile agent against its neighbours and its worker, with the real CLI, in each way of keeping agents apart."""

from __future__ import annotations

import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path

import pytest
import pytest_asyncio

from outlive.agents.claude import ClaudeAgent
from outlive.agents.models import ModelSettings
from outlive.agents.profiles import Profiles
from outlive.agents.users import SHARED
from outlive.errors import Corrupt, Unavailable
from outlive.protocols import AgentTurn
from outlive.testing.scripted_model import script
from outlive.wiring import App
from tests.agents.places import passable_folder
from tests.agents.watching import until
from tests.e2e.neighbours import SECRET, Neighbours, at_work, neighbours, shell

pytestmark = [pytest.mark.cli, pytest.mark.promise("P9")]
AS_ONE = pytest.mark.asyncio(loop_scope="module")
"""Runs where the machine that tests share lives."""
TOKEN = "the-workers-bot-token-93"


def litter() -> list[Path]:
    """What the agents of this test have left in the folders that all users share."""
    return [path for place in SHARED for path in place.glob("litter-of-*")]


class Attacked(Neighbours):
    """A machine with one victim, and a hostile session for each test."""

    def __init__(self, app: App, base: Path) -> None:
        super().__init__(app, base)
        self.attackers = count()
        self._root: Path | None = None

    async def victim(self) -> Path:
        """The same, made once."""
        self._root = self._root or await super().victim()
        (self._root / "work" / "began").unlink(missing_ok=True)
        return self._root


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["user", "bubblewrap"])
async def attacked(request: pytest.FixtureRequest) -> AsyncIterator[Attacked]:
    """A machine with two tenants."""
    with passable_folder() as base:
        async with neighbours(base, request.param) as machine:
            yield Attacked(machine.app, base)


@pytest.fixture
def machine(attacked: Attacked) -> Attacked:
    """That machine, with a hostile session that nobody has had before."""
    attacked.hostile = f"hostile:console:h{next(attacked.attackers)}:default"
    return attacked


@pytest.fixture(params=["user", "bubblewrap"])
async def colder(request: pytest.FixtureRequest) -> AsyncIterator[Neighbours]:
    """The same machine, where every process ends with its turn."""
    with passable_folder() as base:
        async with neighbours(base, request.param, warm_processes=0) as machine:
            yield machine


@pytest.fixture
def worker() -> Iterator[int]:
    """A process of the worker's user, with a token in its environment."""
    env = {"PATH": "/usr/bin:/bin", "BOT_TOKEN": TOKEN}
    with subprocess.Popen(["/bin/sleep", "60"], env=env) as process:
        yield process.pid
        process.kill()


@pytest.mark.defect(17)
@AS_ONE
async def test_the_environment_tells_nothing(machine: Attacked, worker: int) -> None:
    """No process's environment, working directory or open files give the worker's token or a neighbour's secret."""
    root = await machine.victim()
    async with at_work(machine):
        await until((root / "work" / "began").exists)
        found = await machine.attack(
            "env",
            f"cat /proc/{worker}/environ /proc/{os.getpid()}/environ",
            "cat /proc/[0-9]*/environ | tr '\\0' '\\n'",
            "cat /proc/[0-9]*/cwd/secret.txt; ls -l /proc/[0-9]*/cwd /proc/[0-9]*/fd; cat /proc/[0-9]*/root/etc/shadow",
            "cat /proc/[0-9]*/cmdline | tr '\\0' '\\n' | grep -a settings",
            but=root,
        )
    assert SECRET not in found
    assert TOKEN not in found
    assert "root:*" not in found


@pytest.mark.defect(16)
@pytest.mark.defect(17)
@AS_ONE
async def test_paths_lead_nowhere(machine: Attacked) -> None:
    """Neither the neighbour's tree and note nor the stores are read or listed, by path or from the parent folder."""
    root = await machine.victim()
    found = await machine.attack(
        f"ls {root} .. ../.. {machine.base} {machine.data} {machine.data}/objects",
        f"cat {root}/work/secret.txt {root}/config/projects/session/* {root}/ledger.jsonl {root}.note {root}.lock",
        f"cat ../../{root.name}/work/secret.txt; cd {root}/work && cat secret.txt",
        f"head -c 15 {machine.data}/outlive.db; find {machine.data} {machine.trees} -type f",
        "find / -xdev -name secret.txt -exec cat {} + 2>/dev/null",
        but=root,
    )
    assert SECRET not in found
    assert "SQLite format" not in found
    assert ".pack" not in found


@AS_ONE
async def test_the_file_tools_lead_nowhere(machine: Attacked) -> None:
    """A neighbour's file is read neither by the agent's own Read tool nor through links and second names."""
    root = await machine.victim()
    secret = f"{root}/work/secret.txt"
    await machine.ask(machine.hostile, script({"tool": "Read", "input": {"file_path": secret}}, {"text": "done"}))
    found = await machine.attack(
        f"cd $TMPDIR; ln -s {secret} soft; cat soft; ln {secret} hard && cat hard; ln -s {root} tree; cat tree/work/*",
        but=root,
    )
    assert SECRET not in found


@AS_ONE
async def test_nobody_can_be_signalled(machine: Attacked, worker: int) -> None:
    """No signal reaches the worker."""
    root = await machine.victim()
    async with at_work(machine) as turn:
        await until((root / "work" / "began").exists)
        found = await machine.attack(
            f"kill -0 {worker} && echo reach''ed; kill -0 {os.getpid()} && echo reach''ed; echo ti''red", but=root
        )
    assert "reached" not in found
    assert "tired" in found
    assert (await turn).line.reply == "done"


@pytest.mark.parametrize(
    ("plant", "word"),
    [
        ("ln -s {root}/work/secret.txt link", "link"),
        ("ln -s {data} stores", "stores"),
        ("cd ../config/projects; mv session s; ln -s {root}/config/projects/session session", "session|transcript"),
        ("cp /bin/true suid; chmod u+s suid", "suid"),
        ("mkfifo pipe", "pipe"),
    ],
)
@AS_ONE
async def test_what_is_planted_is_refused_and_the_session_goes_on(machine: Attacked, plant: str, word: str) -> None:
    """A link out of the tree, a setuid or a special file is named, not committed, and the next message answered."""
    root = await machine.victim()
    with pytest.raises(Exception, match=word) as refused:
        await machine.ask(machine.hostile, shell(plant.format(root=root, data=machine.data)))
    assert SECRET not in str(refused.value)
    turn = await machine.ask(machine.hostile, "My name is Mallory")
    assert turn.after == 1
    assert SECRET not in turn.line.reply
    assert (root / "work" / "secret.txt").read_text() == SECRET


async def test_nothing_is_left_behind(colder: Neighbours) -> None:
    """After a turn of each that leaves no process, both trees' temporary folders are empty, and nothing else is."""
    root = await colder.victim()
    await colder.attack(
        "mkdir -p $TMPDIR/litter ~/litter /tmp/litter-of-$UID; touch /tmp/litter-of-$UID/file /var/tmp/litter-of-$UID",
        but=root,
    )
    assert [
        path for tree in colder.trees.iterdir() for name in ("tmp", "home") for path in (tree / name).glob("*")
    ] == []
    assert litter() == []


@AS_ONE
async def test_anothers_conversation_is_not_resumed_by_its_id(machine: Attacked) -> None:
    """The victim's agent session id, known to the hostile tenant, names nothing in its own tree."""
    root = await machine.victim()
    (transcript,) = root.glob("config/projects/session/*.jsonl")
    async with _tree(machine, "a") as (agent, tree):
        with pytest.raises(Corrupt, match="no transcript"):
            async for _ in agent.run(AgentTurn(tree, "What is my name?", transcript.stem)):
                pass


@AS_ONE
async def test_a_planted_transcript_is_not_read_for_the_hostile_tenant(machine: Attacked) -> None:
    """A link in place of the transcript, to the victim's, ends the turn before the worker reads through it."""
    root = await machine.victim()
    (transcript,) = root.glob("config/projects/session/*.jsonl")
    async with _tree(machine, "b") as (agent, tree):
        folder = tree / "config" / "projects" / "session"
        folder.mkdir(parents=True)
        (folder / transcript.name).symlink_to(transcript)
        with pytest.raises(Unavailable, match="cannot be read"):
            async for _ in agent.run(AgentTurn(tree, None, transcript.stem)):
                pass


@asynccontextmanager
async def _tree(machine: Attacked, letter: str) -> AsyncIterator[tuple[ClaudeAgent, Path]]:
    """An agent, and a tree of the hostile tenant as the app would open it, for a session that is named by a letter."""
    workspaces = machine.app.engine.workspaces
    tree = await workspaces.open("hostile", letter * 32)
    agent = ClaudeAgent(ModelSettings("scripted", base_url="http://127.0.0.1:9"), Profiles())
    try:
        yield agent, tree.root
    finally:
        await agent.close()
        await tree.close()
