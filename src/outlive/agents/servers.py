"""`mcp.json`: the MCP servers of a profile, checked, their secrets filled in, and watched while they start."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from outlive.agents.json_lines import At, JsonFile
from outlive.core.tool_cache import MAX_TTL, MIN_TTL
from outlive.errors import AgentFailed

SERVERS_FILE = "mcp.json"
MAX_SERVERS = 50
SESSION = "session"
"""The name of the server with the turn's own tools: no profile's server may have it."""
START_SECONDS = 20
"""How long a server may take to start before the turn goes on without it (or fails, when it is required)."""
SWITCHES = ("enabled", "required")
CACHE = "cache_minutes"
"""Which of a server's tools have their results kept, and for how many minutes each."""
HTTP_KEYS = ("type", "url", "headers", CACHE, *SWITCHES)
COMMAND_KEYS = ("type", "command", "args", "env", CACHE, *SWITCHES)
KIND_FIX = 'Give {"type": "http", "url": ...} or {"command": ..., "args": [...]}.'
_TOOL = re.compile(r"[A-Za-z0-9_.-]{1,128}")
_NAME = re.compile(r"[A-Za-z0-9](?:_?[A-Za-z0-9-]){0,63}")
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


@dataclass(frozen=True, slots=True)
class Server:
    """One MCP server."""

    name: str
    written: Mapping[str, Any]
    """As it stands in the file, without our own switches: safe to show."""
    config: Mapping[str, Any] = field(repr=False)
    """The same with every `${NAME}` filled in: may hold secrets. Empty for a server that is off."""
    enabled: bool = True
    required: bool = False
    """Without it a turn fails; otherwise the turn goes on and says so."""
    kept: Mapping[str, float] = field(default_factory=dict)
    """Tool -> seconds for which its results are kept. A server with one is talked to by the worker, for the CLI."""

    @property
    def as_cli(self) -> dict[str, Any]:
        """How it is named to the CLI: a server with kept results by its name alone, its secrets stay with us."""
        return {"type": "sdk", "name": self.name} if self.kept else dict(self.config)

    @property
    def kind(self) -> str:
        """`http`, `sse` or `command`."""
        return str(self.written.get("type", "command")) if "url" in self.written else "command"

    @property
    def place(self) -> str:
        """Where it is, without what may be a secret: the URL up to its path, or the program."""
        if "url" not in self.written:
            return str(self.written["command"])
        parts = urlsplit(str(self.written["url"]))
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


ENTRY = Server(SESSION, {"command": "the worker itself"}, {"type": "sdk", "name": SESSION})
"""How the server with the turn's own tools is named to the CLI: its calls come back over the CLI's own wire."""


def read_servers(file: JsonFile | None, variables: Mapping[str, str]) -> tuple[Server, ...]:
    """The servers of a profile; `Invalid` names the file, the line and the fix.

    `variables` is the worker's environment, from which `${NAME}` in a value is filled in.
    """
    if file is None:
        return ()
    file.keys((), file.value, ["mcpServers"])
    at: At = ("mcpServers",)
    found = file.table(at, file.value.get("mcpServers", {}))
    if len(found) > MAX_SERVERS:
        file.refuse(at, f"{len(found)} MCP servers are too many.", fix=f"Keep {MAX_SERVERS} at most.")
    return tuple(_server(file, name, (*at, name), value, variables) for name, value in found.items())


def _server(file: JsonFile, name: str, at: At, value: object, variables: Mapping[str, str]) -> Server:
    if not _NAME.fullmatch(name):
        file.refuse(at, f"{name!r} is not a server's name.", fix="Use letters, digits, - and single _, 64 at most.")
    if name == SESSION:
        file.refuse(at, f"{name!r} is the name of outlive's own server.", fix="Choose another name.")
    fields = file.table(at, value)
    if ("url" in fields) == ("command" in fields):
        file.refuse(at, f"MCP server {name!r} is neither one over HTTP nor a command.", fix=KIND_FIX)
    checked = _http(file, at, fields) if "url" in fields else _command(file, at, fields)
    switches = {key: file.flag((*at, key), fields[key]) for key in SWITCHES if key in fields}
    is_on = switches.get("enabled", True)
    config = {key: _filled(file, (*at, key), each, variables) for key, each in checked.items()} if is_on else {}
    return Server(name, checked, config, kept=_kept(file, (*at, CACHE), fields.get(CACHE, {})), **switches)


def _kept(file: JsonFile, at: At, value: object) -> dict[str, float]:
    """Seconds by tool, from minutes."""
    found = file.table(at, value)
    for tool, minutes in found.items():
        if not _TOOL.fullmatch(tool):
            file.refuse((*at, tool), f"{tool!r} is not a tool's name.", fix="Name each tool; there is no wildcard.")
        is_number = isinstance(minutes, int | float) and not isinstance(minutes, bool)
        if not is_number or not MIN_TTL <= minutes * 60 <= MAX_TTL:
            fix = f"Use {MIN_TTL / 60:g} to {MAX_TTL / 60:g}, or leave the tool out."
            file.refuse((*at, tool), f"{minutes!r} is not a number of minutes that results are kept.", fix=fix)
    return {tool: minutes * 60.0 for tool, minutes in found.items()}


def _http(file: JsonFile, at: At, fields: dict[str, Any]) -> dict[str, Any]:
    file.keys(at, fields, HTTP_KEYS)
    kind = fields.get("type", "http")
    if kind not in {"http", "sse"}:
        file.refuse((*at, "type"), f"type {kind!r} does not go with a url.", fix='Use "http" or "sse".')
    url = file.text((*at, "url"), fields["url"])
    parts = urlsplit(url)
    if not url.startswith("${") and (parts.scheme not in {"http", "https"} or not parts.netloc):
        file.refuse((*at, "url"), f"{url!r} is not an http(s) URL.", fix="Write it as https://HOST/PATH.")
    headers = _strings(file, (*at, "headers"), fields.get("headers", {}))
    return {"type": kind, "url": url} | ({"headers": headers} if headers else {})


def _command(file: JsonFile, at: At, fields: dict[str, Any]) -> dict[str, Any]:
    file.keys(at, fields, COMMAND_KEYS)
    if fields.get("type", "stdio") != "stdio":
        file.refuse((*at, "type"), f"type {fields['type']!r} does not go with a command.", fix="Leave type out.")
    command = file.text((*at, "command"), fields["command"])
    args = fields.get("args", [])
    if not isinstance(args, list) or not all(isinstance(each, str) for each in args):
        file.refuse((*at, "args"), "args is not a list of strings.", fix='Write it as ["...", "..."].')
    variables = _strings(file, (*at, "env"), fields.get("env", {}))
    return {"command": command, "args": args} | ({"env": variables} if variables else {})


def _strings(file: JsonFile, at: At, value: object) -> dict[str, str]:
    found = file.table(at, value)
    for key, each in found.items():
        if not isinstance(each, str):
            file.refuse((*at, key), f"{key} is not a string.", fix="Put it in quotation marks.")
        if "\n" in each or "\r" in each:
            file.refuse((*at, key), f"{key} has a line break in it.", fix="Write it on one line.")
    return found


def _filled(file: JsonFile, at: At, value: Any, variables: Mapping[str, str]) -> Any:  # noqa: ANN401 - any JSON
    """The value with each `${NAME}` filled in, however deep it stands."""
    match value:
        case str():
            for name in _VARIABLE.findall(value):
                if name not in variables:
                    fix = f"Set {name} where the worker runs, or switch the server off."
                    file.refuse(at, f"the variable {name} is not set.", fix=fix)
            return _VARIABLE.sub(lambda found: variables[found[1]], value)
        case list():
            return [_filled(file, (*at, place), each, variables) for place, each in enumerate(value)]
        case dict():
            return {key: _filled(file, (*at, key), each, variables) for key, each in value.items()}
        case _:
            return value


# ------------------------------------------------------------------------------------- while the CLI starts


def server_faults(started: Sequence[Mapping[str, Any]], servers: Sequence[Server]) -> tuple[str, ...]:
    """What to say about servers that did not start; `AgentFailed` when one of them is required.

    `started` is the `mcp_servers` of the CLI's first message: name and status of each.
    """
    status = {str(each.get("name")): str(each.get("status")) for each in started}
    down = [server for server in servers if server.enabled and status.get(server.name) != "connected"]
    for server in down:
        if server.required:
            raise AgentFailed(
                f"the MCP server {server.name!r} did not start ({status.get(server.name, 'unknown to the CLI')}).",
                fix=f"Start {server.place} by hand, as the user that agents run as (`outlive doctor`: isolation), "
                f"or take `required` off it in {SERVERS_FILE}; the message is tried again.",
            )
    return tuple(
        f"MCP server {server.name!r} did not start: the turn went on without it. "
        f"Start {server.place} by hand, as the user that agents run as (`outlive doctor`: isolation)"
        for server in down
    )
