"""`outlive state patch`: change a session's state object."""

# ruff: noqa: PLC0415 - what a command needs is loaded when it runs

from __future__ import annotations

import sys
from functools import partial
from json import loads
from typing import TYPE_CHECKING, Annotated

import typer

from outlive.entrypoints import options
from outlive.entrypoints.terminal.output import print_json, say
from outlive.errors import Invalid

if TYPE_CHECKING:
    from outlive.flows.knowledge.change_state import Patch


def state_patch(
    session: options.Session,
    patch: Annotated[str, typer.Argument(help="JSON: an object merges, a list is a JSON Patch; `-` reads stdin.")],
    *,
    expected: Annotated[
        int | None, typer.Option(help="The state version the patch was made for.", show_default=False)
    ] = None,
    by: Annotated[str, typer.Option(help="Who changes it, for the history.")] = "command line",
    data: options.Data = None,
    tenant: options.Tenant = None,
    json: options.Json = False,
) -> None:
    """Patch the state object of a session, as a version of its own.

    Changes made since the expected version are merged where the two do not touch; otherwise nothing is changed.
    """
    from outlive.entrypoints.deeds import deed
    from outlive.entrypoints.running import at_session
    from outlive.flows.knowledge.change_state import patch_state

    asked = partial(patch_state, patch=_parsed(sys.stdin.read() if patch == "-" else patch), by=by, expected=expected)
    state = at_session(session, asked, deed=deed("state.patched", session), data=data, tenant=tenant)
    if json:
        print_json(state)
    else:
        say(f"State version {state.version}.")


def _parsed(text: str) -> Patch:
    try:
        found = loads(text)
    except ValueError as error:
        raise Invalid(
            f"the patch is not JSON: {error}.", fix='Pass, say, \'{"extracted_context": {"a": 1}}\'.'
        ) from error
    if not isinstance(found, dict | list) or (isinstance(found, list) and not all(isinstance(o, dict) for o in found)):
        raise Invalid("the patch is neither an object nor a list of operations.", fix="See RFC 7396 and RFC 6902.")
    return found
