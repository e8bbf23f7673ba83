"""The bodies of records as they lie in a store that bills by the kilobyte: larger ones deflated, with a dictionary.

    a stored body: as it is | mark "OLR1" | zlib stream over `WORDS`

Standard library only: functions that have no other read records, too.
"""

from __future__ import annotations

import zlib

from outlive.core.limits import BODY_BYTES
from outlive.errors import Corrupt

MARK = b"OLR1"
"""The figure is the dictionary's; a body that begins with the mark by itself is always deflated."""
PACK_FROM = 512
"""Bytes. A smaller body and what lies beside it (key, version, lease, times: 150 bytes) fit into one kilobyte."""
WORDS = (
    b'{"schema":1,"session_key":"","session_id":"","chat_id":"","thread_id":"","ttl":"former":[["approval":null,'
    b'"lifted_rules":[],"options":{},"left":["0123456789abcdef,1521,1519,1523,260,240,1517,"outbox":[],"outbox":[["","",'
    b'"summary":{"title":""{"session_id":"","key":":default","created_at":17,"updated_at":17,"version":,'
    b'"agent_session_id":"-4,"agent_session_id":null,"profile":"default","prompt_version":"","clean_fence":,"lineage":0,'
    b'"ledger_size":,"answered_until":0,"region":"local","last_active_region":"local","schema":1,"packs":[['
    b'"00000001-00000001-0001",0],["0000000","answered":["",[1,1,1,1,1,1,1,1,1,1,1,1]],"outbox":[],"summary":{"title":"",'
    b'"turns":1,"usd":0.0,"input_tokens":,"output_tokens":,"cache_read_tokens":0,"cache_write_tokens":0,"agent_turns":,'
    b'"seconds":0.0}}'
)
"""What a session's head always says. Frozen: stored bodies open with these very bytes, others need another mark."""
LEVEL, WINDOW, MEMORY = 6, 13, 6
"""A window of 8 KB, which holds the dictionary and a head: zlib's usual 32 KB cost three times the time."""


def pack(body: bytes) -> bytes:
    """The body as stored: deflated where that is shorter."""
    is_marked = body.startswith(MARK)
    if len(body) < PACK_FROM and not is_marked:
        return body
    deflate = zlib.compressobj(LEVEL, zlib.DEFLATED, WINDOW, MEMORY, zdict=WORDS)
    packed = MARK + deflate.compress(body) + deflate.flush()
    return packed if is_marked or len(packed) < len(body) else body


def unpack(stored: bytes, name: str) -> bytes:
    """The body itself; `Corrupt` names the record when it was damaged, or would be longer than any record."""
    if not stored.startswith(MARK):
        return stored
    inflate = zlib.decompressobj(zdict=WORDS)
    try:
        body = inflate.decompress(stored[len(MARK) :], BODY_BYTES + 1)
    except zlib.error as error:
        raise _damaged(name) from error
    if len(body) > BODY_BYTES or not inflate.eof or inflate.unused_data:
        raise _damaged(name)
    return body


def _damaged(name: str) -> Corrupt:
    return Corrupt(f"record {name} does not unpack: its bytes were changed.", fix="Restore the table from a backup.")
