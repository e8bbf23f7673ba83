"""Files that an agent sends: named in the turn, committed with it, given to the channel after it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from outlive.core.outgoing import MAX_FILE_BYTES, MAX_FILES, PATH
from outlive.errors import Invalid, NotFound, OutliveError, TooLarge, Unavailable
from outlive.flows.delivery.retry_outbox import retry_outboxes
from outlive.protocols import AgentEvent, AgentTurn
from outlive.testing.instant_agent import InstantAgent
from tests.engine.queued import Vendor, post, work


@dataclass
class Sender(InstantAgent):
    """Calls the tool with `calls` before it answers."""

    calls: list[dict[str, Any]] = field(default_factory=list)
    said: list[str | OutliveError] = field(default_factory=list)
    offered: list[str] = field(default_factory=list)
    before: Callable[[Path], object] = lambda _: None

    async def run(self, turn: AgentTurn) -> AsyncGenerator[AgentEvent, None]:
        """As it does, with the calls."""
        self.offered = [tool.name for tool in turn.tools if tool.by_default]
        tool = next(tool for tool in turn.tools if tool.name == "send_file")
        if self.calls:
            self.before(turn.root)
        for call in self.calls:
            given = {**call, "path": str(call["path"]).replace("ROOT", str(turn.root))}
            try:
                self.said.append(await tool.call(given))
            except OutliveError as error:
                self.said.append(error)
        self.calls = []
        async for event in super().run(turn):
            yield event


class Post(Vendor):
    """A vendor that takes files."""

    sends_files = True

    async def contents(self) -> list[list[bytes | OutliveError]]:
        """The files of each reply."""
        return [[await _content(file) for file in reply.files] for reply in self.replies]


async def _content(file: Any) -> bytes | OutliveError:
    try:
        return await file.read()
    except OutliveError as error:
        return error


@pytest.fixture
def vendor() -> Post:
    """The console's other side."""
    return Post()


@pytest.fixture
def agent(world) -> Sender:
    """The world's agent."""
    world.agent = Sender()
    return world.agent


@pytest.fixture
def engine(world, vendor, agent):
    """A worker whose channel takes files."""
    return replace(world.worker(), channels={"console": vendor})


async def ask(engine, agent, *calls: dict[str, Any], text="write report.txt: hello") -> None:
    """A turn whose agent first writes a file, and a second one that sends."""
    await post(engine, text)
    await work(engine)
    agent.calls = list(calls)
    await post(engine, "send it")
    await work(engine)


async def test_a_file_goes_out_with_its_reply(engine, agent, vendor, world) -> None:
    """The reply carries path, caption and bytes, and the ledger's line names the file."""
    await ask(engine, agent, {"path": "report.txt", "caption": "here"})
    (file,) = vendor.replies[-1].files
    assert (file.path, file.caption, file.size, await file.read()) == ("report.txt", "here", 5, b"hello")
    assert agent.offered == ["send_file"]
    assert b'"files":[{"path":"report.txt"' in (await world.file("ledger.jsonl") or b"")


async def test_a_later_turn_does_not_change_what_is_sent(engine, agent, vendor, world) -> None:
    """A reply that waits carries the file as its own turn left it, though a later turn wrote it anew."""
    await post(engine, "write report.txt: old")
    await work(engine)
    agent.calls, vendor.down = [{"path": "report.txt"}], Unavailable("502")
    await post(engine, "send it", "write report.txt: new")
    await work(engine)
    vendor.down = None
    world.clock.advance(400)
    await retry_outboxes(engine)
    sent = [contents for contents in await vendor.contents() if contents]
    assert sent == [[b"old"]]


async def test_a_file_that_is_gone_at_the_end_is_named(engine, agent, vendor) -> None:
    """When the turn itself deletes what it promised, the channel is told so and the turn stands."""
    await post(engine, "write report.txt: hello")
    await work(engine)
    agent.calls = [{"path": "report.txt"}]
    await post(engine, "delete report.txt")
    await work(engine)
    ((error,),) = [contents for contents in await vendor.contents() if contents]
    assert isinstance(error, NotFound)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("../ledger.jsonl", Invalid),
        ("/etc/hostname", Invalid),
        ("ROOT/ledger.jsonl", Invalid),
        ("work/../../x", Invalid),
        ("", Invalid),
        ("a\0b", Invalid),
        ("nothing.txt", NotFound),
        ("folder", NotFound),
        ("node_modules/x.js", NotFound),
    ],
)
async def test_what_is_no_file_of_the_tree_is_refused(engine, agent, vendor, path, kind) -> None:
    """A path out of the working directory, of nothing or of something that is not kept is refused with its reason."""
    await ask(engine, agent, {"path": path})
    assert isinstance(agent.said[0], kind)
    assert agent.said[0].fix
    assert vendor.replies[-1].files == ()


async def test_a_link_is_not_followed(engine, agent, vendor) -> None:
    """A link below the working directory is refused, also one that leads to a file of the tree."""
    agent.before = lambda root: (root / "work/link.txt").symlink_to("report.txt")
    await ask(engine, agent, {"path": "link.txt"})
    assert isinstance(agent.said[0], Invalid)
    assert "link" in str(agent.said[0])
    assert vendor.replies[-1].files == ()


async def test_an_absolute_path_in_the_working_directory_will_do(engine, agent, vendor) -> None:
    """An agent that names the whole path of its own file is understood."""
    await ask(engine, agent, {"path": "ROOT/work/report.txt"})
    assert [file.path for file in vendor.replies[-1].files] == ["report.txt"]


async def test_a_file_over_the_limit_is_refused(engine, agent, vendor, monkeypatch) -> None:
    """A file that is too large is refused with the limit, and the reply goes out without it."""
    assert MAX_FILE_BYTES == 20 * 1024 * 1024
    monkeypatch.setattr("outlive.core.outgoing.MAX_FILE_BYTES", 4)
    await ask(engine, agent, {"path": "report.txt"})
    assert isinstance(agent.said[0], TooLarge)
    assert vendor.replies[-1].files == ()


async def test_so_many_files_go_with_a_reply(engine, agent, vendor, monkeypatch) -> None:
    """Naming a file twice counts once, the last caption stands, and one file too many is refused."""
    assert MAX_FILES == 10
    monkeypatch.setattr("outlive.core.outgoing.MAX_FILES", 1)
    agent.before = lambda root: (root / "work/b.txt").write_text("b")
    await ask(engine, agent, {"path": "report.txt"}, {"path": "report.txt", "caption": "b"}, {"path": "b.txt"})
    assert [isinstance(each, TooLarge) for each in agent.said] == [False, False, True]
    assert [(file.path, file.caption) for file in vendor.replies[-1].files] == [("report.txt", "b")]


async def test_an_empty_file_is_refused(engine, agent, vendor) -> None:
    """Vendors take no empty files, so the agent hears it at once."""
    await ask(engine, agent, {"path": "report.txt"}, text="write report.txt: ")
    assert isinstance(agent.said[0], Invalid)


async def test_a_channel_without_files_gets_words(world, agent, vendor) -> None:
    """Where the channel cannot send files the text names them, and the tool is offered only if the profile asks."""
    engine = replace(world.worker(), channels={"console": Vendor()})
    await ask(engine, agent, {"path": "report.txt", "caption": "here"})
    last = engine.channels["console"].replies[-1]
    assert last.text.endswith("[file: work/report.txt, 5 bytes] here")
    assert (last.files, agent.offered) == ((), [])


async def test_nothing_is_kept_of_a_turn_without_files(engine, agent, world) -> None:
    """A turn that sends no file writes no list."""
    await post(engine, "hello")
    await work(engine)
    assert await world.file(PATH) is None
