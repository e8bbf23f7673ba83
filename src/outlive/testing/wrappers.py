"""A wrapper around any object with async methods, for whoever wants to be asked before each call."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import Protocol, TypeVar, cast

T = TypeVar("T")

_END = object()


class Around(Protocol):
    """What stands between the caller and each awaited call."""

    async def __call__(self, name: str, arguments: tuple[object, ...], call: Callable[[], Awaitable[T]], /) -> T:
        """Await `call` or not, and return what the caller shall see."""
        ...


def wrap(target: T, name: str, around: Around, *, inner: Mapping[str, str] | None = None) -> T:
    """`target` with every awaited call led through `around`, which sees it as `name.method`.

    Each step of an async iterator is one awaited call. What is not async passes through. `inner` names methods
    whose results are wrapped too, and as what: `{"open": "workspace"}`.
    """
    return cast("T", _Wrapper(target, name, around, inner or {}))


class _Wrapper:
    def __init__(self, target: object, name: str, around: Around, inner: Mapping[str, str]) -> None:
        self._target = target
        self._name = name
        self._around = around
        self._inner = inner

    def __getattr__(self, attribute: str) -> object:
        value: object = getattr(self._target, attribute)
        if inspect.iscoroutinefunction(value):
            return self._awaited(attribute, value)  # not kept: a test may replace the method behind it
        if inspect.isasyncgenfunction(value):
            return self._iterated(attribute, value)
        return value

    def _awaited(self, attribute: str, method: Callable[..., Awaitable[object]]) -> Callable[..., Awaitable[object]]:
        async def call(*positional: object, **named: object) -> object:
            name, arguments = f"{self._name}.{attribute}", (*positional, *named.values())
            result = await self._around(name, arguments, lambda: method(*positional, **named))
            if attribute in self._inner:
                return wrap(result, self._inner[attribute], self._around)
            return result

        return call

    def _iterated(
        self, attribute: str, method: Callable[..., AsyncGenerator[object, None]]
    ) -> Callable[..., AsyncGenerator[object, None]]:
        async def iterate(*positional: object, **named: object) -> AsyncGenerator[object, None]:
            items = method(*positional, **named)
            name, arguments = f"{self._name}.{attribute}", (*positional, *named.values())
            try:
                while (item := await self._around(name, arguments, lambda: anext(items, _END))) is not _END:
                    yield item
            finally:
                await items.aclose()

        return iterate
