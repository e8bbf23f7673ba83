"""Runs one Python block of a page as a script; `await` is allowed at its top, as in `python -m asyncio`."""

from __future__ import annotations

import ast
import asyncio
import inspect
import sys
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


if __name__ == "__main__":
    run(sys.stdin.read(), sys.argv[1], int(sys.argv[2]))
