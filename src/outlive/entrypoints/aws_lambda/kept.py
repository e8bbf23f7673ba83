"""What a function's process keeps between invocations: an event loop, and an app that stays open."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any, TypeVar

from outlive.wiring import App

T = TypeVar("T")

KEEP_SECONDS = 2400.0
"""How old an app may get: a turn of 15 minutes that begins then still ends before its roles' hour is over."""


class Kept:
    """Opens the app in the first invocation, anew when it has got old, and after one that could not be opened."""

    def __init__(self, open_app: Callable[[], AbstractAsyncContextManager[App]]) -> None:
        """`open_app` as of `wiring`."""
        self._open_app = open_app
        self._runner: asyncio.Runner | None = None
        self._stack = AsyncExitStack()
        self._app: App | None = None
        self._opened_at = 0.0

    def run(self, call: Callable[[App], Coroutine[Any, Any, T]]) -> T:
        """What `call` returns for the app."""
        self._runner = self._runner or asyncio.Runner()
        return self._runner.run(self._with_app(call))

    def close(self) -> None:
        """Close the app and the loop; a later `run` opens them again."""
        if self._runner is not None:
            self._runner.run(self._stack.aclose())
            self._runner.close()
        self._runner, self._app = None, None

    async def _with_app(self, call: Callable[[App], Coroutine[Any, Any, T]]) -> T:
        if self._app is not None and time.time() - self._opened_at > KEEP_SECONDS:
            self._app = None
            await self._stack.aclose()
        if self._app is None:
            self._opened_at = time.time()
            self._app = await self._stack.enter_async_context(self._open_app())
        try:
            return await call(self._app)
        finally:  # frozen from here on, perhaps for ever
            if self._app.observed.flush is not None:
                await self._app.observed.flush()
