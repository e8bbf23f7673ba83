"""Runs the Python blocks of a page as scripts, one after the other; the last line names those that failed.

`await` is allowed at the top of a block, as in `python -m asyncio`.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import json
import os
import sys
import tempfile
import traceback
from types import FunctionType


def run(code: str, page: str, line: int) -> None:
    """Run the code; a traceback names the page and the line the code has there."""
    padded = "\n" * (line - 1) + code
    program = compile(padded, page, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    names = {"__name__": "__main__"}
    if program.co_flags & inspect.CO_COROUTINE:
        asyncio.run(FunctionType(program, names)())
    else:
        exec(program, names)


def run_in(place: str, code: str, page: str, line: int) -> str:
    """The traceback of the code, run with this folder as its working directory and home; empty when all went well."""
    kept = dict(os.environ)
    os.environ.update(HOME=place, TMPDIR=place)
    tempfile.tempdir = None
    os.chdir(place)
    try:
        run(code, page, line)
    except (Exception, SystemExit):  # noqa: BLE001 - whatever a block raises is told
        return traceback.format_exc()
    finally:
        os.environ.clear()
        os.environ.update(kept)
    return ""


if __name__ == "__main__":
    blocks = json.load(sys.stdin)
    failed = {line: fault for place, code, page, line in blocks if (fault := run_in(place, code, page, line))}
    print("\n" + json.dumps(failed))
    sys.exit(bool(failed))
