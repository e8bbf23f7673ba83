"""Token counts: a fixed estimate of four bytes a token, and a prompt cache that works on the request's real bytes.

Rules of the cache, after Anthropic's prompt caching guide: the prompt is tools, then system, then messages; a
`cache_control` mark ends a prefix that is kept for 5 minutes (or 1 hour, by its ttl) from its last use; a mark also
finds prefixes kept up to 20 blocks before it; prefixes below a minimum are not kept; models do not share.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from outlive.testing.scripted_model.answers import Json
from outlive.testing.scripted_model.request import blocks

TOKEN_BYTES = 4
LEAST_CACHED_TOKENS = 1024
_LOOK_BACK_BLOCKS = 20
_TTL_SECONDS = {"5m": 300.0, "1h": 3600.0}
_ATTRIBUTION = "x-anthropic-billing-header:"


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one answer; the four kinds of input add up to the whole prompt."""

    fresh: int
    written_5m: int
    written_1h: int
    read: int
    output: int = 0

    @property
    def prompt(self) -> int:
        return self.fresh + self.written_5m + self.written_1h + self.read


@dataclass(frozen=True, slots=True)
class _Prefix:
    """The prompt up to and including one block."""

    digest: bytes
    tokens: int
    ttl: str | None
    """How long to keep it; None where the request sets no mark."""


class PrefixCache:
    """The prompt prefixes that one server has seen marked, and how long it keeps them."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kept: dict[bytes, tuple[float, str]] = {}

    def charge(self, body: Json) -> Usage:
        """What `body` reads from the cache and writes to it; its marked prefixes are kept from now on."""
        prefixes = list(_prefixes(body))
        marks = [n for n, prefix in enumerate(prefixes) if prefix.ttl]
        hit = max((self._nearest(prefixes, mark) for mark in marks), default=-1)
        read = prefixes[hit].tokens if hit >= 0 else 0
        written = {"5m": 0, "1h": 0}
        covered = read
        for prefix in (prefixes[mark] for mark in marks):
            if prefix.ttl and prefix.tokens >= LEAST_CACHED_TOKENS:
                written[prefix.ttl] += max(0, prefix.tokens - covered)
                covered = max(covered, prefix.tokens)
                self._keep(prefix.digest, prefix.ttl)
        fresh = (prefixes[-1].tokens if prefixes else 0) - covered
        return Usage(fresh, written["5m"], written["1h"], read)

    def _nearest(self, prefixes: list[_Prefix], mark: int) -> int:
        """The longest kept prefix that the mark at `mark` can find, or -1."""
        for position in range(mark, max(-1, mark - _LOOK_BACK_BLOCKS), -1):
            digest = prefixes[position].digest
            until, ttl = self._kept.get(digest, (0.0, ""))
            if until > self._clock():
                self._keep(digest, ttl)
                return position
        return -1

    def _keep(self, digest: bytes, ttl: str) -> None:
        now = self._clock()
        self._kept = {kept: entry for kept, entry in self._kept.items() if entry[0] > now}
        self._kept[digest] = (now + _TTL_SECONDS[ttl], ttl)


def count_tokens(body: Json) -> int:
    """The tokens of a prompt, by the estimate."""
    return sum(tokens_of(part) for part, _ in _parts(body))


def tokens_of(part: object) -> int:
    """The estimate for one piece: its bytes (of the text, or else of the JSON) over four, rounded up."""
    text = part if isinstance(part, str) else json.dumps(part, ensure_ascii=False)
    return -(-len(text.encode(errors="surrogatepass")) // TOKEN_BYTES)


def _prefixes(body: Json) -> Iterator[_Prefix]:
    digest = hashlib.sha256(str(body.get("model")).encode(errors="surrogatepass"))
    total = 0
    for part, ttl in _parts(body):
        digest.update(json.dumps(part, sort_keys=True).encode() + b"\n")
        total += tokens_of(part)
        yield _Prefix(digest.digest(), total, ttl)


def _parts(body: Json) -> Iterator[tuple[object, str | None]]:
    """Every block of the prompt in order, without its mark, and how long the mark asks to keep it."""
    parts = [*_tool_parts(body), *_system_parts(body), *_message_parts(body)]
    whole = _ttl(body)
    if whole and parts:
        parts[-1] = (parts[-1][0], whole)
    yield from parts


def _tool_parts(body: Json) -> Iterator[tuple[object, str | None]]:
    # Deferred tools are not part of the prefix: looking one up in mid-conversation must not cost the cache.
    for tool in body.get("tools") or ():
        if not tool.get("defer_loading"):
            yield _unmarked(tool), _ttl(tool)


def _system_parts(body: Json) -> Iterator[tuple[object, str | None]]:
    for block in blocks({"content": body.get("system")}):
        # The CLI's attribution line differs between sessions that share everything else, and the prompt proper
        # starts after it.
        if not block.get("text", "").startswith(_ATTRIBUTION):
            yield _unmarked(block), _ttl(block)


def _message_parts(body: Json) -> Iterator[tuple[object, str | None]]:
    for message in body["messages"]:
        for block in blocks(message):
            yield {"role": message["role"], **_unmarked(block)}, _ttl(block)


def _unmarked(part: Json) -> Json:
    return {name: value for name, value in part.items() if name != "cache_control"}


def _ttl(part: Json) -> str | None:
    mark = part.get("cache_control")
    return str(mark.get("ttl", "5m")) if mark else None
