"""What all AWS clients of one process share: the handlers of requests, and the certificates they trust.

A session registers some 120 handlers by looking at the signature of each (5 ms of CPU), and a client reads and parses
the bundle of root certificates (25 ms): more than all the requests of a cold start, and the same for every client.
"""

from __future__ import annotations

import copy
import os
import ssl
from functools import cache
from typing import Any

from aiobotocore.credentials import AioCredentialResolver, AioEnvProvider
from aiobotocore.hooks import AioHierarchicalEmitter
from aiobotocore.httpsession import AIOHTTPSession
from aiobotocore.session import AioSession
from botocore.httpsession import get_cert_path
from botocore.loaders import Loader

_MODELS = Loader()
"""Keeps the descriptions of the services, which take longer to read than a request."""

Context = ssl.SSLContext
_contexts: dict[tuple[str, int], Context] = {}


@cache
def _handlers() -> AioHierarchicalEmitter:
    emitter = AioHierarchicalEmitter()
    AioSession(event_hooks=emitter)  # registers in it what is built in
    return emitter


def new_session() -> AioSession:
    """A session with credentials of its own."""
    session = AioSession(event_hooks=copy.copy(_handlers()), include_builtin_handlers=False)
    session.register_component("data_loader", _MODELS)
    if os.environ.get(AioEnvProvider.ACCESS_KEY):
        # Where the environment has keys they go before all others, which need not be made ready to be asked (2 ms).
        session.register_component("credential_provider", AioCredentialResolver([AioEnvProvider()]))
    return session


class SharedTrust(AIOHTTPSession):  # type: ignore[misc]
    """Connections that trust the same root certificates by one context, read anew when their file has changed."""

    def _build_ssl_contexts(self, proxy_url: str | None) -> tuple[Context, Context | None]:
        bundle = get_cert_path(self._verify) if self._verify else None
        if proxy_url or self._cert_file or not bundle or os.path.isdir(bundle):
            return self._built(proxy_url)
        key = bundle, os.stat(bundle).st_mtime_ns
        if key not in _contexts:
            _contexts[key] = self._built(None)[0]
        return _contexts[key], None

    def _built(self, proxy_url: str | None) -> tuple[Context, Context | None]:
        parent: Any = super()
        contexts: tuple[Context, Context | None] = parent._build_ssl_contexts(proxy_url)
        return contexts
