"""Settings in, a running app out: the only module that knows every folder."""

from __future__ import annotations

import asyncio
import os
import socket
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from outlive.agents.credentials import KeyPair, credential_source
from outlive.agents.field_chooser import ModelFieldChooser
from outlive.agents.isolation import Isolation, choose_isolation
from outlive.agents.models import ModelSettings, model_variables
from outlive.agents.profiles import Profile, Profiles, load_folder
from outlive.agents.program import find_cli
from outlive.agents.residents import Residents
from outlive.agents.starter_profile import write_starter
from outlive.agents.tree import IGNORED
from outlive.agents.workspace import DiskWorkspaces, Slot
from outlive.clock import SystemClock, new_id
from outlive.core.controls import WhileBusy
from outlive.core.keys import SessionKey, parse_session_key, parse_tenant
from outlive.core.metrics import TELEMETRY_FAULTS, WARM, Update
from outlive.core.quotas import NAMES as QUOTAS
from outlive.core.quotas import Quotas
from outlive.core.retention import Retention
from outlive.core.turns import CrashPolicy
from outlive.databases import embedded_file, take_bedrock_keys
from outlive.errors import AgentFailed, Invalid
from outlive.flows.engine import Engine, NoSpares, Policy
from outlive.flows.limits.read_gauges import read_gauges
from outlive.flows.limits.statistics import flush_statistics
from outlive.flows.run_turn import Turn
from outlive.flows.session_store.store import SessionStore
from outlive.flows.tenant_stores import TenantStores
from outlive.flows.turn.ask_agent import ask_agent
from outlive.live_agent import open_claude, open_spares, open_warm
from outlive.observing import Observed, open_telemetry
from outlive.protocols import Agent, AgentEvent, AgentTurn, FieldChooser, OnEvent
from outlive.settings import Settings, load_settings
from outlive.stores import open_stores
from outlive.testing.counting import Counts, counting
from outlive.vendors import open_channels

__all__ = [
    "IGNORED",
    "App",
    "Profile",
    "choose_model",
    "embedded_file",
    "open_app",
    "open_at_rest",
    "open_session_store",
]

SCRIPTED = "scripted"
MODEL_FIX = (
    "Set ANTHROPIC_API_KEY (or CLAUDE_CODE_USE_BEDROCK=1, or BEDROCK_ACCESS_KEY_ID and BEDROCK_SECRET_ACCESS_KEY), "
    "or pass --model scripted for the built-in stand-in."
)


@dataclass(frozen=True, slots=True)
class App:
    """Everything that runs in one process."""

    settings: Settings
    engine: Engine
    model: ModelSettings
    counts: Counts
    """Requests and bytes to the stores so far."""
    beside: Engine
    """The same engine for what goes on beside the turns: its requests are not counted."""
    observed: Observed = field(default_factory=Observed)
    resting: Callable[[], int] = int
    """Agent processes that rest between turns."""

    @property
    def stores(self) -> TenantStores:
        """The stores, opened for the tenant of the settings."""
        return self.engine.stores(self.settings.tenant)

    async def metrics(self) -> str:
        """All metrics of this process, with the gauges of queue and outbox, as Prometheus reads them."""
        faults = [Update(TELEMETRY_FAULTS, count, (kind,)) for kind, count in self.engine.telemetry.take_faults()]
        for fault in faults:
            self.observed.registry.update(fault)
        return self.observed.registry.render([*await read_gauges(self.beside), Update(WARM, self.resting())])

    def key(self, text: str) -> SessionKey:
        """A session key as a person writes it, with this app's tenant where it names none."""
        return parse_session_key(text, tenant=self.settings.tenant)

    async def ask(
        self,
        key: str,
        text: str,
        *,
        message_id: str | None = None,
        task_id: str = "",
        wait_seconds: float = 60.0,
        on_event: OnEvent | None = None,
    ) -> Turn:
        """One turn of the session behind `key`, committed when this returns; see `flows.turn.ask_agent`."""
        return await ask_agent(
            self.engine,
            self.key(key),
            text,
            message_id=message_id,
            task_id=task_id,
            wait_seconds=wait_seconds,
            on_event=on_event,
        )


def choose_model(settings: Settings, *, stand_in: bool) -> ModelSettings:
    """Which model answers; `Invalid` when none is set up, unless `stand_in` lets the scripted model step in by itself.

    A model named without a key for it is refused rather than quietly replaced. A key pair for Bedrock alone chooses
    Bedrock; beside a key of the Anthropic API it takes `use_bedrock`.
    """
    if settings.model == SCRIPTED:
        return ModelSettings(provider="scripted")
    pair, key = _key_pair(settings), settings.anthropic_api_key
    named = {"haiku": settings.haiku_model, "sonnet": settings.sonnet_model, "opus": settings.opus_model}
    aliases = {alias: name for alias, name in named.items() if name}
    if settings.use_bedrock or (pair and key is None):
        return ModelSettings(
            provider="bedrock",
            model=settings.model or None,
            base_url=settings.bedrock_base_url,
            aliases=aliases,
            region=settings.bedrock_region or None,
            key_pair=pair,
        )
    if key is not None:
        return ModelSettings(
            "anthropic", settings.model or None, key.get_secret_value(), settings.anthropic_base_url, aliases=aliases
        )
    if settings.model:
        raise Invalid(f"model {settings.model!r} is asked for, but there is no key for it.", fix=MODEL_FIX)
    if stand_in:
        return ModelSettings(provider="scripted")
    raise Invalid("no model is set up.", fix=MODEL_FIX)


def _key_pair(settings: Settings) -> KeyPair | None:
    key, secret, token = (
        settings.bedrock_access_key_id,
        settings.bedrock_secret_access_key,
        settings.bedrock_session_token,
    )
    if key is None or secret is None:
        return None
    return KeyPair(key.get_secret_value(), secret.get_secret_value(), token.get_secret_value() if token else None)


def explain_model(model: ModelSettings) -> str:
    """The model and how it is reached, on one line; `Invalid` when it cannot be, with these settings."""
    variables = {} if model.provider == SCRIPTED else model_variables(model, os.environ)
    told = f"{model.provider}, {model.model or 'the default model'}"
    if model.provider != "bedrock":
        return told
    return f"{told}, {variables['AWS_REGION']}, credentials: {credential_source(model.key_pair, os.environ)}"


@asynccontextmanager
async def open_app(
    settings: Settings | None = None, *, stand_in: bool = False, agent: Agent | None = None
) -> AsyncIterator[App]:
    """Open every part that the settings name, and close what was opened, in reverse order, in the end.

    `agent` replaces the Claude agent (tests, benchmarks).
    """
    chosen = settings or load_settings()
    parse_tenant(chosen.tenant)
    async with AsyncExitStack() as stack:
        model = ModelSettings(provider="scripted") if agent else choose_model(chosen, stand_in=stand_in)
        if chosen.turn_role and model.provider == "bedrock" and model.key_pair is None:
            model = replace(model, key_pair=KeyPair(*await take_bedrock_keys(chosen, stack)))
        counts, observed = Counts(), open_telemetry(chosen, stack)
        isolation = Isolation() if agent else await asyncio.to_thread(isolation_here, chosen)
        stores = await open_stores(chosen, stack)
        table, queue, objects = stores.table, stores.queue, stores.objects
        residents = Residents[Slot]()
        reached = model if agent else await _reached(model, stack)
        workspaces = DiskWorkspaces(
            workspaces_folder(chosen), users=isolation.users, tenancy=isolation.tenancy, residents=residents
        )
        if agent is None:
            await workspaces.check()
        warm = None if agent else open_warm(chosen, isolation, residents)
        spares = open_spares(chosen, isolation, workspaces, warm)
        engine = Engine(
            table=counting(table, counts, "table"),
            objects=counting(objects, counts, "objects"),
            queue=counting(queue, counts, "queue"),
            workspaces=workspaces,
            agent=agent or open_claude(chosen, reached, isolation, warm, spares),
            clock=SystemClock(),
            new_id=new_id,
            worker=f"{socket.gethostname()}:{os.getpid()}",
            policy=_policy(chosen),
            field_chooser=None if agent else _field_chooser(chosen, reached),
            channels=open_channels(chosen, table, objects, stack),
            stale=stores.stale,
            archive=stores.archive,
            keys=stores.keys,
            broadcast=stores.broadcast,
            telemetry=observed.telemetry,
            regions=stores.regions,
            spares=spares or NoSpares(),
        )
        beside = replace(engine, table=table, objects=objects, queue=queue)
        stack.push_async_callback(flush_statistics, beside)
        stack.push_async_callback(engine.agent.close)
        yield App(chosen, engine, model, counts, beside, observed, lambda: residents.resting)


@asynccontextmanager
async def open_at_rest(settings: Settings | None = None) -> AsyncIterator[App]:
    """An app that runs no turn, to look at sessions and tend them: it needs no model."""
    async with open_app(settings, agent=_NoAgent()) as app:
        yield app


class _NoAgent:
    """Implements `protocols.Agent` where no turn is ever run."""

    async def run(self, turn: AgentTurn) -> AsyncGenerator[AgentEvent, None]:
        raise AgentFailed(f"the turn in {turn.root} cannot be run here.", fix="Run `outlive worker`.")
        yield  # type: ignore[unreachable]

    async def keep(self, root: Path, tree: str) -> None:
        """Nothing rests."""

    async def drop(self, root: Path, *, unless: str | None = None) -> None:
        """Nothing rests."""

    async def interrupt(self, root: Path) -> bool:  # noqa: ARG002 - the protocol's argument
        return False

    async def steer(self, root: Path, text: str) -> bool:  # noqa: ARG002 - the protocol's arguments
        return False

    async def close(self) -> None:
        """Nothing to end."""


def workspaces_folder(settings: Settings) -> Path:
    """Where this machine's private trees lie."""
    return settings.workspaces or Path(tempfile.gettempdir()).resolve() / f"outlive-{os.geteuid()}"


@asynccontextmanager
async def open_session_store(data: Path | str | None = None, *, tenant: str = "local") -> AsyncIterator[SessionStore]:
    """A durable `SessionStore` for the Claude Agent SDK, on the embedded stores; for people who use only that."""
    from claude_agent_sdk import fold_session_summary  # noqa: PLC0415 - slow to load

    settings = load_settings(data=Path(data) if data is not None else None)
    async with AsyncExitStack() as stack:
        stores = await open_stores(settings, stack)
        yield SessionStore(
            table=stores.table,
            objects=stores.objects,
            tenant=tenant,
            clock=SystemClock(),
            new_id=new_id,
            fold=fold_session_summary,
        )


def _policy(settings: Settings) -> Policy:
    return Policy(
        lease_seconds=settings.lease_seconds,
        flush_seconds=settings.flush_seconds,
        on_crash=CrashPolicy(settings.on_crash),
        max_packs=settings.max_packs,
        hydration=settings.hydration,
        keep_versions=settings.keep_versions,
        visibility_seconds=settings.visibility_seconds,
        grace_seconds=settings.grace_seconds,
        handover_reserve_seconds=settings.handover_reserve_seconds,
        while_busy=WhileBusy(settings.while_busy),
        live=settings.live,
        live_seconds=settings.live_seconds,
        give_up_seconds=settings.give_up_seconds,
        profile=settings.profile,
        memory=settings.memory,
        debug=settings.debug,
        region=settings.region,
        quotas=_quotas(settings),
        control_seconds=settings.control_seconds,
        trace=settings.trace == "on",
        state_tokens=settings.state_tokens,
        preferences=settings.preferences == "on",
        approval_seconds=settings.approval_seconds,
        approvers=settings.approvers,
        models=settings.models,
        retention=Retention(
            audit_days=settings.keep_audit_days,
            transcript_days=settings.keep_transcript_days,
            debug_days=settings.keep_debug_days,
            dead_letter_days=settings.keep_dead_letter_days,
            cache_days=settings.keep_cache_days,
        ),
    )


def _quotas(settings: Settings) -> Quotas:
    return Quotas(**{name: getattr(settings, name) for name in QUOTAS})


def load_profile(settings: Settings) -> Profile:
    """The profile of new sessions; `Invalid` when there is none of that name, or it is broken."""
    return Profiles(settings.profiles).load(settings.profile)


def profiles_of(settings: Settings) -> Profiles:
    """The profiles that these settings give; `Invalid` when their folder does not exist."""
    return Profiles(settings.profiles)


def find_profile(settings: Settings, place: str) -> Profile:
    """The profile of that name, or in that folder; `Invalid` when there is none, or it is broken."""
    profiles, folder = profiles_of(settings), Path(place)
    if place in profiles.names() or not ("/" in place or folder.is_dir()):
        return profiles.load(place)
    return load_folder(folder.resolve())


def start_profile(settings: Settings, name: str) -> Path:
    """A new profile to be filled in, in the folder of the settings; `AlreadyExists` when it has one of that name."""
    if settings.profiles is None:
        raise Invalid("there is no folder for profiles of your own.", fix="Pass --profiles, or set OUTLIVE_PROFILES.")
    return write_starter(settings.profiles, name)


def agent_program() -> Path:
    """The CLI that turns run on; `AgentFailed` when there is none."""
    return find_cli(None)


def isolation_here(settings: Settings) -> Isolation:
    """How the settings keep agents apart, tried out on this machine; `Invalid` when it cannot do that."""
    hidden = [settings.data, workspaces_folder(settings)]
    readable = [Path(path) for path in settings.sandbox_paths.split(os.pathsep) if path]
    return choose_isolation(settings.isolation, uids=settings.agent_uids, hidden=hidden, readable=readable)


async def _reached(model: ModelSettings, stack: AsyncExitStack) -> ModelSettings:
    """The model with its address; the scripted one is started."""
    if model.provider != "scripted":
        return model
    from outlive.testing.scripted_model import ScriptedModel  # noqa: PLC0415

    server = await stack.enter_async_context(ScriptedModel())
    return ModelSettings("scripted", base_url=server.url)


def _field_chooser(settings: Settings, model: ModelSettings) -> FieldChooser:
    """What chooses the state's fields where the settings or a profile ask for a model; `Invalid` where none can be."""
    return ModelFieldChooser(
        model,
        settings.state_model,
        seconds=settings.state_filter_seconds,
        profiles=profiles_of(settings),
        usual=settings.state_filter == "model",
    )
