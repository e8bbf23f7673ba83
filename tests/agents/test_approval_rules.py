"""Rules for calls that need a person: what they cover, and that in doubt it is asked."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlive.agents.approval_rules import asking_rule, parse_rules
from outlive.errors import Invalid

CWD = "/trees/s/work"


def asks(rule: str, name: str, **arguments: object) -> bool:
    """Whether the rule covers the call."""
    return asking_rule(parse_rules([rule]), name, arguments, cwd=CWD) is not None


@pytest.mark.parametrize(
    ("rule", "name", "expected"),
    [
        ("Write", "Write", True),
        ("Write", "Edit", False),
        ("Edit", "Write", True),
        ("Edit", "NotebookEdit", True),
        ("Edit", "Read", False),
        ("mcp__aws__delete", "mcp__aws__delete", True),
        ("mcp__aws__delete", "mcp__aws__delete_all", False),
        ("mcp__aws", "mcp__aws__list", True),
        ("mcp__aws", "mcp__awsome__list", False),
        ("mcp__aws__*", "mcp__aws__list", True),
        ("*", "Agent", True),
        ("Bash", "Bash", True),
    ],
)
def test_a_rule_names_tools(rule: str, name: str, expected: bool) -> None:
    """A tool by its name, an MCP server by its own, any letters by a star."""
    assert asks(rule, name) is expected


@pytest.mark.parametrize(
    "command",
    [
        "git push",
        "git push origin main",
        "cd x && git push",
        "ls; git push --force",
        "false || git push",
        "echo x | git push",
        "(git push)",
        "x=$(git push)",
        "x=`git push`",
        "sleep 1 & git push",
        "ls\ngit push",
        "git \\\npush",
        "g'i't pu\\sh",
        "sudo git push",
        "env A=1 git push",
        "timeout 5 git push",
        "xargs git push",
        'bash -c "git push"',
        "/usr/bin/git push",
        "git -C dir push",
        "git --no-pager -c a=b push",
        "if true; then git push; fi",
        "{ git push; }",
        "git " + "-x " * 500 + "push",
    ],
)
@pytest.mark.parametrize("rule", ["Bash(git push *)", "Bash(git push:*)", "Bash(git push)"])
def test_a_command_is_asked_about_wherever_it_stands(rule: str, command: str) -> None:
    """Any part of a compound command, quoted, wrapped, with options in between."""
    assert asks(rule, "Bash", command=command)


@pytest.mark.parametrize("command", ["git pull", "git status; ls push", "echo push", "", "gitpush", "git log -p"])
def test_other_commands_are_not(command: str) -> None:
    """A command in which the words do not follow each other is let pass."""
    assert not asks("Bash(git push *)", "Bash", command=command)


@given(st.lists(st.sampled_from(["ls", "echo a b", "true"])), st.sampled_from(["&&", "||", ";", "|", "\n", "&"]))
def test_one_part_is_enough(others: list[str], joint: str) -> None:
    """However many harmless parts stand around it, a part that is covered is seen."""
    command = f" {joint} ".join([*others, "rm -rf x", *others])
    assert asks("Bash(rm *)", "Bash", command=command)


def test_a_long_command_takes_no_time() -> None:
    """A command of 60,000 words, each a beginning of a match with options, is decided at once."""
    assert not asks("Bash(git push *)", "Bash", command="git -a x " * 20_000)


@pytest.mark.parametrize(
    ("rule", "path", "expected"),
    [
        ("Edit(./secret/**)", "/trees/s/work/secret/a/b", True),
        ("Edit(secret/**)", "secret/a", True),
        ("Edit(secret/*)", "/trees/s/work/secret/a/b", True),
        ("Edit(./secret/**)", "/trees/s/work/x/../secret/a", True),
        ("Edit(./secret/**)", "/trees/s/work/public/a", False),
        ("Edit(*.env)", "/trees/s/work/prod.env", True),
        ("Write(//etc/**)", "/etc/passwd", True),
        ("Write(//etc/**)", "/trees/s/work/etc/passwd", False),
    ],
)
def test_a_rule_names_paths(rule: str, path: str, expected: bool) -> None:
    """Below the working directory, or absolute with two slashes; dots in a path lead nowhere else."""
    assert asks(rule, "Write", file_path=path) is expected


def test_a_call_without_a_path_is_asked_about() -> None:
    """A file tool that is called without a readable path is covered by every rule with a pattern."""
    assert asks("Write(./a)", "Write", file_path=7)


@pytest.mark.parametrize(
    "rule", ["", "Bash(", "Bash()", "Bash( )", "git push", "Agent(x)", "mcp__a__b(c)", "1", "bash"]
)
def test_a_rule_that_cannot_be_read_is_refused(rule: str) -> None:
    """The error quotes the rule."""
    with pytest.raises(Invalid, match="approval rule"):
        parse_rules([rule])
