"""The options that the commands of `outlive aws` share."""

from __future__ import annotations

from typing import Annotated

import typer

Stack = Annotated[str, typer.Option("--stack", help="Name of the stack.")]
Region = Annotated[
    str | None, typer.Option("--region", help="AWS region; AWS_REGION where it is left out.", show_default=False)
]
Yes = Annotated[bool, typer.Option("--yes", help="Do it; without this, what would be done is shown.")]
STACK = "outlive"
