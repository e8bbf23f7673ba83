"""Every SQL statement of the PostgreSQL family, named."""

from __future__ import annotations

from typing import Final, LiteralString

# ------------------------------------------------------------------------------------------- schema

MIGRATIONS: Final[tuple[tuple[LiteralString, ...], ...]] = (
    # To 1. Keys are BYTEA in UTF-8: their order is the order of code points under every collation, and a NUL,
    # which TEXT refuses, is stored like any other character.
    (
        """
        CREATE TABLE records (
            key BYTEA PRIMARY KEY,
            version BIGINT NOT NULL,
            fence BIGINT NOT NULL,
            owner BYTEA,
            until DOUBLE PRECISION NOT NULL,
            expires_at DOUBLE PRECISION,
            body BYTEA NOT NULL
        )
        """,
        # Bodies are compressed by us or too small to gain from it.
        "ALTER TABLE records ALTER COLUMN body SET STORAGE EXTERNAL",
        # `head` marks the oldest message of each group, so that a look for work reads no blocked message.
        """
        CREATE TABLE messages (
            seq BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            grp BYTEA NOT NULL,
            dedupe_id BYTEA NOT NULL,
            head BOOLEAN NOT NULL,
            receives INTEGER NOT NULL DEFAULT 0,
            attempts INTEGER NOT NULL DEFAULT 0,
            sent_at DOUBLE PRECISION NOT NULL,
            visible_at DOUBLE PRECISION NOT NULL,
            receipt TEXT,
            reason BYTEA NOT NULL DEFAULT '',
            body BYTEA NOT NULL
        )
        """,
        "CREATE INDEX messages_by_group ON messages (grp, seq)",
        # Unique: should two messages of one group ever be deliverable at once, the database refuses.
        "CREATE UNIQUE INDEX messages_one_head ON messages (grp) WHERE head",
        "CREATE INDEX messages_at_head ON messages (seq) INCLUDE (visible_at) WHERE head",
        """
        CREATE TABLE dead_letters (
            id TEXT PRIMARY KEY,
            grp BYTEA NOT NULL,
            dedupe_id BYTEA NOT NULL,
            receives INTEGER NOT NULL,
            died_at DOUBLE PRECISION NOT NULL,
            reason BYTEA NOT NULL,
            body BYTEA NOT NULL
        )
        """,
        """
        CREATE TABLE sent (
            grp BYTEA NOT NULL,
            dedupe_id BYTEA NOT NULL,
            sent_at DOUBLE PRECISION NOT NULL,
            PRIMARY KEY (grp, dedupe_id)
        )
        """,
        "CREATE INDEX sent_by_time ON sent (sent_at)",
    ),
    # To 2. Objects of the archive. Rows are inserted and deleted; nobody needs the right to update one.
    (
        """
        CREATE TABLE objects (
            key BYTEA PRIMARY KEY,
            stored_at DOUBLE PRECISION NOT NULL,
            body BYTEA NOT NULL
        )
        """,
    ),
)
"""Step n brings a database from schema n to n + 1; the length is the schema this outlive knows."""

# Weaker than `on`, and an acknowledged turn can be lost with the server; stronger is the operator's choice.
BEGIN_SESSION: Final = """
    SELECT set_config('search_path', {schema}, false);
    SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off';
"""

# Two workers that start at once must not both migrate. The number is "outl" in ASCII.
LOCK_MIGRATION: Final = "SELECT pg_advisory_xact_lock(1870691436)"

READ_SCHEMA: Final = "SELECT version FROM schema_version"

CREATE_SCHEMA_VERSION: Final = "CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL)"

CLEAR_SCHEMA: Final = "DELETE FROM schema_version"

WRITE_SCHEMA: Final = "INSERT INTO schema_version (version) VALUES (%(version)s)"

PING: Final = "SELECT 1"

# -------------------------------------------------------------------------------------------- table

READ_RECORD: Final = """
    SELECT key, body, version, fence, owner, until, expires_at FROM records WHERE key = %(key)s
"""

CREATE_RECORD: Final = """
    INSERT INTO records (key, version, fence, owner, until, expires_at, body)
    VALUES (%(key)s, 1, %(fence)s, %(owner)s, %(until)s, %(expires_at)s, %(body)s)
    ON CONFLICT (key) DO NOTHING
    RETURNING key, body, version, fence, owner, until, expires_at
"""

UPDATE_RECORD: Final = """
    UPDATE records SET body = %(body)s, expires_at = %(expires_at)s, version = version + 1
    WHERE key = %(key)s AND version = %(version)s AND fence = %(fence)s
    RETURNING key, body, version, fence, owner, until, expires_at
"""

UPDATE_RECORD_AND_LEASE: Final = """
    UPDATE records
    SET body = %(body)s, expires_at = %(expires_at)s, version = version + 1, owner = %(owner)s, until = %(until)s
    WHERE key = %(key)s AND version = %(version)s AND fence = %(fence)s
    RETURNING key, body, version, fence, owner, until, expires_at
"""

UPDATE_RECORD_AND_FENCE: Final = """
    UPDATE records
    SET body = %(body)s, expires_at = %(expires_at)s, version = version + 1, fence = %(raised)s, owner = %(owner)s,
        until = %(until)s
    WHERE key = %(key)s AND version = %(version)s AND fence = %(fence)s
    RETURNING key, body, version, fence, owner, until, expires_at
"""

ACQUIRE_LEASE: Final = """
    UPDATE records SET version = version + 1, fence = fence + 1, owner = %(owner)s, until = %(until)s
    WHERE key = %(key)s AND (owner IS NULL OR owner = %(owner)s OR until <= %(now)s)
    RETURNING key, body, version, fence, owner, until, expires_at
"""

DELETE_RECORD: Final = """
    DELETE FROM records WHERE key = %(key)s AND version = %(version)s AND fence = %(fence)s RETURNING key
"""

SCAN_RECORDS: Final = """
    SELECT key, body, version, fence, owner, until, expires_at FROM records
    WHERE key >= %(prefix)s AND key > %(after)s ORDER BY key LIMIT %(limit)s
"""

# ------------------------------------------------------------------------------------------- objects

CREATE_OBJECT: Final = """
    INSERT INTO objects (key, stored_at, body) VALUES (%(key)s, %(at)s, %(body)s)
    ON CONFLICT (key) DO NOTHING RETURNING key
"""

READ_OBJECT: Final = "SELECT body FROM objects WHERE key = %(key)s"

LIST_OBJECTS: Final = """
    SELECT key, octet_length(body), stored_at FROM objects
    WHERE key >= %(prefix)s AND key > %(after)s ORDER BY key LIMIT %(limit)s
"""

DELETE_OBJECTS: Final = "DELETE FROM objects WHERE key = ANY(%(keys)s) RETURNING key"

# -------------------------------------------------------------------------------------------- queue

# Sends, acknowledgements and burials of one group come one after the other: numbers then become visible in
# their own order, and exactly one message is at the head.
LOCK_GROUP: Final = "SELECT pg_advisory_xact_lock(hashtextextended(encode(%(grp)s::bytea, 'hex'), 0))"

# A few at a time: a send stays short however many have grown old.
FORGET_SENT: Final = """
    DELETE FROM sent WHERE (grp, dedupe_id) IN (
        SELECT grp, dedupe_id FROM sent WHERE sent_at <= %(before)s ORDER BY sent_at LIMIT 100 FOR UPDATE SKIP LOCKED
    )
"""

# The second send of a pair inside the window changes no row; one that has grown old starts a new window.
REMEMBER_SENT: Final = """
    INSERT INTO sent AS old (grp, dedupe_id, sent_at) VALUES (%(grp)s, %(dedupe_id)s, %(now)s)
    ON CONFLICT (grp, dedupe_id) DO UPDATE SET sent_at = excluded.sent_at WHERE old.sent_at <= %(before)s
    RETURNING sent_at
"""

ENQUEUE: Final = """
    INSERT INTO messages (grp, dedupe_id, head, sent_at, visible_at, body)
    VALUES (
        %(grp)s, %(dedupe_id)s, NOT EXISTS (SELECT 1 FROM messages WHERE grp = %(grp)s), %(now)s, %(now)s, %(body)s
    )
"""

HAS_DELIVERABLE: Final = """
    SELECT 1 FROM messages WHERE head AND visible_at <= %(now)s LIMIT 1
"""

FIRST_DELIVERABLE: Final = """
    SELECT seq, grp, dedupe_id, body, receives, attempts, sent_at, reason FROM messages
    WHERE head AND visible_at <= %(now)s ORDER BY seq LIMIT 1 FOR UPDATE SKIP LOCKED
"""

DELIVER: Final = """
    UPDATE messages
    SET receives = receives + 1, attempts = attempts + 1, visible_at = %(until)s, receipt = %(receipt)s
    WHERE seq = %(seq)s
"""

EXTEND: Final = """
    UPDATE messages SET visible_at = %(until)s WHERE seq = %(seq)s AND receipt = %(receipt)s RETURNING seq
"""

GIVE_BACK: Final = """
    UPDATE messages
    SET visible_at = %(at)s, receipt = NULL, reason = %(reason)s, receives = receives - %(taken_back)s
    WHERE seq = %(seq)s AND receipt = %(receipt)s RETURNING seq
"""

ACK: Final = """
    DELETE FROM messages WHERE seq = %(seq)s AND receipt = %(receipt)s RETURNING seq
"""

REMOVE: Final = "DELETE FROM messages WHERE seq = %(seq)s"

PROMOTE: Final = """
    UPDATE messages SET head = TRUE
    WHERE seq = (SELECT MIN(seq) FROM messages WHERE grp = %(grp)s) AND NOT head
"""

BURY: Final = """
    INSERT INTO dead_letters (id, grp, dedupe_id, receives, died_at, reason, body)
    VALUES (%(id)s, %(grp)s, %(dedupe_id)s, %(receives)s, %(now)s, %(reason)s, %(body)s)
"""

LIST_WAITING: Final = """
    SELECT grp, dedupe_id, body FROM messages
    WHERE grp = %(grp)s AND (receipt IS NULL OR visible_at <= %(now)s) ORDER BY seq LIMIT %(limit)s
"""

LIST_DEAD: Final = """
    SELECT id, grp, dedupe_id, body, receives, died_at, reason FROM dead_letters
    WHERE id COLLATE "C" > %(after)s ORDER BY id COLLATE "C" LIMIT %(limit)s
"""

TAKE_DEAD: Final = "DELETE FROM dead_letters WHERE id = %(id)s RETURNING grp, dedupe_id, body"

# Only the head of a group can be in flight.
DEPTH: Final = """
    SELECT
        (SELECT COUNT(*) FROM messages),
        (SELECT COUNT(*) FROM messages WHERE head AND visible_at > %(now)s AND receipt IS NOT NULL),
        (SELECT COUNT(*) FROM dead_letters),
        (SELECT MIN(sent_at) FROM messages WHERE NOT (head AND visible_at > %(now)s AND receipt IS NOT NULL))
"""
