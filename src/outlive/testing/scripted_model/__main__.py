"""The scripted model as a process of its own."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from outlive.testing.scripted_model import ScriptedModel


async def _run(model: ScriptedModel) -> None:
    """Serves until SIGTERM or SIGINT; the URL is the only line on stdout."""
    stopped = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stopped.set)
    async with model:
        sys.stderr.write("Scripted model, not a language model. Stop with Ctrl-C.\n")
        sys.stdout.write(f"{model.url}\n")
        sys.stdout.flush()
        await stopped.wait()


def _options(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m outlive.testing.scripted_model",
        description="A stand-in for the Anthropic Messages API: fixed rules, not a language model.",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=0, help="port, 0 for a free one (default: %(default)s)")
    parser.add_argument("--delay", type=float, default=0.0, help="seconds before each answer")
    parser.add_argument("--pace", type=float, default=0.0, help="seconds between the pieces of an answer")
    parser.add_argument("--record", type=Path, help="folder to write each request body to")
    return parser.parse_args(words)


def main(words: Sequence[str] | None = None) -> int:
    """Runs the server as a process. Exit 0 when stopped, 1 if the address cannot be used, 2 for bad arguments."""
    try:
        asyncio.run(_run(ScriptedModel(**vars(_options(words)))))
    except OSError as error:
        sys.stderr.write(f"Cannot listen: {error}. Choose another --port, or 0 for a free one.\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
