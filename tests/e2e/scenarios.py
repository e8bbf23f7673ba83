"""What an agent can do, as turns of a scripted model: each scenario leaves something for the next host to find."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from outlive.agents.options import TOOLS
from outlive.testing.scripted_model import script
from tests.agents import calculator
from tests.agents.profile_folder import make_profile, server
from tests.e2e.hosts import AGENT, OUTPUT, WORK, Tree

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
OK = {"text": "ok"}
CALCULATOR = calculator.__file__


def bash(command: str, **more: object) -> dict[str, Any]:
    """A step that runs a shell command."""
    return {"tool": "Bash", "input": {"command": command} | more}


def tool(name: str, **fields: object) -> dict[str, Any]:
    """A step that calls a tool."""
    return {"tool": name, "input": fields}


def subagent(*steps: dict[str, Any], **more: object) -> dict[str, Any]:
    """A step that gives a subagent these steps."""
    prompt = script(*steps)
    return tool("Agent", description="a part", prompt=prompt, subagent_type="general-purpose", **more)


def _always(_replies: list[str], _tree: Tree) -> bool:
    return True


@dataclass(frozen=True)
class Scenario:
    """Turns, each on a host of its own, and what must be true in the end."""

    name: str
    turns: tuple[str, ...]
    holds: Callable[[list[str], Tree], bool] = _always
    """Given every turn's reply, and the tree of the last host."""
    options: dict[str, Any] = field(default_factory=dict)
    profile: Callable[[Path], object] | None = None
    """Makes the agent's profile in a folder; None for the shipped one."""
    one_process: bool = True
    """Whether the agent that stays does so in one process; otherwise it is resumed for each turn, where it is."""

    def __str__(self) -> str:
        return self.name


def _names(tree: Tree, part: str) -> list[str]:
    return [path for path in tree if part in path]


FILES = Scenario(
    "files",
    (
        script(
            tool("Write", file_path=f"{WORK}/a.txt", content="alpha\n"),
            bash(
                "mkdir -p deep empty; printf 'two\\0' > deep/b.bin; chmod 750 deep/b.bin; ln -s deep/b.bin l; touch z"
            ),
            OK,
        ),
        script(tool("Edit", file_path=f"{WORK}/a.txt", old_string="alpha", new_string="beta"), bash("rm z"), OK),
        script(tool("Read", file_path=f"{WORK}/a.txt"), bash("wc -c < l; ls -A"), OK),
    ),
    lambda _, tree: (
        tree["work/a.txt"][2] == b"beta\n"
        and tree["work/deep/b.bin"] == ("file", 0o750, b"two\0")
        and tree["work/l"][2] == b"deep/b.bin"
        and tree["work/empty"][0] == "dir"
        and "work/z" not in tree
    ),
)
IMAGE = Scenario(
    "image",
    (
        script(bash(f"echo {PIXEL} | base64 -d > p.png"), tool("Read", file_path=f"{WORK}/p.png"), OK),
        script(tool("Read", file_path=f"{WORK}/p.png"), OK),
        "What is my name?",
    ),
)
TASKS = Scenario(
    "tasks",
    ("Add tasks: buy milk, write the report", "complete task 1", "add tasks: call Bob", "What are my tasks?"),
    lambda replies, _: (
        "#1 [completed] buy milk" in replies[-1]
        and "#2 [pending] write the report" in replies[-1]
        and "#3 [pending] call Bob" in replies[-1]
    ),
)
SUBAGENT = Scenario(
    "subagent",
    (script(subagent(bash("echo sub > sub.txt"), {"text": "found it"}), OK), "What is my name?"),
    lambda _, tree: tree["work/sub.txt"][2] == b"sub\n" and len(_names(tree, "/subagents/agent-")) == 2,
)
BACKGROUND_SUBAGENT = Scenario(
    "background subagent",
    (
        script(
            subagent(bash("sleep 0.3; echo sub > sub.txt"), {"text": "found it"}, run_in_background=True),
            bash("cat sub.txt > seen.txt"),
            OK,
        ),
        "What is my name?",
    ),
    # it ran to its end before its call was answered: nothing goes on behind a turn
    lambda _, tree: tree["work/seen.txt"][2] == b"sub\n" and len(_names(tree, "/subagents/agent-")) == 2,
)
RESUMED_SUBAGENT = Scenario(
    "resumed subagent",
    (
        script(subagent({"text": "Noted."}), OK),
        script(tool("SendMessage", to=AGENT, message="What have I asked?"), OK),
        script(tool("SendMessage", to=AGENT, message=script(bash("echo again > sub.txt"), OK)), OK),
    ),
    lambda _, tree: tree["work/sub.txt"][2] == b"again\n" and len(_names(tree, "/subagents/agent-")) == 2,
    {"tools": (*TOOLS, "SendMessage")},
)
BACKGROUND_SHELL = Scenario(
    "background shell",
    (
        script(
            bash("echo late > asked.txt", run_in_background=True),
            bash("nohup sh -c 'echo begun > begun.txt; sleep 2; echo late > late.txt' > /dev/null 2>&1 & sleep 0.3"),
            OK,
        ),
        script(bash("sleep 2; ls"), OK),
    ),
    # one is refused, the other ends with the turn
    lambda _, tree: _names(tree, "work/") == ["work/begun.txt"],
)
LARGE_OUTPUT = Scenario(
    "large output",
    (
        script(bash("seq 1 70000"), OK),
        script(bash(f"tail -n 1 {OUTPUT} > last.txt"), tool("Read", file_path=OUTPUT, offset=69990, limit=5), OK),
        "What is my name?",
    ),
    lambda _, tree: tree["work/last.txt"][2] == b"70000\n",
)
COMPACTION = Scenario(
    "compaction",
    (
        "My name is Ada",
        script(bash("yes abcdefgh | head -c 20000"), bash("yes 12345678 | head -c 20000"), OK),
        "My cat is Tom",
        "What is my name?",
        "What is my cat?",
    ),
    lambda replies, tree: (
        "Ada" in replies[3]
        and "Tom" in replies[4]
        and any(b"compact_boundary" in tree[path][2] for path in _names(tree, ".jsonl"))
    ),
    {"variables": {"CLAUDE_CODE_AUTO_COMPACT_WINDOW": "30000", "CLAUDE_AUTOCOMPACT_PCT_OVERRIDE": "10"}},
)
SEVERAL = Scenario(
    "several tools at once",
    (
        script(
            # tools that write wait for each other; results of readers come in the order in which they end
            {"thinking": "Three at once.", "text": "Now.", "tools": [bash(f"echo {n} > {n}.txt") for n in "abc"]},
            tool("Read", file_path=f"{WORK}/missing.txt"),
            OK,
        ),
        script(bash("cat a.txt b.txt c.txt > all.txt; false"), OK),
        "My name is Ada",
        "What is my name?",
    ),
    lambda replies, tree: tree["work/all.txt"][2] == b"a\nb\nc\n" and "Ada" in replies[-1],
)

SKILL = Scenario(
    "skill",
    (
        script(tool("Skill", skill="hello-world"), bash("echo greeted > said.txt"), OK),
        script(tool("Skill", skill="profile:hello-world"), OK),
        "What is my name?",
    ),
    lambda _, tree: any(b"Launching skill: profile:hello-world" in tree[path][2] for path in _names(tree, ".jsonl")),
    one_process=False,  # one process knows that it has told a skill's text; any that is resumed tells it again
)
MCP_SERVER = Scenario(
    "stdio MCP",
    (
        script(tool("mcp__calc__add", a=1, b=2), OK),
        script(subagent(tool("mcp__calc__add", a=3, b=4), {"text": "added"}), OK),
        'use tool mcp__calc__add with {"a": 5, "b": 6}',
    ),
    lambda replies, tree: "11 for" in replies[-1] and any(b"7 for nobody" in tree[path][2] for path in tree),
    profile=lambda folder: make_profile(folder, mcp=server(command=sys.executable, args=[CALCULATOR])),
)

PLAIN = (FILES, TASKS, SUBAGENT, SEVERAL)
"""Those that are also compared with the SDK alone, and so have a profile that it can have by its own options."""
SCENARIOS = (
    *PLAIN,  # first: pytest groups what has the same place among a fixture's parameters
    *(IMAGE, BACKGROUND_SUBAGENT, RESUMED_SUBAGENT, BACKGROUND_SHELL, LARGE_OUTPUT, COMPACTION, SKILL, MCP_SERVER),
)
