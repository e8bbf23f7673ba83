"""Settings: environment variables and a file, as one frozen object; what is unknown is refused."""

from __future__ import annotations

import difflib
import os
import re
import sys
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, get_args
from urllib.parse import quote

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from outlive.channel_settings import ChannelSettings
from outlive.errors import Invalid
from outlive.region_settings import RegionSettings
from outlive.telemetry_settings import TelemetrySettings

PREFIX = "OUTLIVE_"
FILE_VARIABLE = "OUTLIVE_CONFIG"
JSON_VARIABLE = "OUTLIVE_JSON"
COMMAND_PREFIX = "OUTLIVE_CLI_"
"""Variables that stand for options of commands are no settings; the command line knows them."""
"""Read by the command line alone: what it prints."""
FILE_NAME = "outlive.toml"


def default_data() -> Path:
    """Where the embedded stores live unless told otherwise: the user's own data folder."""
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "outlive"
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "outlive"


class Settings(ChannelSettings, RegionSettings, TelemetrySettings):
    """Everything that can be chosen. Each field is read from `OUTLIVE_<NAME>` or from `outlive.toml`."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_ignore_empty=True,
        populate_by_name=True,
        frozen=True,
        extra="forbid",
        validate_default=True,
        hide_input_in_errors=True,
    )

    data: Path = Field(default_factory=default_data, description="Folder of the embedded table, queue and objects.")
    table: str = Field("", description="Table URL, `postgresql://…` say; empty: `sqlite:///<data>/outlive.db`.")
    queue: str = Field("", description="Queue URL, `postgresql://…` say; empty: `sqlite:///<data>/outlive.db`.")
    objects: str = Field("", description="Object store URL; empty: `file:///<data>/objects`.")
    hot: str = Field("", description="Hot cache URL: `memory://`, `redis://HOST:PORT/DB`; empty: none.")
    dax: str = Field(
        "", description="DAX endpoint, `dax://HOST:8111`, for tool results, preferences and old messages; empty: none."
    )
    broadcast: str = Field(
        "", description="Redis URL by which other processes see live text at once; empty: they read the table."
    )
    archive: str = Field(
        "", description="Archive URL: `postgresql://…`, or another object store; empty: beside the other objects."
    )
    key_wrap: str = Field(
        "",
        description="Encrypts per tenant; wraps its keys by `file:///PATH` or `kms://KEY`, older ones behind a space.",
    )
    keys: str = Field(
        "", description="Table URL of the data keys, kept out of backups; empty: `sqlite:///<data>/keys.db`."
    )
    key_seconds: float = Field(120.0, gt=0, le=3600, description="How long a worker keeps a data key in memory.")
    key_plain: Literal["refuse", "read"] = Field(
        "refuse", description="What becomes of data that was stored before encryption was switched on."
    )
    workspaces: Path | None = Field(
        None, description="Folder of the private session trees; the same absolute path on every host. Empty: temporary."
    )
    tenant: str = Field("local", description="Tenant of session keys that name none.")
    model: str = Field(
        "", description="Model name; `scripted` for the built-in scripted model; empty: the agent's own."
    )
    models: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Models that a session may choose with `/model`, with commas between; empty: none."
    )
    profile: str = Field("default", description="Agent profile of new sessions.")
    profiles: Path | None = Field(None, description="Folder of agent profiles beside the shipped ones.")
    anthropic_api_key: SecretStr | None = Field(
        None, validation_alias="ANTHROPIC_API_KEY", description="Key of the Anthropic API (`ANTHROPIC_API_KEY`)."
    )
    anthropic_base_url: str | None = Field(
        None, validation_alias="ANTHROPIC_BASE_URL", description="Another endpoint that speaks the Messages API."
    )
    use_bedrock: bool = Field(
        default=False, validation_alias="CLAUDE_CODE_USE_BEDROCK", description="Call models through Amazon Bedrock."
    )
    bedrock_access_key_id: SecretStr | None = Field(
        None,
        validation_alias="BEDROCK_ACCESS_KEY_ID",
        description="Key pair for Bedrock alone; without it, the worker's own role or keys.",
    )
    bedrock_secret_access_key: SecretStr | None = Field(
        None, validation_alias="BEDROCK_SECRET_ACCESS_KEY", description="Secret half of that pair."
    )
    bedrock_session_token: SecretStr | None = Field(
        None, validation_alias="BEDROCK_SESSION_TOKEN", description="Session token, where that pair is a temporary one."
    )
    bedrock_region: str = Field("", description="AWS region of Bedrock; empty: `AWS_REGION`, `AWS_DEFAULT_REGION`.")
    bedrock_base_url: str | None = Field(
        None, validation_alias="ANTHROPIC_BEDROCK_BASE_URL", description="Another endpoint that speaks Bedrock."
    )
    haiku_model: str = Field(
        "", validation_alias="ANTHROPIC_DEFAULT_HAIKU_MODEL", description="Small, fast model: what `haiku` means."
    )
    sonnet_model: str = Field("", validation_alias="ANTHROPIC_DEFAULT_SONNET_MODEL", description="What `sonnet` means.")
    opus_model: str = Field("", validation_alias="ANTHROPIC_DEFAULT_OPUS_MODEL", description="What `opus` means.")
    lease_seconds: float = Field(30.0, gt=0.2, le=3600, description="How long a dead worker's session stays locked.")
    visibility_seconds: float = Field(
        30.0, gt=0.2, le=43200, description="How long a received message stays with a silent worker."
    )
    flush_seconds: float = Field(0.5, gt=0, le=600, description="How much of a running turn a crash may lose.")
    grace_seconds: float = Field(20.0, ge=0, le=900, description="How long a turn may go on after SIGTERM.")
    invocation_seconds: float | None = Field(
        None, gt=0, description="How long a worker may live before it is ended from outside; empty: no limit."
    )
    handover_reserve_seconds: float = Field(
        20.0, ge=0, le=900, description="How long before that end a running turn is handed over."
    )
    on_crash: Literal["continue", "rerun"] = Field("continue", description="What becomes of a dead worker's turn.")
    max_packs: int = Field(4, ge=2, le=64, description="Live packs per session: requests of a cold start.")
    hydration: Literal["window", "full"] = Field(
        "window", description="What a resume on another machine brings: what the model needs since the last compaction."
    )
    keep_versions: int = Field(50, ge=1, le=100_000, description="How far back fork, rewind and diff reach.")
    keep_audit_days: float | None = Field(None, gt=0, description="Days the audit log is kept; empty: for ever.")
    keep_transcript_days: float | None = Field(
        None, gt=0, description="Days the archive keeps conversations; empty: for ever."
    )
    keep_debug_days: float | None = Field(
        None, gt=0, description="Days debug logs are kept; empty: as long as their session."
    )
    keep_dead_letter_days: float | None = Field(
        None, gt=0, description="Days dead letters are kept; empty: as long as the queue keeps them."
    )
    keep_cache_days: float | None = Field(
        1.0, gt=0, description="Days what is left of expired tool results is kept; empty: for ever."
    )
    max_usd_per_turn: float | None = Field(None, gt=0, description="Money one turn may cost, in US dollars.")
    max_agent_turns: int | None = Field(None, gt=0, description="Model calls one turn may make.")
    turn_seconds: float = Field(1800.0, gt=0, description="Wall time one turn may take.")
    memory: bool = Field(
        default=False, description="Give the agent a memory folder that all sessions of a tenant and profile share."
    )
    debug: bool = Field(default=False, description="Keep the CLI's debug log of each turn beside the session.")
    max_usd_per_session: float | None = Field(
        None,
        gt=0,
        description="Money one session may cost; this limit and the next three hold where `limits set` says nothing.",
    )
    max_usd_per_day: float | None = Field(None, gt=0, description="Money one tenant may spend in a UTC day.")
    max_usd_per_month: float | None = Field(None, gt=0, description="Money one tenant may spend in a UTC month.")
    max_concurrent_turns: int | None = Field(
        None, gt=0, description="Turns of one tenant that may run at one time, on all workers together."
    )
    control_seconds: float = Field(
        5.0, gt=0, le=3600, description="How old a worker's knowledge of limits and kill switch may be."
    )
    isolation: Literal["auto", "user", "bubblewrap", "none"] = Field(
        "auto", description="How agents are kept apart; `auto`: `user` for root on Linux, else one tenant at a time."
    )
    agent_uids: str = Field("2000000000-2099999999", description="Uids that agents run as; they belong to nobody else.")
    sandbox_paths: str = Field(
        "", description="Further files and folders the bubblewrap sandbox shows, read-only, separated by `:`."
    )
    approve: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Tool calls that a person has to allow: permission rules, separated by commas."
    )
    approval_seconds: float = Field(1800.0, gt=0, le=2_160_000, description="How long such a call waits for a person.")
    approvers: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Senders who may allow every call, beside the one whose message led to it."
    )
    warm_processes: int = Field(4, ge=0, le=1000, description="Agent processes kept alive between turns; 0: none.")
    warm_seconds: float = Field(300.0, gt=0, le=86400, description="How long one may rest before it is ended.")
    warm_memory_mb: int = Field(1024, ge=1, description="Resident memory all of them may take together, in MiB.")
    spare_processes: int = Field(
        1,
        ge=0,
        le=100,
        description="Agent processes started ahead for new sessions, per profile; 0: none.",
    )
    spare_seconds: float = Field(900.0, gt=0, le=86400, description="How long one may wait for its session.")
    while_busy: Literal["queue", "collect", "steer", "interrupt"] = Field(
        "queue", description="What becomes of a message that comes while its session runs a turn."
    )
    live: bool = Field(default=False, description="Write the live text of running turns to the table.")
    live_seconds: float = Field(1.0, ge=0.2, le=60, description="How often at most it is written.")
    give_up_seconds: float = Field(
        86400.0, gt=0, description="How long a reply is tried again that its channel cannot take."
    )
    state_tokens: int = Field(
        1500, ge=0, le=100_000, description="Tokens of a session's state that go with a message at most; 0: none."
    )
    state_filter: Literal["rules", "model"] = Field(
        "rules",
        description="Who chooses these fields: plain rules, or a small model, which is one more model call; "
        "a profile's settings may say otherwise.",
    )
    state_model: str = Field(
        "",
        description="The small model; empty for haiku (ANTHROPIC_DEFAULT_HAIKU_MODEL where it is set). "
        "Where it fails or is slow, the rules choose.",
    )
    state_filter_seconds: float = Field(5.0, gt=0, le=60, description="How long it may take.")
    preferences: Literal["off", "on"] = Field(
        "off", description="Whether the user's preferences go with a message, too: one more table read for each turn."
    )
    trace: Literal["off", "on"] = Field(
        "off", description="Whether the trace of each session's last turn is kept, for `outlive trace show`."
    )
    turn_role: str = Field(
        "",
        pattern=r"^(arn:[a-z-]+:iam::\d{12}:role/.+)?$",
        description="AWS role taken before records of a tenant are touched, narrowed to that tenant; empty: none.",
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - pydantic's names
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What the caller gives, above the environment, and nothing else; pydantic-settings asks for this."""
        return init_settings, env_settings

    @field_validator("data", "workspaces", "profiles")
    @classmethod
    def _absolute(cls, path: Path | None) -> Path | None:
        """Store URLs need absolute paths, and `~` comes unexpanded from a file or a container's environment."""
        return path and path.expanduser().absolute()

    @field_validator("anthropic_api_key", "bedrock_access_key_id", "bedrock_secret_access_key", "bedrock_session_token")
    @classmethod
    def _one_word(cls, secret: SecretStr | None) -> SecretStr | None:
        """A key pasted with a line break signs wrongly, and nothing would say why."""
        if secret and any(character.isspace() for character in secret.get_secret_value()):
            raise ValueError("there is white space in it")
        return secret

    @field_validator("approve", "approvers", "models", mode="before")
    @classmethod
    def _listed(cls, value: object) -> object:
        """Commas inside parentheses belong to a rule."""
        if not isinstance(value, str):
            return value
        return tuple(part.strip() for part in re.split(r",(?![^(]*\))", value) if part.strip())

    @property
    def database(self) -> Path:
        """The embedded database file."""
        return self.data / "outlive.db"

    @property
    def table_url(self) -> str:
        """The table's URL, default filled in."""
        return self.table or f"sqlite:///{quote(str(self.database))}"

    @property
    def queue_url(self) -> str:
        """The queue's URL, default filled in."""
        return self.queue or f"sqlite:///{quote(str(self.database))}"

    @property
    def objects_url(self) -> str:
        """The object store's URL, default filled in."""
        return self.objects or f"file://{quote(str(self.data / 'objects'))}"

    @property
    def keys_url(self) -> str:
        """The URL of the table of the data keys, default filled in: never the table that they seal."""
        return self.keys or f"sqlite:///{quote(str(self.data / 'keys.db'))}"


ALIASES = {
    field.validation_alias: name
    for name, field in Settings.model_fields.items()
    if isinstance(field.validation_alias, str)
}

STORES_ON_AWS = {
    "table": ("SESSION_TABLE", "dynamodb://{}"),
    "objects": ("SESSION_BUCKET", "s3://{}"),
    "queue": ("QUEUE_URL", "{}"),
}
"""Setting -> the variable that names the resource there, and the URL made of it."""

BEDROCK_PAIR = ("bedrock_access_key_id", "bedrock_secret_access_key")
SECRETS = [name for name, field in Settings.model_fields.items() if SecretStr in get_args(field.annotation)]


def load_settings(**overrides: object) -> Settings:
    """Settings from the file, the environment above it and `overrides` (not None) above both.

    `Invalid` names the setting and the fix; an unknown `OUTLIVE_` variable or key of the file is refused.
    """
    _refuse_unknown_variables()
    given = {name: value for name, value in overrides.items() if value is not None}
    aliases = {name: alias for alias, name in ALIASES.items()}
    values = {k: v for k, v in _file_values().items() if v != "" and not os.environ.get(_variable(k))}
    values |= _stores_on_aws() | given
    try:
        settings = Settings(**{aliases.get(name, name): value for name, value in values.items()})
    except ValidationError as error:
        raise _invalid(error) from error
    _check_key_pair(settings)
    return settings


def _stores_on_aws() -> dict[str, str]:
    """The stores that the variables of the AWS template name, where `OUTLIVE_` ones do not."""
    named = {name: (os.environ.get(variable), url) for name, (variable, url) in STORES_ON_AWS.items()}
    return {
        name: url.format(value) for name, (value, url) in named.items() if value and not os.environ.get(_variable(name))
    }


def _check_key_pair(settings: Settings) -> None:
    """Both halves or neither: with one of them the worker's own role would call, which was not meant."""
    halves = {name: getattr(settings, name) is not None for name in BEDROCK_PAIR}
    for name, other in zip(BEDROCK_PAIR, reversed(BEDROCK_PAIR), strict=True):
        if not halves[name] and (halves[other] or settings.bedrock_session_token is not None):
            given = other if halves[other] else "bedrock_session_token"
            raise Invalid(f"{_variable(given)} is set, but {_variable(name)} is not.", fix="Set both, or neither.")


VARIABLES = {name: PREFIX + name.upper() for name in Settings.model_fields}
VARIABLES |= {name: alias for alias, name in ALIASES.items()}
KNOWN = {*VARIABLES.values(), FILE_VARIABLE, JSON_VARIABLE}
"""Every variable of ours that may be set."""


def _variable(name: str) -> str:
    return VARIABLES.get(name, PREFIX + name.upper())


def _file_values() -> dict[str, Any]:
    path = Path(os.environ.get(FILE_VARIABLE, FILE_NAME))
    if not path.is_file():
        if FILE_VARIABLE in os.environ:
            raise Invalid(f"{FILE_VARIABLE} names {path}, which is not a file.", fix="Correct it or unset it.")
        return {}
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Invalid(f"{path} is not valid TOML: {error}.", fix="Correct the line it names.") from error
    for name in values:
        if name not in Settings.model_fields:
            nearest = _nearest(name, list(Settings.model_fields))
            raise Invalid(f"{path}: {name!r} is not a setting.{nearest}", fix="See docs/reference/settings.md.")
    return values


def _refuse_unknown_variables() -> None:
    for name in os.environ:
        variable = name.upper()
        if variable.startswith(PREFIX) and not variable.startswith(COMMAND_PREFIX) and variable not in KNOWN:
            nearest = _nearest(variable, sorted(KNOWN))
            raise Invalid(f"{name} is not a setting.{nearest}", fix="See docs/reference/settings.md.")


def _nearest(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f" Did you mean {close[0]}?" if close else ""


def _invalid(error: ValidationError) -> Invalid:
    first = error.errors()[0]
    name = str(first["loc"][0]) if first["loc"] else "settings"
    got = "" if ALIASES.get(name, name) in SECRETS else f" (got {first.get('input')!r})"
    return Invalid(
        f"setting {name} is not valid: {first['msg']}{got}.",
        fix=f"Set {_variable(ALIASES.get(name, name))} to a valid value.",
    )
