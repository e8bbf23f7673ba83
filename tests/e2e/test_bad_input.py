"""What goes wrong below an agent: a named error each, nothing counts as whole, the next turn finds all as it was."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from outlive.agents import equipment, files
from outlive.agents.options import CliOptions
from outlive.agents.profiles import Profiles
from outlive.agents.tree import TreeLimits
from outlive.clock import SystemClock
from outlive.errors import AgentFailed, Conflict, Invalid, OutliveError, TooLarge
from outlive.testing.scripted_model import Cut, Fail, ScriptedModel, script
from tests.agents import calculator
from tests.agents.profile_folder import make_profile, server
from tests.agents.watching import count_naming
from tests.e2e.hosts import Hosts, snapshot
from tests.e2e.scenarios import OK, bash

pytestmark = pytest.mark.cli
AS_ONE = pytest.mark.asyncio(loop_scope="module")
"""Runs where the session that tests share lives."""

INITIALIZED = """read line; id=${line#*request_id\\": \\"}; id=${id%%\\"*}
echo '{"type":"control_response","response":{"subtype":"success","request_id":"'$id'","response":{}}}'; read prompt
"""
UP = 'python3 -c \'import os; os.symlink("../../..", "up")\''
ZEROS = "head -c 200000000 /dev/zero | tr '\\0' x"


@pytest.fixture
async def hosts(tmp_path: Path) -> AsyncIterator[Hosts]:
    """A session whose tree has limits."""
    async with ScriptedModel() as model:
        limits = TreeLimits(max_entries=40, max_bytes=12_000_000)
        found = Hosts(tmp_path, model, moves=False, limits=limits)
        yield found
        await found.leave()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def one(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Hosts]:
    """Such a session, for every test that leaves it usable."""
    async with ScriptedModel() as model:
        limits = TreeLimits(max_entries=40, max_bytes=12_000_000)
        found = Hosts(tmp_path_factory.mktemp("shared"), model, moves=False, limits=limits)
        yield found
        await found.leave()


@pytest_asyncio.fixture(loop_scope="module")
async def shared(one: Hosts) -> Hosts:
    """That session with an agent that was just started, whatever the test before did to the last one."""
    one.options, one.seconds = CliOptions(), 60
    await one.move(keep=True)
    await begin(one)
    return one


async def begin(hosts: Hosts) -> None:
    """The first turn, unless the session has had it."""
    if not hosts.committed:
        await hosts.turn("My name is Ada. " + script(bash("echo kept > kept.txt"), OK))


async def refused(hosts: Hosts, text: str, kind: type[OutliveError], said: str) -> None:
    """The turn fails with this error, commits nothing, and leaves no process."""
    version = (await hosts.world.head()).version
    with pytest.raises(kind, match=said):
        await hosts.turn(text)
    assert (await hosts.world.head()).version == version
    assert await hosts.world.lease_owner() is None
    assert count_naming(str(hosts.path)) == 0


async def usable(hosts: Hosts) -> None:
    """The next message is answered by an agent that has everything of the first turn, and nothing of the failed one."""
    version = (await hosts.world.head()).version
    turn = await hosts.turn("What is my name?")
    assert ("Ada" in turn.line.reply, turn.after) == (True, version + 1)
    assert [path for path in hosts.committed[-1] if path.startswith("work/")] == ["work/kept.txt"]


# ----------------------------------------------------------------------------------------- the CLI misbehaves


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("exec sleep 60", "longer than 3 seconds"),
        (INITIALIZED + "exec sleep 60", "longer than 3 seconds"),
        ("echo out of luck >&2; exit 3", r"exit code 3\). out of luck"),
        (INITIALIZED + "kill -SEGV $$", "exit code 139"),
        (INITIALIZED + "echo '\ufffd\ufffd garbage'; echo more garbage", "without a result"),
        (INITIALIZED + "echo '{\"type\": garbage'; sleep 60", "what is no message: '{\"type\": garbage'"),
        (INITIALIZED + f'printf "{{"; {ZEROS}; sleep 60', "a line of more than 67,108,864 bytes"),
        (INITIALIZED + f"{ZEROS}; sleep 60", "a line of more than 67,108,864 bytes"),
    ],
    ids=["mute", "hangs", "no start", "crashes", "garbage", "garbage JSON", "200 MB of JSON", "200 MB of garbage"],
)
@AS_ONE
async def test_a_cli_that_misbehaves(shared: Hosts, tmp_path: Path, body: str, said: str) -> None:
    """A program in the CLI's place that hangs, crashes or prints what it must not is reported by what it did."""
    (tmp_path / "cli").write_text(f"#!/bin/sh\n{body}\n")
    (tmp_path / "cli").chmod(0o755)
    shared.options, shared.seconds = CliOptions(cli_path=tmp_path / "cli"), 3 if "3 seconds" in said else 60
    await shared.move(keep=True)
    await refused(shared, "hello", AgentFailed, said)
    shared.options, shared.seconds = CliOptions(), 60
    await shared.move(keep=True)
    await usable(shared)


@pytest.mark.parametrize(
    ("number", "said"), [("STOP", "longer than"), ("KILL", "exit code 137"), ("SEGV", "exit code 139")]
)
@AS_ONE
async def test_the_cli_itself_is_struck_in_the_middle_of_a_tool(shared: Hosts, number: str, said: str) -> None:
    """The real CLI, stopped for good or killed while its tool runs, ends its turn and its tool."""
    shared.seconds = 5 if number == "STOP" else 60
    await shared.move(keep=True)
    strike = bash(f"echo lost > lost.txt; echo lost >> kept.txt; kill -{number} $PPID; sleep 60")
    await refused(shared, script(strike, OK), AgentFailed, said)
    shared.seconds = 60
    await shared.move(keep=True)
    await usable(shared)


@AS_ONE
async def test_a_model_that_breaks_off(shared: Hosts) -> None:
    """A model whose answers break off, and then are errors only, fails the turn."""
    for fault in (Cut(times=20), Fail(500, times=20)):
        shared.model.order(fault)
    await refused(shared, "hello", AgentFailed, "the agent failed|API|error")
    shared.model._faults._queue.clear()
    await usable(shared)


async def test_a_server_that_never_starts(hosts: Hosts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An MCP server that the profile requires and that hangs fails the turn by its name, and leaves no process."""
    monkeypatch.setattr(equipment, "START_SECONDS", 1)
    await begin(hosts)
    mcp = server(command=sys.executable, args=[calculator.__file__, "100", str(hosts.path)], required=True)
    make_profile(tmp_path / "profiles/default", mcp=mcp)
    hosts.profiles = Profiles(tmp_path / "profiles")
    await hosts.move(keep=True)
    await refused(hosts, "hello", AgentFailed, "'calc' did not start")
    make_profile(tmp_path / "profiles/default", mcp=server(command=sys.executable, args=[calculator.__file__]))
    await usable(hosts)


# ----------------------------------------------------------------------------------------- the tree misbehaves


@pytest.mark.parametrize(
    ("command", "kind", "said"),
    [
        ("for i in $(seq 50); do echo > f$i.txt; done", TooLarge, "more than 40 entries; 'work/f.*' is one too many"),
        ("head -c 13000000 /dev/zero > big.bin", TooLarge, r"'work/big.bin' \(13,000,000 bytes\) goes over the limit"),
        ("mkfifo pipe", Invalid, "'work/pipe' is a pipe, which cannot be kept"),
        (UP, Invalid, r"link 'work/up' -> '\.\./\.\./\.\.' leaves the tree"),
        ("cp /bin/true t; chmod u+s t", Invalid, r"'work/t' runs as another user \(setuid\)"),
    ],
)
@AS_ONE
async def test_a_tree_that_cannot_be_kept(shared: Hosts, command: str, kind: type[OutliveError], said: str) -> None:
    """A turn that leaves too many files, too many bytes or what is no file is refused by the path's name."""
    await refused(shared, script(bash(command), OK), kind, said)
    await usable(shared)


async def test_a_refused_turn_is_begun_anew(hosts: Hosts) -> None:
    """A message whose tree was refused starts from the last commit when it comes again, not from what was flushed."""
    engine = hosts.worker()
    hosts.worker = lambda: replace(engine, clock=SystemClock(), policy=replace(engine.policy, flush_seconds=0.05))
    await begin(hosts)
    text = script(bash("echo made > made.txt; ln -s /etc/passwd out; sleep 0.3"), OK)
    await refused(hosts, text, Invalid, "link 'work/out' -> '/etc/passwd' leaves the tree")
    hosts.asked.pop()  # the next one has the same id
    await usable(hosts)


@pytest.fixture
def restless(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Somebody writes to every file of a megabyte or more while it is read, as long as the last entry is True."""
    going, read = [True], files._read_fully

    def read_and_write(file: int, length: int) -> bytes:
        content = read(file, length)
        if going[-1] and length >= 1_000_000:
            with open(f"/dev/fd/{file}", "ab") as same:
                same.write(b"more")
        return content

    monkeypatch.setattr(files, "_read_fully", read_and_write)
    return going


async def test_a_file_that_never_holds_still(hosts: Hosts, restless: list[bool]) -> None:
    """A file that changes in every attempt to read it at the end of a turn is named, and half of it is not stored."""
    await begin(hosts)
    text = script(bash("head -c 1000000 /dev/zero > moving.log"), OK)
    await refused(hosts, text, Conflict, "'work/moving.log' changes while it is read")
    restless.append(False)
    await usable(hosts)


async def test_what_changes_in_mid_turn_is_stored_as_it_ends(hosts: Hosts) -> None:
    """Files that grow, shrink and are no files for a while, during many flushes, are committed as they end."""
    engine = hosts.worker()
    policy = replace(engine.policy, flush_seconds=0.02)
    hosts.worker = lambda: replace(engine, clock=SystemClock(), policy=policy)
    churn = "head -c 300000 /dev/urandom > f; cat f >> g; : > f; mkfifo p; sleep 0.01; rm g p"
    turn = await hosts.turn(script(bash(f"for i in $(seq 30); do {churn}; done; echo end > f"), OK))
    assert turn.after == 1
    await hosts.move()
    await hosts.turn("hello")
    assert hosts.restored[1] == hosts.committed[0]
    assert hosts.committed[0]["work/f"][2] == b"end\n"


# ----------------------------------------------------------------------------------------- the disk misbehaves


@pytest.fixture
def small_disk(hosts: Hosts) -> Iterator[Path]:
    """A disk of 8 MB below the hosts' trees."""
    hosts.path.mkdir(mode=0o700)
    words = ["mount", "-t", "tmpfs", "-o", "size=8m,mode=700", "tmpfs", str(hosts.path)]
    mounted = subprocess.run(words, capture_output=True, text=True, check=False) if os.geteuid() == 0 else None
    if mounted is None or mounted.returncode:
        pytest.skip(f"only root can mount a small disk here: {mounted.stderr if mounted else 'this is another user'}")
    yield hosts.path
    subprocess.run(["umount", "--lazy", str(hosts.path)], check=True)


async def test_a_disk_that_fills_in_mid_turn(hosts: Hosts, small_disk: Path) -> None:
    """When the transcript no longer fits on the disk the CLI goes on without a word, but the turn does not count."""
    await hosts.move(keep=True)
    await begin(hosts)
    full = script(bash("head -c 20000000 /dev/zero > big"), bash("head -c 100000 /dev/zero > more"), OK)
    await refused(hosts, full, AgentFailed, "could not be written to disk: .* bytes are free. Free or enlarge")
    await usable(hosts)


async def test_a_disk_that_is_full_for_a_while(hosts: Hosts, small_disk: Path) -> None:
    """A turn whose own files did not fit, and which made room again, is whole."""
    await hosts.move(keep=True)
    await begin(hosts)
    turn = await hosts.turn(script(bash("head -c 20000000 /dev/zero > big; rm big; echo ok > after.txt"), OK))
    assert turn.after == 2
    assert snapshot(hosts.root)["work/after.txt"][2] == b"ok\n"
