"""`outlive aws deploy`: make the deployment, or change it."""

# ruff: noqa: PLC0415 - what a command needs is loaded when it runs

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from outlive.entrypoints import options
from outlive.entrypoints.aws_stack.options import STACK, Region, Stack, Yes


def aws_deploy(
    *,
    stack: Stack = STACK,
    region: Region = None,
    folder: Annotated[Path, typer.Option(help="Where the template is.")] = Path("deploy/aws"),
    parameter: Annotated[list[str] | None, typer.Option(help="NAME=VALUE of the template.", show_default=False)] = None,
    yes: Yes = False,
    json: options.Json = False,
) -> None:
    """Make the deployment on AWS, or change it.

    Secrets come from the environment: WEBHOOK_SECRET, TELEGRAM_BOT_TOKEN, TELEGRAM_WEBHOOK_SECRET,
    SDK_CLIENT_AUTH_TOKEN, SLACK_SIGNING_SECRET, SLACK_BOT_TOKEN, BEDROCK_ACCESS_KEY_ID, BEDROCK_SECRET_ACCESS_KEY.
    Nothing is done without --yes.
    """
    from outlive.entrypoints.aws_stack.deploying import carry_out, plan
    from outlive.entrypoints.aws_stack.stack import outputs
    from outlive.entrypoints.terminal.output import print_fields, print_json, say

    found = plan(stack, region, folder, parameter or [])
    about = {"stack": found.stack, "account": found.account, "region": found.region}
    for hint in found.hints:
        say(hint)
    if not yes:
        fields = about | found.shown()
        print_json(about | {"done": False, "parameters": found.shown()}) if json else print_fields(fields)
        say("Nothing was done; --yes builds the image and deploys it.")
        return
    say(f"Stack {found.stack} in account {found.account}, {found.region}: build, then deploy.")
    carry_out(found)
    told = outputs(stack, region)
    print_json(about | {"done": True, "outputs": told}) if json else print_fields(told)
