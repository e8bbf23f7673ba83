"""The program's own help: its commands by what somebody wants to do."""

from __future__ import annotations

from typing import Any

from typer.core import TyperGroup

SECTIONS = {
    "Try it and run it": ("demo", "chat", "send", "worker", "serve", "profile", "schedule"),
    "Sessions and what agents remember": (
        *("sessions", "task", "approvals", "state", "preferences", "cache", "archive", "mcp"),
    ),
    "Chats": ("telegram", "slack", "wechat", "link"),
    "What goes on, and what it costs": ("queue", "stats", "usage", "cost", "trace", "audit"),
    "Tenants and their keys": ("tenants", "limits", "tokens", "keys"),
    "Machines and stores": ("doctor", "sweep", "conformance", "aws", "region"),
}
"""Every command of the program once; a test sees to it."""


class SectionedGroup(TyperGroup):
    """The program's commands under headings, in the order of `SECTIONS`."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401 - typer's own, which it does not export
        """Write one list for each section, the names in one column throughout."""
        width = max(map(len, self.commands))
        for title, names in SECTIONS.items():
            shown = [(name, command) for name in names if (command := self.get_command(ctx, name))]
            limit = formatter.width - 6 - width
            with formatter.section(title):
                formatter.write_dl([(name.ljust(width), command.get_short_help_str(limit)) for name, command in shown])
