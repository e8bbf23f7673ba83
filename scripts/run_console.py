"""Runs `outlive` commands of one page, one after the other, in this process; the last line names those that failed."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shlex
import sys

from outlive.entrypoints.cli import run_with

VARIABLE = re.compile(r"([A-Z_]+)=(.*)", re.DOTALL)
NOT_OURS = "is no `outlive` command: say above the block why it is not run, `<!-- not run: reason -->`."


def run(command: str) -> str:
    """What went wrong; empty when nothing did."""
    words = shlex.split(command, comments=True)
    if words[:1] == ["export"]:
        os.environ.update(dict(word.split("=", 1) for word in words[1:]))
        return ""
    kept = dict(os.environ)
    while words and (variable := VARIABLE.fullmatch(words[0])):
        os.environ[variable[1]] = variable[2]
        words.pop(0)
    if words[:1] != ["outlive"]:
        return f"`{command}` {NOT_OURS}"
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
        code = run_with(words[1:])
    os.environ.clear()
    os.environ.update(kept)
    return f"`{command}` ended with exit {code}: {said.getvalue()}" if code else ""


if __name__ == "__main__":
    commands = json.load(sys.stdin)
    failed = [f"{line} {fault}" for line, command in commands if (fault := run(command))]
    print(json.dumps(failed))
    sys.exit(bool(failed))
