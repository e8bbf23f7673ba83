"""What every contestant of the benchmark offers, and the list of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

from bench.workload import Message, Turn


@dataclass(frozen=True, slots=True)
class History:
    """What a resume brought back: number of messages, and bytes of their text."""

    messages: int
    text_bytes: int

    @classmethod
    def of(cls, texts: Iterable[str]) -> History:
        """The history whose messages have these texts."""
        lengths = [len(text) for text in texts]
        return cls(len(lengths), sum(lengths))


class Contestant(Protocol):
    """One session in one store, driven by the calls that the library's own run loop makes.

    The worker calls `open` once, then any of the others in any order, then `close`. The handle that `open` made
    is kept across turns, as in a warm worker. For a resume the worker makes a new contestant and measures
    `open` and `resume` together, then, after `forget`, `resume` alone.
    """

    async def open(self, folder: Path) -> None:
        """Open the session kept in `folder`, or begin it there."""
        ...

    async def seed(self, turns: list[Turn]) -> None:
        """Store these turns in a new session by the fastest way the library documents. Never timed."""
        ...

    async def append_turn(self, user: Message, assistant: Message) -> None:
        """Everything the library's run loop does to its store for one turn. Durable, as it defines it, on return."""
        ...

    async def resume(self) -> History:
        """Bring the whole conversation into memory, as messages that the next model call could be made from."""
        ...

    async def forget(self) -> None:
        """Put the session out of memory, and what is kept of it on this machine off the disk; connections stay.

        The next `resume` has to bring it back as the first one did.
        """
        ...

    async def close(self) -> None:
        """Release every handle that `open` took."""
        ...


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the contest: its short name, its title in the tables, its module, the packages it stands on."""

    name: str
    title: str
    module: str
    packages: tuple[str, ...]
    scenario: str = "embedded"
    """Where it keeps what it keeps: one of SCENARIOS."""
    is_compacted: bool = False
    """Its agent compacts the conversation every COMPACTED_EVERY messages, and goes on with what follows."""

    def brings(self, messages: int) -> int:
        """How many messages a resume of a session of so many brings back."""
        return (messages - 1) % COMPACTED_EVERY + 1 if self.is_compacted else messages

    @property
    def is_peer(self) -> bool:
        """True for what runs in the peers' own environment, with the peers' interpreter."""
        return self.module.startswith("bench.peer_")

    def load(self) -> type[Contestant]:
        """The contestant's class, named CONTESTANT in its module. ImportError where its packages are absent."""
        return cast("type[Contestant]", import_module(self.module).CONTESTANT)


COMPACTED_EVERY = 400
"""Messages of 2 KB: some 200,000 tokens, the context of the agent's models."""

SCENARIOS = {
    "embedded": "Embedded: files and SQLite",
    "redis": "Hot tier: Redis",
    "postgres": "PostgreSQL",
    "aws": "S3 and DynamoDB",
}

ENTRIES = (
    Entry("outlive", "outlive, embedded", "bench.outlive_session", ("outlive",)),
    Entry(
        "outlive-compacted",
        "outlive, embedded, compacting",
        "bench.outlive_compacted",
        ("outlive",),
        is_compacted=True,
    ),
    Entry("openai", "OpenAI Agents SQLiteSession", "bench.peer_openai", ("openai-agents",)),
    Entry("strands", "Strands FileSessionManager", "bench.peer_strands", ("strands-agents",)),
    Entry(
        "langgraph",
        "LangGraph SqliteSaver",
        "bench.peer_langgraph",
        ("langgraph", "langgraph-checkpoint-sqlite"),
    ),
    Entry("adk", "Google ADK SqliteSessionService", "bench.peer_adk", ("google-adk",)),
    Entry("dbos", "DBOS, a workflow per turn", "bench.peer_dbos", ("dbos",)),
    Entry("outlive-hot", "outlive, PostgreSQL and Redis", "bench.outlive_hot", ("outlive",), "redis"),
    Entry("openai-redis", "OpenAI Agents RedisSession", "bench.peer_openai_redis", ("openai-agents", "redis"), "redis"),
    Entry("outlive-pg", "outlive, PostgreSQL", "bench.outlive_servers", ("outlive",), "postgres"),
    Entry(
        "openai-pg",
        "OpenAI Agents SQLAlchemySession",
        "bench.peer_openai_postgres",
        ("openai-agents", "sqlalchemy", "asyncpg"),
        "postgres",
    ),
    Entry(
        "langgraph-pg",
        "LangGraph PostgresSaver",
        "bench.peer_langgraph_postgres",
        ("langgraph", "langgraph-checkpoint-postgres"),
        "postgres",
    ),
    Entry(
        "adk-pg",
        "Google ADK DatabaseSessionService",
        "bench.peer_adk_postgres",
        ("google-adk", "sqlalchemy", "asyncpg"),
        "postgres",
    ),
    Entry("dbos-pg", "DBOS, a workflow per turn", "bench.peer_dbos_postgres", ("dbos",), "postgres"),
    Entry("outlive-aws", "outlive, S3 and DynamoDB", "bench.outlive_aws", ("outlive",), "aws"),
    Entry(
        "outlive-aws-compacted",
        "outlive, S3 and DynamoDB, compacting",
        "bench.outlive_aws_compacted",
        ("outlive",),
        "aws",
        is_compacted=True,
    ),
    Entry("claude-s3", "Claude SDK, layout of its S3 example", "bench.peer_claude_s3", ("boto3",), "aws"),
    Entry("strands-s3", "Strands S3SessionManager", "bench.peer_strands_s3", ("strands-agents",), "aws"),
    Entry(
        "langgraph-dynamodb",
        "LangGraph DynamoDBSaver",
        "bench.peer_langgraph_dynamodb",
        ("langgraph", "langgraph-checkpoint-aws"),
        "aws",
    ),
)
"""All of them; those beyond the embedded ones need servers, which `bench run --on` starts on this machine."""
