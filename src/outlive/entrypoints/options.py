"""The options and arguments that commands share, each option with its environment variable."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Data = Annotated[
    Path | None,
    typer.Option("--data", envvar="OUTLIVE_DATA", help="Folder of the embedded stores.", show_default=False),
]
Model = Annotated[
    str | None,
    typer.Option("--model", envvar="OUTLIVE_MODEL", help="Model name, or `scripted`.", show_default=False),
]
Profile = Annotated[
    str | None,
    typer.Option("--profile", envvar="OUTLIVE_PROFILE", help="Agent profile of new sessions.", show_default=False),
]
ProfilesFolder = Annotated[
    Path | None,
    typer.Option(
        "--profiles",
        envvar="OUTLIVE_PROFILES",
        help="Folder of agent profiles beside the shipped ones.",
        show_default=False,
    ),
]
Tenant = Annotated[
    str | None,
    typer.Option("--tenant", envvar="OUTLIVE_TENANT", help="Tenant of keys that name none.", show_default=False),
]
Json = Annotated[
    bool, typer.Option("--json", envvar="OUTLIVE_JSON", help="Print JSON on stdout, and errors as JSON on stderr.")
]
Key = Annotated[
    str, typer.Argument(help="Session key: CHAT, CHAT:THREAD, CHANNEL:CHAT:THREAD or TENANT:CHANNEL:CHAT:THREAD.")
]
Session = Annotated[str, typer.Argument(help="Session id (32 hexadecimal digits), or a session key that points at it.")]
Task = Annotated[str, typer.Argument(help="Task id, as given to `send --task`.")]
Limit = Annotated[int, typer.Option("--limit", min=1, max=1000, help="How many to print at most.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]

SomeSession = Annotated[
    str | None, typer.Argument(help="Session id, or a session key that points at it.", show_default=False)
]
User = Annotated[str | None, typer.Option("--user", help="Every session of this chat id.", show_default=False)]
Channel = Annotated[
    str | None, typer.Option("--channel", help="With --user: on this channel only.", show_default=False)
]
Everyone = Annotated[bool, typer.Option("--all", help="For all tenants, instead of one.")]
Everything = Annotated[bool, typer.Option("--all", help="Every session of the tenant.")]

PreferencesUser = Annotated[str, typer.Argument(help="The user: a message's sender, or its chat id.")]
AgentName = Annotated[str, typer.Option("--agent", help="The agent, by its profile.")]
ToolName = Annotated[str, typer.Argument(help="The tool's name, `SERVER/TOOL` for one of an MCP server.")]
