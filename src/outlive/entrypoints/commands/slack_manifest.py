"""`outlive slack manifest`: the app as Slack wants to be told about it."""

# ruff: noqa: PLC0415 - what a command needs is loaded when it runs

from __future__ import annotations

from typing import Annotated

import typer

from outlive.entrypoints import options


def slack_manifest(
    *,
    name: Annotated[str, typer.Option(help="The app's name, 35 characters at most.")] = "outlive",
    url: Annotated[
        str, typer.Option(help="The public address of `slack serve`, https://…; without it: Socket Mode.")
    ] = "",
    json: options.Json = False,
) -> None:
    """Print the manifest to make the app from, at https://api.slack.com/apps: YAML, or JSON with --json."""
    from outlive.channels.slack.manifest import as_yaml, manifest
    from outlive.entrypoints.terminal.output import print_json

    made = manifest(name=name, url=url)
    if json:
        print_json(made)
    else:
        typer.echo(as_yaml(made), nl=False)
