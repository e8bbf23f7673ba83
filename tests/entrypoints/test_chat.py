"""`outlive chat`."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator

import pytest

from outlive.core.messages import MAX_TEXT_BYTES
from outlive.errors import Unavailable
from outlive.flows.turn.hold_lease import Lease
from outlive.testing.instant_agent import InstantAgent
from tests.entrypoints.conftest import FailingAgent, Outlive, StuckAgent, stuck


def interrupt(*_: object) -> None:
    """What Ctrl-C does."""
    os.kill(os.getpid(), signal.SIGINT)


def test_every_line_is_answered(outlive: Outlive) -> None:
    """Lines from a pipe are answered in order, the agent's words alone on stdout, and it exits 0."""
    done = outlive("chat", stdin="hello\n\n  again  \nlast, without an end of line")
    replies = ["…Message 1: hello", "…Message 2: again", "…Message 3: last, without an end of line"]
    assert (done.code, done.out.splitlines()) == (0, replies)


def test_the_stand_in_says_what_it_is_first(outlive: Outlive) -> None:
    """With no key the first line on stderr says that the scripted model answers and is not a language model."""
    first = outlive("chat", stdin="").err.splitlines()[0]
    assert "scripted model" in first
    assert "not a language model" in first


def test_the_session_is_the_one_named(outlive: Outlive) -> None:
    """`--session` continues that session, whoever talked in it before."""
    outlive.say("from elsewhere", key="ada:work")
    assert "Message 2: here" in outlive("chat", "--session", "ada:work", stdin="here\n").out


def test_a_session_of_the_same_name_elsewhere_is_told(outlive: Outlive) -> None:
    """Where `--session ada` begins a session, that of the HTTP API's `ada` is named on stderr; later it is not."""
    outlive.say("x", key="api:ada:default")
    assert "To go on with api:ada:default" in outlive("chat", "--session", "ada", stdin="hello\n").err
    assert "api:ada" not in outlive("chat", "--session", "ada", stdin="").err


def test_a_tool_is_one_line(outlive: Outlive) -> None:
    """A tool call shows as one line on stderr, and the agent's words around it stay apart on stdout."""
    done = outlive("chat", stdin="write a.txt: x\n")
    assert "  [Write] a.txt\n" in done.err
    assert done.out == "…\nMessage 1: write a.txt: x\n"


def test_programs_get_lines_of_json(outlive: Outlive) -> None:
    """With `--json` stdout has one document per tool and per turn, and no streamed text."""
    tool, turn = outlive("chat", "--json", stdin="write a.txt: x\n").events
    assert tool == {"event": "tool", "name": "Write", "summary": "a.txt"}
    assert (turn["event"], turn["reply"], turn["turn"]) == ("turn", "Message 1: write a.txt: x", 1)


def test_what_could_steer_the_terminal_is_not_printed(outlive: Outlive) -> None:
    """An escape sequence in a reply reaches stdout without its escape character."""
    assert "\x1b" not in outlive("chat", stdin="say \x1b[2J\n").out


# ------------------------------------------------------------------------------------------------ commands


def test_new_starts_another_session(outlive: Outlive) -> None:
    """After `/new` the agent knows nothing of before, and the old session is still listed."""
    assert "Message 1: after" in outlive("chat", stdin="before\n/new\nafter\n").out
    titles = {line["title"] for line in outlive.ok("sessions", "list")["sessions"]}
    assert titles == {"before", "after"}


def test_status_shows_the_session(outlive: Outlive) -> None:
    """`/status` says that there is no session yet, and later its turns and version."""
    err = outlive("chat", stdin="/status\nhello\n/status\n").err
    assert "There is no session yet" in err
    assert "1 turn, version 1" in err


def test_help_lists_the_commands(outlive: Outlive) -> None:
    """`/help` names every command there is."""
    err = outlive("chat", stdin="/help\n").err
    assert all(command in err for command in ("/new", "/stop", "/status", "/quit"))


def test_quit_leaves_what_follows_unasked(outlive: Outlive) -> None:
    """`/quit` ends the conversation; the lines after it are not sent."""
    assert outlive("chat", stdin="hello\n/quit\nmore\n").out == "…Message 1: hello\n"


def test_a_slash_that_is_no_command_is_not_sent(outlive: Outlive) -> None:
    """An unknown command is told and sent to nobody; two slashes send a message that starts with one."""
    done = outlive("chat", stdin="/bin/true\n//bin/true\n")
    assert "no such command" in done.err
    assert done.out == "…Message 1: /bin/true\n"


def test_stop_without_a_turn_says_so(outlive: Outlive) -> None:
    """`/stop` between turns says that none is running."""
    assert "No turn is running" in outlive("chat", stdin="/stop\n").err


# ------------------------------------------------------------------------------------------------ failures


@pytest.mark.parametrize(("agent", "code"), [(FailingAgent(), 1), (None, 2)])
def test_a_failed_message_is_told_and_the_conversation_goes_on(
    outlive: Outlive, agent: FailingAgent | None, code: int
) -> None:
    """From a pipe the exit code is the failed message's; what comes after it is still done."""
    if agent:
        outlive.agent(agent)
    done = outlive("chat", stdin=f"{'x' * (MAX_TEXT_BYTES + 1)}\n/help\n" if code == 2 else "hello\n/help\n")
    assert done.code == code
    assert "error: " in done.err
    assert "fix:   " in done.err
    assert done.err.index("error: ") < done.err.index("/quit")


def test_a_bad_session_key_is_refused(outlive: Outlive) -> None:
    """A session key that is none exits 2 before a line is read."""
    assert "session key" in outlive.refused(2, "chat", "--session", "a:b:c:d:e")["message"]


def test_a_model_without_a_key_is_refused(outlive: Outlive) -> None:
    """A named model without a key for it exits 2 rather than being replaced by the scripted one."""
    outlive.agent(None)
    assert "there is no key for it" in outlive.refused(2, "chat", "--model", "claude-opus-5")["message"]


# ----------------------------------------------------------------------------------- interrupted turns


def test_a_turn_that_was_cut_off_is_finished_first(outlive: Outlive) -> None:
    """A turn that somebody left in the middle is finished at the next start by itself, and said to be."""
    outlive.agent(stuck(signal.SIGINT, signal.SIGINT, deaf=True))
    outlive("chat", stdin="hello\n")
    outlive.agent(InstantAgent())
    done = outlive("chat", stdin="more\n")
    assert "finishing it: hello" in done.err
    assert "it is finished now" in done.err
    assert done.out.splitlines() == ["Message 1: hello", "…Message 2: more"]


def test_a_turn_that_only_lacked_its_commit_is_committed(outlive: Outlive) -> None:
    """A turn that had ended when its worker died is committed as it was, and its reply shown."""

    async def fail(_lease: Lease, _head: object) -> None:
        raise Unavailable("The table is down.")

    with outlive.monkeypatch.context() as broken:
        broken.setattr(Lease, "commit", fail)
        assert outlive("chat", stdin="hello\n").code == 1
    done = outlive("chat", stdin="")
    assert (done.out, "was not committed; it is now" in done.err) == ("Message 1: hello\n", True)


def test_waiting_for_a_dead_holders_lease_is_explained(outlive: Outlive) -> None:
    """While a dead worker's lease lasts it is said that somebody holds the session; then the message is answered."""
    outlive.monkeypatch.setenv("OUTLIVE_LEASE_SECONDS", "1")
    outlive.monkeypatch.setattr("outlive.entrypoints.terminal.chatting.SILENCE", 0.1)
    outlive.say("first")
    outlive.hold("ada")
    done = outlive("chat", "--session", "ada", stdin="second\n")
    assert "another worker holds this session" in done.err
    assert "Message 2: second" in done.out


def test_ctrl_c_interrupts_the_turn_and_keeps_what_there_is(outlive: Outlive) -> None:
    """One Ctrl-C ends the turn, which is committed with what it has, and the conversation goes on."""
    outlive.agent(stuck(signal.SIGINT))
    done = outlive("chat", "--session", "ada", stdin="hello\n/status\n")
    assert (done.code, done.out) == (0, "Working\n")
    assert "Interrupted; what there is of this turn is kept." in done.err
    assert "1 turn, version 1" in done.err


@pytest.mark.parametrize("signals", [(signal.SIGINT, signal.SIGINT), (signal.SIGTERM,)])
def test_twice_leaves(outlive: Outlive, signals: tuple[int, ...]) -> None:
    """The second Ctrl-C, or SIGTERM, ends it with 130; nothing stays locked, and the turn can be finished."""
    outlive.agent(stuck(*signals, deaf=True))
    assert outlive("chat", "--session", "ada", stdin="hello\n").code == 130
    shown = outlive.ok("sessions", "show", "ada")["session"]
    assert (shown["line"]["held_until"], len(shown["interrupted"])) == (None, 1)


def test_ctrl_c_before_the_agent_began_gives_the_message_up(outlive: Outlive) -> None:
    """Ctrl-C while another worker still holds the session stops waiting, and the message is answered by nobody."""
    outlive.say("first")
    outlive.hold("ada")
    outlive.monkeypatch.setattr("outlive.entrypoints.terminal.chatting.SILENCE", 0.1)
    outlive.monkeypatch.setattr("outlive.entrypoints.terminal.chatting.Chat._say_why", interrupt)
    done = outlive("chat", "--session", "ada", stdin="second\n")
    assert "the message was not answered" in done.err
    assert outlive.ok("sessions", "show", "ada")["session"]["line"]["turns"] == 1


# ------------------------------------------------------------------------------------------- terminals


class Terminal:
    """A terminal with nobody before it but the test."""

    def __init__(self) -> None:
        self.keyboard, self._line = pty.openpty()
        settings = termios.tcgetattr(self._line)
        settings[3] &= ~termios.ECHO
        termios.tcsetattr(self._line, termios.TCSANOW, settings)
        self.stdin = os.fdopen(self._line)

    def type(self, text: str) -> None:
        """Press these keys."""
        os.write(self.keyboard, text.encode())


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    """A terminal, closed in the end."""
    made = Terminal()
    yield made
    os.close(made.keyboard)
    made.stdin.close()


def test_stop_counts_while_a_turn_runs(outlive: Outlive, terminal: Terminal) -> None:
    """At a terminal `/stop` interrupts the running turn at once, and what was typed before it is answered after."""
    outlive.agent(StuckAgent(started=lambda: terminal.type("/help\n/stop\n/quit\n")))
    terminal.type("hello\n")
    done = outlive.with_stdin(terminal.stdin, "chat")
    assert done.code == 0
    assert done.err.index("Interrupted") < done.err.index("/quit")


def test_ctrl_c_at_the_prompt_leaves_the_second_time(outlive: Outlive, terminal: Terminal) -> None:
    """Without a turn the first Ctrl-C says how to leave and the second leaves with 130."""

    def twice() -> None:
        # Until the chat's own handler stands: what asyncio installs for one goes by this name.
        while getattr(signal.getsignal(signal.SIGINT), "__name__", "") != "_sighandler_noop":
            time.sleep(0.02)
        for _ in range(2):
            time.sleep(0.3)
            interrupt()

    threading.Thread(target=twice).start()
    done = outlive.with_stdin(terminal.stdin, "chat")
    assert done.code == 130
    assert done.err.count("Ctrl-C again, or /quit, to leave.") == 1


def test_ctrl_d_leaves(outlive: Outlive, terminal: Terminal) -> None:
    """The end of input at a terminal ends the conversation with 0, also after a message that failed."""
    outlive.agent(FailingAgent())
    terminal.type("hello\n\x04")
    assert outlive.with_stdin(terminal.stdin, "chat").code == 0


@pytest.mark.cli
def test_a_real_conversation(outlive: Outlive) -> None:
    """With the real CLI and the scripted model the second message is answered from the first."""
    command = [sys.executable, "-m", "outlive", "chat"]
    said = "My name is Ada\nWhat is my name?\n"
    done = subprocess.run(command, input=said, capture_output=True, text=True, timeout=60, check=True)
    assert "Ada" in done.stdout.splitlines()[-1]
    assert "not a language model" in done.stderr.splitlines()[0]
