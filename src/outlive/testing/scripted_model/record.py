"""What the scripted model was asked: recorded requests, how many of each kind, and a way to wait for one."""

from __future__ import annotations

import asyncio
import re
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from outlive.testing.scripted_model.answers import Json
from outlive.testing.scripted_model.http import HttpRequest

KEPT_REQUESTS = 200
_SECRETS = {"x-api-key", "authorization", "proxy-authorization", "cookie", "x-amz-security-token"}


@dataclass(slots=True)
class RecordedRequest:
    """One request that reached the server. `status` is None until it is answered."""

    number: int
    kind: str
    """turn, subagent, summary, title, probe, count_tokens, or rejected (never reached the model)."""
    headers: Mapping[str, str]
    """In lower case, with secrets replaced by "removed"; of a signed request, who signed it for what remains."""
    body: Json
    status: int | None = None

    @property
    def session(self) -> str | None:
        """The CLI's session id."""
        return self.headers.get("x-claude-code-session-id")

    def to_json(self, *, body: bool) -> Json:
        told = {"number": self.number, "kind": self.kind, "status": self.status, "session": self.session}
        return {**told, "body": self.body} if body else told


class Recorder:
    """Keeps the last `KEPT_REQUESTS` requests, and counts them all."""

    def __init__(self, folder: Path | None = None) -> None:
        self.requests: deque[RecordedRequest] = deque(maxlen=KEPT_REQUESTS)
        self.counts: Counter[str] = Counter()
        self._folder = folder
        self._changed = asyncio.Condition()

    async def arrived(self, request: HttpRequest, kind: str, body: Json) -> RecordedRequest:
        """Records a request as it comes in; its status is filled in by `answered`."""
        headers = {name: _told(value) if name in _SECRETS else value for name, value in request.headers.items()}
        self.counts[kind] += 1
        recorded = RecordedRequest(self.counts.total(), kind, headers, body)
        self.requests.append(recorded)
        if self._folder:
            await asyncio.to_thread(self._write, self._folder, recorded, request.body)
        await self._notify()
        return recorded

    async def answered(self, recorded: RecordedRequest, status: int) -> None:
        """Notes that the answer begins."""
        recorded.status = status
        await self._notify()

    async def wait_for(self, count: int, kind: str) -> None:
        """Returns once `count` requests of `kind` have arrived."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.counts[kind] >= count)

    def to_json(self, *, bodies: bool) -> Json:
        """The counters and the recorded requests, for other processes."""
        return {
            "total": self.counts.total(),
            "by_kind": dict(self.counts),
            "requests": [recorded.to_json(body=bodies) for recorded in self.requests],
        }

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    def _write(self, folder: Path, recorded: RecordedRequest, raw: bytes) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{recorded.number:05d}-{recorded.kind}.json").write_bytes(raw)


def _told(value: str) -> str:
    """What may be kept of a credential: of a signature its scope, which is in no way secret."""
    scope = re.search(r"Credential=[\w./-]+", value)
    return f"removed {scope[0]}" if scope else "removed"
