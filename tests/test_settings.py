"""Settings come from a file, the environment and the caller, in that order, and what is wrong is refused by name."""

from __future__ import annotations

import os
import traceback
from pathlib import Path

import pytest
from pydantic import ValidationError

from outlive.errors import Invalid
from outlive.settings import ALIASES, PREFIX, Settings, default_data, load_settings

SECRET = "sk-ant-very-secret"
FOREIGN = tuple(ALIASES)


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An empty folder, and an environment without settings."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(PREFIX) or name in FOREIGN]:
        monkeypatch.delenv(name)


def write(text: str, name: str = "outlive.toml") -> None:
    """Put a settings file into the folder."""
    Path(name).write_text(text, encoding="utf-8")


# ------------------------------------------------------------------------------------------------ sources


def test_nothing_needs_to_be_set() -> None:
    """Without file and environment every setting has its default, and every store lies in the user's data folder."""
    settings = load_settings()
    assert settings.data == default_data()
    assert settings.table_url == settings.queue_url == f"sqlite:///{default_data()}/outlive.db"
    assert settings.objects_url == f"file://{default_data()}/objects"
    assert (settings.workspaces, settings.anthropic_api_key, settings.use_bedrock) == (None, None, False)


def test_the_data_folder_follows_the_desktop_standard(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Outside macOS the data folder lies below `XDG_DATA_HOME`, or below `~/.local/share` when that is empty."""
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert default_data() == tmp_path / "outlive"
    monkeypatch.setenv("XDG_DATA_HOME", "")
    assert default_data() == Path.home() / ".local" / "share" / "outlive"
    monkeypatch.setattr("sys.platform", "darwin")
    assert default_data() == Path.home() / "Library" / "Application Support" / "outlive"


def test_the_file_beats_the_defaults() -> None:
    """A key of `outlive.toml` in the current folder sets the setting of that name."""
    write('tenant = "acme"\nmax_packs = 8\nkeep_versions = 9\n')
    settings = load_settings()
    assert (settings.tenant, settings.max_packs, settings.keep_versions) == ("acme", 8, 9)


def test_the_environment_beats_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable wins over the file's key of the same setting and leaves the others alone."""
    write('tenant = "file"\nprofile = "file"\n')
    monkeypatch.setenv("OUTLIVE_TENANT", "env")
    assert (load_settings().tenant, load_settings().profile) == ("env", "file")


def test_overrides_beat_both(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the caller passes wins over the environment and the file; None means that nothing was passed."""
    write('tenant = "file"\nmodel = "file"\n')
    monkeypatch.setenv("OUTLIVE_TENANT", "env")
    assert load_settings(tenant="caller", model="caller").model_dump(include={"tenant", "model"}) == {
        "tenant": "caller",
        "model": "caller",
    }
    assert load_settings(tenant=None).tenant == "env"


def test_the_file_may_lie_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """`OUTLIVE_CONFIG` names the file to read instead of `outlive.toml`."""
    write('tenant = "here"\n')
    write('tenant = "there"\n', "other.toml")
    monkeypatch.setenv("OUTLIVE_CONFIG", "other.toml")
    assert load_settings().tenant == "there"


def test_a_named_file_must_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    """An `OUTLIVE_CONFIG` that names no file is refused rather than passed over."""
    monkeypatch.setenv("OUTLIVE_CONFIG", "gone.toml")
    with pytest.raises(Invalid, match=r"OUTLIVE_CONFIG names gone\.toml"):
        load_settings()


@pytest.mark.parametrize(
    ("variable", "name", "text", "value"),
    [
        ("ANTHROPIC_BASE_URL", "anthropic_base_url", "http://localhost:1", "http://localhost:1"),
        ("CLAUDE_CODE_USE_BEDROCK", "use_bedrock", "1", True),
    ],
)
def test_the_agents_own_variables_are_read(
    monkeypatch: pytest.MonkeyPatch, variable: str, name: str, text: str, value: object
) -> None:
    """A setting with a variable of the agent's own is read from that, and by its name from the file and the caller."""
    monkeypatch.setenv(variable, text)
    assert getattr(load_settings(), name) == value
    monkeypatch.delenv(variable)
    assert getattr(load_settings(**{name: text}), name) == value
    write(f'{name} = "{text}"\n')
    assert getattr(load_settings(), name) == value


@pytest.mark.parametrize("name", Settings.model_fields)
def test_an_empty_variable_sets_nothing(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """An empty variable leaves its setting as it would be without: an empty folder name is never the current folder."""
    before = load_settings()
    alias = Settings.model_fields[name].validation_alias
    monkeypatch.setenv(alias if isinstance(alias, str) else PREFIX + name.upper(), "")
    assert load_settings() == before


def test_an_empty_variable_or_key_leaves_the_next_source_to_speak(monkeypatch: pytest.MonkeyPatch) -> None:
    """With an empty variable the file counts, and with an empty key in the file the default does."""
    write('tenant = "file"\nworkspaces = ""\n')
    monkeypatch.setenv("OUTLIVE_TENANT", "")
    assert (load_settings().tenant, load_settings().workspaces) == ("file", None)


def test_folders_are_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A relative folder is taken from the current one and `~` from the user's home, so that store URLs are whole."""
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_DATA_HOME", "mine")
    assert load_settings().data == tmp_path / "mine" / "outlive"
    monkeypatch.setenv("OUTLIVE_DATA", "data")
    monkeypatch.setenv("OUTLIVE_WORKSPACES", "~/trees")
    settings = load_settings(profiles="profiles")
    assert (settings.data, settings.profiles) == (tmp_path / "data", tmp_path / "profiles")
    assert settings.workspaces == Path.home() / "trees"
    assert settings.objects_url == f"file://{tmp_path}/data/objects"


def test_a_store_may_be_named_by_url(monkeypatch: pytest.MonkeyPatch) -> None:
    """A store's own URL wins over the one made from the data folder."""
    monkeypatch.setenv("OUTLIVE_TABLE", "sqlite:///t.db")
    settings = load_settings(queue="sqlite:///q.db", objects="s3://bucket", data="/data")
    assert (settings.table_url, settings.queue_url, settings.objects_url) == (
        "sqlite:///t.db", "sqlite:///q.db", "s3://bucket"
    )  # fmt: skip


def test_settings_do_not_change() -> None:
    """A setting cannot be assigned after loading."""
    with pytest.raises(ValidationError):
        load_settings().tenant = "other"  # type: ignore[misc]


# ------------------------------------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("variable", "nearest"),
    [
        ("OUTLIVE_TENNANT", "OUTLIVE_TENANT"),
        ("OUTLIVE_LEASE_SECOND", "OUTLIVE_LEASE_SECONDS"),
        ("OUTLIVE_CONFIGS", "OUTLIVE_CONFIG"),
        ("OUTLIVE_ANTHROPIC_API_KEY", "ANTHROPIC_API_KEY"),
        ("OUTLIVE_ANTHROPIC_BASE_URL", "ANTHROPIC_BASE_URL"),
    ],
)
def test_an_unknown_variable_is_refused(monkeypatch: pytest.MonkeyPatch, variable: str, nearest: str) -> None:
    """A variable that looks like a setting but is none is `Invalid`, and the one that was probably meant is named."""
    monkeypatch.setenv(variable, "x")
    with pytest.raises(Invalid, match=rf"{variable} is not a setting\. Did you mean {nearest}\?"):
        load_settings()


@pytest.mark.parametrize("variable", ["OUTLIVE_", "OUTLIVE_ZZZZZ", "OUTLIVE_USE_BEDROCK"])
def test_an_unknown_variable_without_a_neighbour_is_refused_too(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    """A variable that is like no setting is `Invalid`, named, and the list of settings is pointed at."""
    monkeypatch.setenv(variable, "x")
    with pytest.raises(Invalid, match=f"{variable} is not a setting") as refused:
        load_settings()
    assert refused.value.fix


@pytest.mark.parametrize("text", ['tennant = "acme"\n', '[tennant]\nname = "acme"\n'])
def test_an_unknown_key_of_the_file_is_refused(text: str) -> None:
    """A key or section of the file that is no setting is `Invalid`; file, key and the nearest name are given."""
    write(text)
    with pytest.raises(Invalid, match=r"outlive\.toml: 'tennant' is not a setting\. Did you mean tenant\?") as refused:
        load_settings()
    assert refused.value.fix


@pytest.mark.parametrize(
    ("text", "line"), [("tenant = \n", 1), ('tenant = "a"\n\n= 1\n', 3), ('tenant = "a"\ntenant = "b"\n', 2)]
)
def test_bad_toml_names_file_and_line(text: str, line: int) -> None:
    """A file that is not TOML is `Invalid`, and names the file and the line."""
    write(text)
    with pytest.raises(Invalid, match=rf"outlive\.toml is not valid TOML: .*line {line}\b"):
        load_settings()


def test_a_file_in_another_encoding_is_refused() -> None:
    """A file that is not UTF-8 is `Invalid` and named."""
    Path("outlive.toml").write_bytes('tenant = "caf\u00e9"'.encode("latin-1"))
    with pytest.raises(Invalid, match=r"outlive\.toml is not valid TOML"):
        load_settings()


def test_a_file_is_read_as_utf_8_everywhere() -> None:
    """Letters outside ASCII come out of the file as they are."""
    write('region = "\u6771\u4eac"\n')
    assert load_settings().region == "\u6771\u4eac"


BAD = [
    ("lease_seconds", "0.1"), ("lease_seconds", "nan"), ("lease_seconds", "soon"), ("visibility_seconds", "50000"),
    ("flush_seconds", "0"), ("grace_seconds", "-1"), ("on_crash", "ignore"), ("max_packs", "1"), ("max_packs", "65"),
    ("keep_versions", "0"), ("max_usd_per_turn", "0"), ("max_agent_turns", "0"), ("turn_seconds", "0"),
    ("max_usd_per_session", "0"), ("max_usd_per_day", "-1"), ("max_usd_per_month", "much"),
    ("max_concurrent_turns", "0.5"), ("control_seconds", "0"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "text"), BAD)
def test_a_bad_value_names_its_variable(monkeypatch: pytest.MonkeyPatch, name: str, text: str) -> None:
    """A value out of range or of another type is `Invalid`; setting, value and the variable to set are given."""
    monkeypatch.setenv(PREFIX + name.upper(), text)
    with pytest.raises(Invalid, match=rf"setting {name} is not valid: .*got '{text}'.*Set OUTLIVE_{name.upper()} to"):
        load_settings()


def test_a_bad_value_of_the_agents_own_variable_names_that(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bad value in a variable of the agent's own is `Invalid` and says to set that very variable."""
    monkeypatch.setenv("CLAUDE_CODE_USE_BEDROCK", "perhaps")
    with pytest.raises(Invalid, match="Set CLAUDE_CODE_USE_BEDROCK to a valid value"):
        load_settings()


def test_an_unknown_override_is_refused() -> None:
    """A name that is no setting is refused from the caller as well."""
    with pytest.raises(Invalid, match="setting tennant is not valid"):
        load_settings(tennant="acme")


# ------------------------------------------------------------------------------------------------ secrets


def test_a_secret_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """The key reaches its reader and no printed, dumped or formatted form of the settings."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", SECRET)
    settings = load_settings()
    assert settings.anthropic_api_key is not None
    assert settings.anthropic_api_key.get_secret_value() == SECRET
    shown = [repr(settings), str(settings), f"{settings}", repr(settings.model_dump()), settings.model_dump_json()]
    assert not [form for form in shown if SECRET in form]


def test_a_bad_secret_is_not_shown_either() -> None:
    """A key of the wrong type is refused by name, and neither the error nor its traceback holds it."""
    write(f'anthropic_api_key = ["{SECRET}"]\n')
    with pytest.raises(Invalid, match="setting ANTHROPIC_API_KEY is not valid") as refused:
        load_settings()
    assert SECRET not in "".join(traceback.format_exception(refused.value))


def test_stores_on_aws_go_by_the_templates_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """The variables of the AWS template name table, bucket and queue; `OUTLIVE_` ones come before them."""
    address = "https://sqs.eu-west-1.amazonaws.com/1/q.fifo"
    for variable, value in (("SESSION_TABLE", "t"), ("SESSION_BUCKET", "b"), ("QUEUE_URL", address)):
        monkeypatch.setenv(variable, value)
    settings = load_settings()
    assert (settings.table_url, settings.objects_url, settings.queue_url) == ("dynamodb://t", "s3://b", address)
    monkeypatch.setenv("OUTLIVE_TABLE", "dynamodb://other")
    assert load_settings().table_url == "dynamodb://other"


def test_the_case_of_a_variable_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable in small letters is the same setting."""
    monkeypatch.setenv("outlive_lease_seconds", "31")
    assert load_settings().lease_seconds == 31


def test_an_unknown_variable_in_small_letters_is_refused_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable in small letters that is no setting, or that has a variable of its own, is refused and named."""
    for variable, nearest in (
        ("outlive_tennant", "OUTLIVE_TENANT"),
        ("outlive_anthropic_api_key", "ANTHROPIC_API_KEY"),
    ):
        monkeypatch.setenv(variable, "x")
        with pytest.raises(Invalid, match=rf"{variable} is not a setting\. Did you mean {nearest}\?"):
            load_settings()
        monkeypatch.delenv(variable)


def test_a_setting_with_a_variable_of_its_own_is_given_by_its_name_too() -> None:
    """What a caller gives by the field's name is what the field holds, whatever its variable is called."""
    token = Settings.model_validate({"TELEGRAM_BOT_TOKEN": "one"}).telegram_bot_token
    assert Settings(telegram_bot_token="two").telegram_bot_token != token
