"""Every SQL statement of the SQLite family, named."""

from __future__ import annotations

from typing import Final

# ------------------------------------------------------------------------------------------- schema

APPLICATION_ID: Final = 0x6F75746C
"""Stored in the file's header ("outl"), so that another program's database is recognised as foreign."""

MIGRATIONS: Final[tuple[tuple[str, ...], ...]] = (
    # To 1. Bodies come last in each table: SQLite then reads the other columns without the overflow pages.
    (
        """
        CREATE TABLE records (
            key TEXT PRIMARY KEY,
            version INTEGER NOT NULL,
            fence INTEGER NOT NULL,
            owner TEXT,
            until REAL NOT NULL,
            expires_at REAL,
            body BLOB NOT NULL
        )
        """,
        # AUTOINCREMENT keeps a number from being used again, since message ids are made from it.
        # `head` marks the oldest message of each group, so that a look for work reads no blocked message.
        """
        CREATE TABLE messages (
            seq INTEGER PRIMARY KEY AUTOINCREMENT,
            grp TEXT NOT NULL,
            dedupe_id TEXT NOT NULL,
            head INTEGER NOT NULL,
            receives INTEGER NOT NULL DEFAULT 0,
            attempts INTEGER NOT NULL DEFAULT 0,
            sent_at REAL NOT NULL,
            visible_at REAL NOT NULL,
            receipt TEXT,
            reason TEXT NOT NULL DEFAULT '',
            body BLOB NOT NULL
        )
        """,
        "CREATE INDEX messages_by_group ON messages (grp, seq)",
        "CREATE INDEX messages_at_head ON messages (seq, visible_at) WHERE head",
        """
        CREATE TABLE dead_letters (
            id TEXT PRIMARY KEY,
            grp TEXT NOT NULL,
            dedupe_id TEXT NOT NULL,
            receives INTEGER NOT NULL,
            died_at REAL NOT NULL,
            reason TEXT NOT NULL,
            body BLOB NOT NULL
        )
        """,
        """
        CREATE TABLE sent (
            grp TEXT NOT NULL,
            dedupe_id TEXT NOT NULL,
            sent_at REAL NOT NULL,
            PRIMARY KEY (grp, dedupe_id)
        ) WITHOUT ROWID
        """,
        "CREATE INDEX sent_by_time ON sent (sent_at)",
    ),
)
"""Step n brings a file from schema n to n + 1; the length is the schema this outlive knows."""

# -------------------------------------------------------------------------------------------- table

READ_RECORD: Final = """
    SELECT key, body, version, fence, owner, until, expires_at FROM records WHERE key = :key
"""

CREATE_RECORD: Final = """
    INSERT INTO records (key, version, fence, owner, until, expires_at, body)
    VALUES (:key, 1, :fence, :owner, :until, :expires_at, :body)
    ON CONFLICT (key) DO NOTHING
"""

UPDATE_RECORD: Final = """
    UPDATE records SET body = :body, expires_at = :expires_at, version = version + 1
    WHERE key = :key AND version = :version AND fence = :fence
"""

UPDATE_RECORD_AND_LEASE: Final = """
    UPDATE records
    SET body = :body, expires_at = :expires_at, version = version + 1, owner = :owner, until = :until
    WHERE key = :key AND version = :version AND fence = :fence
"""

UPDATE_RECORD_AND_FENCE: Final = """
    UPDATE records
    SET body = :body, expires_at = :expires_at, version = version + 1, fence = :raised, owner = :owner, until = :until
    WHERE key = :key AND version = :version AND fence = :fence
"""

ACQUIRE_LEASE: Final = """
    UPDATE records SET version = version + 1, fence = fence + 1, owner = :owner, until = :until
    WHERE key = :key AND (owner IS NULL OR owner = :owner OR until <= :now)
"""

DELETE_RECORD: Final = """
    DELETE FROM records WHERE key = :key AND version = :version AND fence = :fence
"""

# TEXT is compared as UTF-8 bytes, whose order is the order of code points.
SCAN_RECORDS: Final = """
    SELECT key, body, version, fence, owner, until, expires_at FROM records
    WHERE key >= :prefix AND key > :after ORDER BY key LIMIT :limit
"""

# -------------------------------------------------------------------------------------------- queue

# A few at a time: a send stays short however many have grown old.
FORGET_SENT: Final = """
    DELETE FROM sent WHERE (grp, dedupe_id) IN (
        SELECT grp, dedupe_id FROM sent WHERE sent_at <= :before ORDER BY sent_at LIMIT 100
    )
"""

# The second send of a pair inside the window changes no row; one that has grown old starts a new window.
REMEMBER_SENT: Final = """
    INSERT INTO sent (grp, dedupe_id, sent_at) VALUES (:grp, :dedupe_id, :now)
    ON CONFLICT (grp, dedupe_id) DO UPDATE SET sent_at = excluded.sent_at WHERE sent_at <= :before
"""

ENQUEUE: Final = """
    INSERT INTO messages (grp, dedupe_id, head, sent_at, visible_at, body)
    VALUES (:grp, :dedupe_id, NOT EXISTS (SELECT 1 FROM messages WHERE grp = :grp), :now, :now, :body)
"""

FIRST_DELIVERABLE: Final = """
    SELECT seq, grp, dedupe_id, body, receives, attempts, sent_at, reason FROM messages
    WHERE head AND visible_at <= :now ORDER BY seq LIMIT 1
"""

DELIVER: Final = """
    UPDATE messages
    SET receives = receives + 1, attempts = attempts + 1, visible_at = :until, receipt = :receipt
    WHERE seq = :seq
"""

EXTEND: Final = """
    UPDATE messages SET visible_at = :until WHERE seq = CAST(:id AS INTEGER) AND receipt = :receipt
"""

GIVE_BACK: Final = """
    UPDATE messages SET visible_at = :at, receipt = NULL, reason = :reason, receives = receives - :taken_back
    WHERE seq = CAST(:id AS INTEGER) AND receipt = :receipt
"""

ACK: Final = """
    DELETE FROM messages WHERE seq = CAST(:id AS INTEGER) AND receipt = :receipt
"""

REMOVE: Final = """
    DELETE FROM messages WHERE seq = :seq
"""

PROMOTE: Final = """
    UPDATE messages SET head = 1 WHERE seq = (SELECT MIN(seq) FROM messages WHERE grp = :grp)
"""

BURY: Final = """
    INSERT INTO dead_letters (id, grp, dedupe_id, receives, died_at, reason, body)
    VALUES (:id, :grp, :dedupe_id, :receives, :now, :reason, :body)
"""

LIST_WAITING: Final = """
    SELECT grp, dedupe_id, body FROM messages
    WHERE grp = :grp AND (receipt IS NULL OR visible_at <= :now) ORDER BY seq LIMIT :limit
"""

LIST_DEAD: Final = """
    SELECT id, grp, dedupe_id, body, receives, died_at, reason FROM dead_letters
    WHERE id > :after ORDER BY id LIMIT :limit
"""

READ_DEAD: Final = """
    SELECT grp, dedupe_id, body FROM dead_letters WHERE id = :id
"""

REMOVE_DEAD: Final = """
    DELETE FROM dead_letters WHERE id = :id
"""

# Only the head of a group can be in flight.
DEPTH: Final = """
    SELECT
        (SELECT COUNT(*) FROM messages),
        (SELECT COUNT(*) FROM messages WHERE head AND visible_at > :now AND receipt IS NOT NULL),
        (SELECT COUNT(*) FROM dead_letters),
        (SELECT MIN(sent_at) FROM messages WHERE NOT (head AND visible_at > :now AND receipt IS NOT NULL))
"""
