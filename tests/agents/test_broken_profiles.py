"""Broken profiles: each is refused at load, with the file, the line and the fix."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from outlive.agents.profile_files import MAX_SKILL_FILES, MAX_TEXT_BYTES
from outlive.agents.profiles import load_folder
from outlive.errors import Invalid, TooLarge
from tests.agents.profile_folder import make_profile, make_skill, server, subagent, write

PROMPT_TWICE = subagent(prompt_file="helper.md")
BROKEN: list[tuple[str, object, str]] = [
    ("agents", "{", r"agents.json, line 1: this is not JSON"),
    ("agents", '{\n "a": 1,\n}', r"agents.json, line 3: this is not JSON"),
    ("agents", "[]", r"line 1: the file is not an object. Write it as \{"),
    ("agents", "[" * 100_000, r"this is not JSON"),
    ("agents", '{\n "a": {},\n "a": {}\n}', r"line 3: 'a' is given twice. Keep one"),
    ("agents", {"Helper": {}}, r"line 2: 'Helper' is not a name. Use small letters"),
    ("agents", {"helper": {"prompt": "x"}}, r"line 2: helper has no description"),
    ("agents", subagent(descripton="x"), r"line 5: 'descripton' is not known here. Did you mean 'description'\?"),
    ("agents", PROMPT_TWICE, r"line 2: helper has not exactly one of prompt and prompt_file"),
    ("agents", {"helper": {"description": "x"}}, r"line 2: helper has not exactly one of prompt and prompt_file"),
    ("agents", subagent(tools=["Read", "*"]), r'line 7: \'\*\' is a wildcard. Name each tool, such as "Agent"'),
    ("agents", subagent(tools=["mcp__calc__*"]), r"line 6: 'mcp__calc__\*' is a wildcard. Name each tool"),
    ("agents", subagent(tools=["Raed"]), r"line 6: 'Raed' is not a tool of this profile. Did you mean 'Read'\?"),
    ("agents", subagent(tools=["mcp__calc__add"]), r"'mcp__calc__add' is of no MCP server in mcp.json \(there is none"),
    ("agents", subagent(tools="Read"), r"line 5: helper.tools is not a list"),
    ("agents", subagent(tools=["Read", "Read"]), r"line 7: 'Read' stands twice"),
    ("agents", subagent(model=4), r"line 5: helper.model is not a text"),
    ("agents", subagent(prompt="a\0b"), r"line 4: helper.prompt holds a NUL or half a character"),
    ("agents", subagent(prompt="\ud83d"), r"line 4: helper.prompt holds a NUL or half a character"),
    ("mcp", {"servers": {}}, r"mcp.json, line 2: 'servers' is not known here. Did you mean 'mcpServers'\?"),
    ("mcp", server(type="http"), r"line 3: MCP server 'calc' is neither one over HTTP nor a command. Give"),
    ("mcp", server(type="grpc", url="http://a"), r"line 4: type 'grpc' does not go with a url. Use \"http\""),
    ("mcp", server(type="http", command="a"), r"line 4: type 'http' does not go with a command"),
    ("mcp", server(url="ftp://a"), r"line 4: 'ftp://a' is not an http\(s\) URL"),
    ("mcp", server(command="a", args="b"), r"line 5: args is not a list of strings"),
    ("mcp", server(command="a", env={"B": 1}), r"line 6: B is not a string. Put it in quotation marks"),
    ("mcp", server(url="http://a", headers={"B": "1\n2"}), r"line 6: B has a line break in it"),
    ("mcp", server(command="a", enabled="no"), r"line 5: mcpServers.calc.enabled is neither true nor false"),
    ("mcp", server(command="a", header={}), r"line 5: 'header' is not known here"),
    ("mcp", server(command="a", args=["${NOT_SET}"]), r"line 6: the variable NOT_SET is not set. Set NOT_SET where"),
    ("mcp", server(command="a", cache_minutes={"add": 4}), r"line 6: 4 is not a number of minutes .* Use 5 to 60"),
    ("mcp", server(url="http://a", cache_minutes={"add": "1h"}), r"line 6: '1h' is not a number of minutes"),
    ("mcp", server(command="a", cache_minutes={"add": True}), r"line 6: True is not a number of minutes"),
    ("mcp", server(command="a", cache_minutes={"*": 5}), r"line 6: '\*' is not a tool's name. Name each tool"),
    ("mcp", server(command="a", cache_minutes=5), r"line 5: mcpServers.calc.cache_minutes is no"),
    ("mcp", {"mcpServers": {"a__b": {}}}, r"line 3: 'a__b' is not a server's name"),
    ("settings", {"tool": []}, r"settings.json, line 2: 'tool' is not known here. Did you mean 'tools'\?"),
    ("settings", {"permissions": {"alow": []}}, r"line 3: 'alow' is not known here. Did you mean 'allow'\?"),
    ("settings", {"permissions": {"ask": ["Bash("]}}, r"line 4: 'Bash\(' is not a permission rule. Write a tool"),
    ("settings", {"permissions": {"deny": [""]}}, r"line 4: permissions.deny.0 is not a text"),
    ("settings", {"tools": ["Bash(ls)"]}, r"line 3: 'Bash\(ls\)' is not the name of a tool"),
    ("settings", {"max_turns": 0}, r"line 2: max_turns is 0. Write a whole number from 1 on"),
    ("settings", {"max_turns": True}, r"line 2: max_turns is True"),
    ("settings", {"max_usd": -1}, r"line 2: max_usd is -1"),
    ("settings", '{"max_usd": NaN}', r"line 1: this is not JSON \(NaN is no number\)"),
    ("settings", {"memory": 1}, r"line 2: memory is neither true nor false"),
]


@pytest.mark.parametrize(("name", "content", "said"), BROKEN)
def test_a_broken_file_is_refused(tmp_path: Path, name: str, content: Any, said: str) -> None:
    """The error names the file, the line and what to do."""
    with pytest.raises(Invalid, match=said) as error:
        load_folder(make_profile(tmp_path, **{name: content}), variables={})
    assert f"{name}.json" in error.value.message
    assert error.value.fix


def test_a_server_is_no_tool(tmp_path: Path) -> None:
    """A subagent that is given a whole server is refused, as by a wildcard."""
    folder = make_profile(tmp_path, mcp=server(command="a"), agents=subagent(tools=["mcp__calc"]))
    with pytest.raises(Invalid, match=r"means every tool of that server. Name each tool: mcp__calc__TOOL"):
        load_folder(folder)


def test_subagents_need_the_tool_that_calls_them(tmp_path: Path) -> None:
    """Subagents in a profile whose tools leave out `Agent` are refused: nobody could hand work to them."""
    folder = make_profile(tmp_path, settings={"tools": ["Read"]}, agents=subagent(tools=["Read"]))
    with pytest.raises(Invalid, match=r"settings.json, line 2: there are subagents, but not the tool that calls them"):
        load_folder(folder)


def test_a_missing_prompt_file_is_refused(tmp_path: Path) -> None:
    """The error names the line that asks for it and the path looked at."""
    folder = make_profile(tmp_path, agents={"helper": {"description": "x", "prompt_file": "helper.md"}})
    with pytest.raises(Invalid, match=r"agents.json, line 4: there is no prompt file .*helper.md"):
        load_folder(folder)


@pytest.mark.parametrize("path", ["../secret.md", "link.md", "{tmp}/secret.md"])
def test_a_prompt_file_stays_inside(tmp_path: Path, path: str) -> None:
    """A path, a link or an absolute name that leads out of the profile is refused."""
    write(tmp_path / "secret.md", "secret")
    agents = {"helper": {"description": "x", "prompt_file": path.format(tmp=tmp_path)}}
    folder = make_profile(tmp_path / "profile", agents=agents)
    (folder / "link.md").symlink_to(tmp_path / "secret.md")
    with pytest.raises(Invalid, match=r"agents.json, line 4: prompt_file .* leads out of the profile"):
        load_folder(folder)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Just do it.", "line 1: the skill has no front matter. Begin it with a line ---"),
        ("---\nname: greet", "line 1: the front matter has no end"),
        ("---\nname: greet\n---\n", "line 1: the front matter has no description. Add `description"),
        ("---\nname: greet\ndescription:\n---\n", "line 3: the front matter has no description"),
        ("---\ndescription: x\nname: hello\n---\n", "line 3: the skill's name 'hello' is not the one of its folder"),
        ("---\nname: greet\nname: greet\ndescription: x\n---\n", "line 3: 'name' is given twice"),
        ("---\nname greet\n---\n", "line 2: 'name greet' is not a field. Write `name: value`"),
        (f"---\nname: greet\ndescription: {'x' * 1025}\n---\n", r"line 3: the description is too long"),
    ],
)
def test_a_broken_skill_is_refused(tmp_path: Path, text: str, said: str) -> None:
    """The error names SKILL.md, the line and what to write."""
    folder = make_profile(tmp_path)
    make_skill(folder, "greet", "").write_text(text)
    with pytest.raises(Invalid, match=rf"greet/SKILL.md, {said}"):
        load_folder(folder)


def test_a_skill_without_its_file_is_refused(tmp_path: Path) -> None:
    """A folder in skills/ that has no SKILL.md is named, and a file there as well."""
    folder = make_profile(tmp_path)
    (folder / "skills/greet").mkdir(parents=True)
    with pytest.raises(Invalid, match=r"greet/SKILL.md cannot be read"):
        load_folder(folder)
    (folder / "skills/greet").rmdir()
    write(folder / "skills/notes.md", "x")
    with pytest.raises(Invalid, match=r"notes.md is not a skill's folder"):
        load_folder(folder)


def test_a_skill_brings_plain_files_only(tmp_path: Path) -> None:
    """A link in a skill is refused, wherever it leads, and so is a pipe."""
    folder = make_profile(tmp_path)
    beside = make_skill(folder, "greet", "").parent
    (beside / "passwd").symlink_to("/etc/passwd")
    with pytest.raises(Invalid, match=r"passwd is not a plain file\. Copy the file itself"):
        load_folder(folder)
    (beside / "passwd").unlink()
    os.mkfifo(beside / "pipe")
    with pytest.raises(Invalid, match="pipe is not a plain file"):
        load_folder(folder)


def test_a_skill_has_a_limit(tmp_path: Path) -> None:
    """Too many files beside a skill are refused before they are read."""
    folder = make_profile(tmp_path)
    beside = make_skill(folder, "greet", "").parent
    for number in range(MAX_SKILL_FILES):
        (beside / str(number)).touch()
    with pytest.raises(TooLarge, match=r"Keep it to 200 files and 5,000,000 bytes"):
        load_folder(folder)


def test_a_file_over_the_limit_is_refused(tmp_path: Path) -> None:
    """A JSON file above the limit is not read to its end."""
    folder = make_profile(tmp_path, settings=" " * (MAX_TEXT_BYTES + 1))
    with pytest.raises(TooLarge, match=r"settings.json has 200,001 bytes"):
        load_folder(folder)


def test_a_file_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    """The line is named in a JSON file, too."""
    folder = make_profile(tmp_path)
    (folder / "mcp.json").write_bytes(b'{\n"\xff": 1}')
    with pytest.raises(Invalid, match=r"mcp.json, line 2, is not UTF-8"):
        load_folder(folder)
