"""Anybody's `SessionStore`, named as `MODULE:FACTORY`."""

from __future__ import annotations

import inspect
import os
import sys
from importlib import import_module
from typing import Any

from outlive.errors import Invalid
from outlive.testing.concurrency import Subject

FIX = "Name it as MODULE:FACTORY, such as my_app.stores:make_store; each call makes one more handle on the same data."


def foreign_store(name: str) -> Subject:
    """What the factory makes, or the `Subject` that it is; `Invalid` when there is no such factory."""
    module_name, _, attribute = name.partition(":")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())  # as `python -m` would
    try:
        factory: Any = import_module(module_name)
    except ImportError as error:
        raise Invalid(f"{module_name!r} cannot be imported: {error}.", fix=FIX) from error
    for part in attribute.split("."):
        factory = getattr(factory, part, None)
    if isinstance(factory, Subject):
        return factory
    if not callable(factory):
        raise Invalid(f"{module_name!r} has no {attribute!r} that can be called.", fix=FIX)
    return Subject(lambda: _made(factory))


async def _made(factory: Any) -> Any:  # noqa: ANN401 - anybody's
    try:
        made = factory()
        store = await made if inspect.isawaitable(made) else made
    except Exception as error:
        raise Invalid(f"the factory failed: {type(error).__name__}: {error}.", fix=FIX) from error
    if isinstance(store, Subject):
        raise Invalid("the factory makes a Subject.", fix="Name the Subject itself, not a function that makes it.")
    for method in ("append", "load"):
        if not inspect.iscoroutinefunction(getattr(store, method, None)):
            raise Invalid(f"{type(store).__name__}.{method} is no coroutine function.", fix="Make it `async def`.")
    return store
