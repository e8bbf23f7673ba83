"""What every flow is given: the stores, the machine's workspaces, the agent, the clock and the policy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from outlive.core.compaction import DEFAULT_LIMIT
from outlive.core.controls import WhileBusy
from outlive.core.quotas import Quotas
from outlive.core.retention import Retention
from outlive.core.state import StateSchema
from outlive.core.state_filter import BUDGET, StateRules
from outlive.core.turns import CrashPolicy
from outlive.flows.knowledge.tool_caches import ToolCaches
from outlive.flows.limits.read_controls import Controls
from outlive.flows.regions.pair import RegionPair
from outlive.flows.tally import Tally
from outlive.flows.telemetry import Telemetry
from outlive.flows.tenant_stores import TenantStores, open_stores
from outlive.flows.turn.known_answers import KnownAnswers
from outlive.flows.turn.live_texts import LiveTexts
from outlive.flows.turn.running_turns import RunningTurns
from outlive.flows.turn.share_dictionary import Dictionaries
from outlive.protocols import (
    Agent,
    AgentTurn,
    Broadcast,
    Channel,
    Clock,
    FieldChooser,
    NewId,
    Objects,
    Queue,
    Table,
    TenantKeys,
    Workspaces,
)


@dataclass(frozen=True, slots=True)
class Policy:
    """How an engine behaves; every field is a setting."""

    lease_seconds: float = 30.0
    """How long a dead worker's session stays locked. Renewed at a third of it."""
    flush_seconds: float = 0.5
    """How much of a running turn a crash may lose; 2 on an object store."""
    on_crash: CrashPolicy = CrashPolicy.CONTINUE
    max_packs: int = DEFAULT_LIMIT
    """Live packs of a session, and so the requests of a cold start."""
    hydration: Literal["window", "full"] = "window"
    """What a resume brings to a machine without the tree: what the model needs, or everything."""
    keep_versions: int = 50
    """How many versions back fork, rewind and diff reach."""
    visibility_seconds: float = 30.0
    """How long a received message stays with its worker without a heartbeat."""
    grace_seconds: float = 20.0
    """How long a turn may go on after the worker was asked to stop."""
    handover_reserve_seconds: float = 20.0
    """How long before the end of an invocation a turn is handed over: time to store it, and to end the agent."""
    profile: str = "default"
    """The agent profile of new sessions."""
    memory: bool = False
    """Whether the agent has a memory folder, shared by the sessions of a tenant and profile."""
    debug: bool = False
    """Whether the agent's debug log of each turn is kept."""
    region: str = "local"
    while_busy: WhileBusy = WhileBusy.QUEUE
    stop_poll_seconds: float = 2.5
    """How soon a turn sees that it is stopped from another process, or that a message waits behind it."""
    live: bool = False
    """Whether the live text of every turn is written to the table."""
    live_seconds: float = 1.0
    """How often at most."""
    tend_seconds: float = 5.0
    """How often a worker looks for schedules and replies that are due."""
    statistics_seconds: float = 60.0
    """How often a process stores what it has counted for the statistics: as much may be lost when it dies."""
    give_up_seconds: float = 86400.0
    """How long after its first failure a reply is tried again."""
    quotas: Quotas = field(default_factory=Quotas)
    """What each tenant may use where its limits, and those for all, say nothing."""
    control_seconds: float | None = None
    """How old knowledge of the stored limits and the kill switch may be; None: there are none, nothing is read."""
    trace: bool = False
    """Whether the steps and times of each session's last turn are kept: a read and a write of the table per turn."""
    state_tokens: int = BUDGET
    """How much of the state goes with a message at most; 0: none of it."""
    preferences: bool = False
    """Whether the user's preferences go with a message, too: one more read of the table for each turn."""
    approval_seconds: float = 1800.0
    """How long a tool call waits for a person before it is no longer to be allowed."""
    retention: Retention = field(default_factory=Retention)
    """How long each class of what is kept beside the sessions is kept."""
    approvers: tuple[str, ...] = ()
    """Senders who may answer every question, beside the one whose message led to it."""
    models: tuple[str, ...] = ()
    """Those that a session may choose in place of its profile's or the worker's."""


class Spares(Protocol):
    """Agent processes that a worker starts before there is a session for them."""

    def begin(self, turn: AgentTurn) -> None:
        """This process works from now on: new sessions will begin with turns like this one."""
        ...

    def offer(self, profile: str) -> str | None:
        """The id for a new session of this profile whose process waits already; each is given out once."""
        ...


class NoSpares:
    """Nothing is started ahead."""

    def begin(self, turn: AgentTurn) -> None:
        """Nothing follows."""

    def offer(self, profile: str) -> str | None:  # noqa: ARG002 - the protocol's argument
        return None


@dataclass(frozen=True, slots=True)
class Engine:
    """One worker's hands."""

    table: Table
    objects: Objects
    queue: Queue
    workspaces: Workspaces
    agent: Agent
    clock: Clock
    new_id: NewId
    worker: str
    """Who this worker is, for people: host and process id."""
    policy: Policy = Policy()
    channels: Mapping[str, Channel] = field(default_factory=dict)
    dictionaries: Dictionaries = field(default_factory=Dictionaries)
    state_schema: StateSchema = field(default_factory=StateSchema)
    """What the application says about the state objects of its sessions."""
    state_rules: StateRules = field(default_factory=StateRules)
    """Which of their fields a message needs."""
    field_chooser: FieldChooser | None = None
    """A model that chooses them; None for the rules alone."""
    controls: Controls = field(default_factory=Controls)
    running: RunningTurns = field(default_factory=RunningTurns)
    live: LiveTexts = field(default_factory=LiveTexts)
    stale: Table | None = None
    """The table for reads that may be minutes old; None where nothing may."""
    archive: Objects | None = None
    """Where the archive is kept; None for the objects."""
    keys: TenantKeys | None = None
    """With which the stores seal what they keep; None where they do not."""
    broadcast: Broadcast | None = None
    """Passes live text on to other processes at once; None where they read the record."""
    regions: RegionPair | None = None
    """The stores of both regions, for those who look after them; None where there is one."""
    tool_caches: ToolCaches = field(default_factory=ToolCaches)
    tally: Tally = field(default_factory=Tally)
    """What the statistics have not been told yet."""
    telemetry: Telemetry = field(default_factory=Telemetry)
    """Whom it tells what happens."""
    answers: KnownAnswers = field(default_factory=KnownAnswers)
    """What it knows of messages that were answered long ago."""
    spares: Spares = field(default_factory=NoSpares)
    """What waits for new sessions."""
    told: set[str] = field(default_factory=set)
    """Dead letters whose senders are known to have been told."""

    def stores(self, tenant: str) -> TenantStores:
        """The stores, opened for a tenant."""
        return open_stores(self.table, self.objects, tenant, self.archive, self.stale)
