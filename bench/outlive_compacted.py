"""outlive with an agent that compacts its conversation, embedded and on AWS: a resume brings the window, not all."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

from bench.contest import COMPACTED_EVERY
from bench.outlive_aws import OutliveAws
from bench.outlive_session import OutliveEmbedded, Scribe, message_content, read_history

SUMMARY = "This session is being continued from a previous conversation that ran out of context. " * 40
"""3.4 KB, as long as a short one of the CLI's."""


class CompactingScribe(Scribe):
    """Writes the CLI's boundary and a summary before the message for which the context has no room."""

    def __init__(self) -> None:
        super().__init__()
        self._since: int | None = None

    def lines(self, path: Path) -> Iterator[str]:
        """What the transcript gets, compactions included."""
        if self._since is None:
            self._since = read_history(path.parents[3]).messages if path.exists() else 0
        for message in self.messages:
            if self._since == COMPACTED_EVERY:
                yield from self._compaction(message.id)
                self._since = 0
            yield self.line(message.id, message.role, message_content(message))
            self._since += 1

    def _compaction(self, before: str) -> Iterator[str]:
        boundary, summary = (str(uuid.uuid5(uuid.UUID(before), name)) for name in ("boundary", "summary"))
        metadata = {"trigger": "auto", "preTokens": 200_000}
        parent, self._parent = self._parent, None
        more = {"subtype": "compact_boundary", "logicalParentUuid": parent, "compactMetadata": metadata}
        yield self.line(boundary, "system", "Conversation compacted", **more)
        yield self.line(summary, "user", SUMMARY, isCompactSummary=True, compactMetadata={})


class OutliveCompacted(OutliveEmbedded):
    """On SQLite and a folder."""

    def scribe(self) -> Scribe:
        """Who stands where the agent stands."""
        return CompactingScribe()


class OutliveAwsCompacted(OutliveAws):
    """On S3 and DynamoDB."""

    def scribe(self) -> Scribe:
        """Who stands where the agent stands."""
        return CompactingScribe()


CONTESTANT = OutliveCompacted
