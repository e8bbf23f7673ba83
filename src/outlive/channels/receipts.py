"""Which chunks of a reply have arrived: what keeps a repeat from sending them again."""

from __future__ import annotations

import json
import logging

from outlive.core.keys import message_digest, parse_session_key
from outlive.errors import Conflict, Unavailable
from outlive.protocols import Absent, At, Clock, Keep, Reply, Row, Table

KEPT_SECONDS = 24 * 3600.0

_log = logging.getLogger(__name__)


class Receipts:
    """One record per reply that needs more than one message, in the reply's own tenant; nothing for the others.

    A reply of one message has no record: whether it arrived is known when the head is written, right after.
    """

    def __init__(self, table: Table, clock: Clock) -> None:
        """Records are to be treated as gone after a day: no reply is repeated that late."""
        self._table, self._clock = table, clock
        self._rows: dict[str, Row] = {}

    async def count(self, reply: Reply) -> int:
        """How many chunks have arrived. `Unavailable` when nobody can say."""
        row = await self._table.read(_key(reply))
        if row is None or (row.expires_at or 0.0) <= self._clock.now():
            self._rows.pop(_key(reply), None)
            return 0
        self._rows[_key(reply)] = row
        return int(json.loads(row.body)["chunks"])

    async def note(self, reply: Reply, chunks: int) -> None:
        """So many have arrived. A record that cannot be written costs a repeat, not the reply: it is logged."""
        key, body = _key(reply), json.dumps({"chunks": chunks}).encode()
        row = self._rows.get(key)
        expected = At(row.version, row.fence) if row else Absent()
        expires = self._clock.now() + KEPT_SECONDS
        try:
            self._rows[key] = await self._table.write(key, body, expected=expected, lease=Keep(), expires_at=expires)
        except (Conflict, Unavailable) as error:
            _log.warning("chunk %d of a reply was sent, but not noted: %s", chunks, error.message)

    def forget(self, reply: Reply) -> None:
        """The reply is through: this process need not remember its record."""
        self._rows.pop(_key(reply), None)


def _key(reply: Reply) -> str:
    tenant = parse_session_key(reply.session_key).tenant
    return f"{tenant}/sent/{message_digest(f'{reply.session_key} {reply.message_id}')}"
