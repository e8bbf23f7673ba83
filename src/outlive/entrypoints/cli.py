"""The command `outlive`: its commands, and the one place where errors become exit codes."""

# ruff: noqa: PLC0415 - most commands need neither a temporary file nor a traceback

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from typing import Annotated

import typer
from typer.core import TyperGroup

from outlive.entrypoints.commands.approvals_answer import approvals_answer
from outlive.entrypoints.commands.approvals_list import approvals_list
from outlive.entrypoints.commands.archive_collect import archive_collect
from outlive.entrypoints.commands.archive_dataset import archive_dataset
from outlive.entrypoints.commands.archive_verify import archive_verify
from outlive.entrypoints.commands.audit import audit
from outlive.entrypoints.commands.aws_deploy import aws_deploy
from outlive.entrypoints.commands.aws_destroy import aws_destroy
from outlive.entrypoints.commands.aws_logs import aws_logs
from outlive.entrypoints.commands.aws_outputs import aws_outputs
from outlive.entrypoints.commands.aws_tables_create import aws_tables_create
from outlive.entrypoints.commands.aws_webhook import aws_webhook
from outlive.entrypoints.commands.cache_invalidate import cache_invalidate
from outlive.entrypoints.commands.cache_stats import cache_stats
from outlive.entrypoints.commands.chat import chat
from outlive.entrypoints.commands.conformance import conformance
from outlive.entrypoints.commands.cost import cost
from outlive.entrypoints.commands.demo import demo
from outlive.entrypoints.commands.doctor import doctor
from outlive.entrypoints.commands.keys_destroy import keys_destroy
from outlive.entrypoints.commands.keys_rotate import keys_rotate
from outlive.entrypoints.commands.keys_show import keys_show
from outlive.entrypoints.commands.limits_set import limits_set
from outlive.entrypoints.commands.limits_show import limits_show
from outlive.entrypoints.commands.limits_start import limits_start
from outlive.entrypoints.commands.limits_stop import limits_stop
from outlive.entrypoints.commands.link_create import link_create
from outlive.entrypoints.commands.link_list import link_list
from outlive.entrypoints.commands.link_redeem import link_redeem
from outlive.entrypoints.commands.link_remove import link_remove
from outlive.entrypoints.commands.mcp import mcp
from outlive.entrypoints.commands.preferences_erase import preferences_erase
from outlive.entrypoints.commands.preferences_get import preferences_get
from outlive.entrypoints.commands.preferences_patch import preferences_patch
from outlive.entrypoints.commands.profile_check import profile_check
from outlive.entrypoints.commands.profile_new import profile_new
from outlive.entrypoints.commands.profile_show import profile_show
from outlive.entrypoints.commands.queue_dead import queue_dead
from outlive.entrypoints.commands.queue_depth import queue_depth
from outlive.entrypoints.commands.queue_purge import queue_purge
from outlive.entrypoints.commands.queue_redrive import queue_redrive
from outlive.entrypoints.commands.queue_show import queue_show
from outlive.entrypoints.commands.region_failback import region_failback
from outlive.entrypoints.commands.region_failover import region_failover
from outlive.entrypoints.commands.region_status import region_status
from outlive.entrypoints.commands.schedule_add import schedule_add
from outlive.entrypoints.commands.schedule_list import schedule_list
from outlive.entrypoints.commands.schedule_remove import schedule_remove
from outlive.entrypoints.commands.send import send
from outlive.entrypoints.commands.serve import serve
from outlive.entrypoints.commands.sessions_debug import sessions_debug
from outlive.entrypoints.commands.sessions_diff import sessions_diff
from outlive.entrypoints.commands.sessions_erase import sessions_erase
from outlive.entrypoints.commands.sessions_export import sessions_export
from outlive.entrypoints.commands.sessions_fork import sessions_fork
from outlive.entrypoints.commands.sessions_import import sessions_import
from outlive.entrypoints.commands.sessions_list import sessions_list
from outlive.entrypoints.commands.sessions_new import sessions_new
from outlive.entrypoints.commands.sessions_options import sessions_options
from outlive.entrypoints.commands.sessions_rewind import sessions_rewind
from outlive.entrypoints.commands.sessions_show import sessions_show
from outlive.entrypoints.commands.sessions_stop import sessions_stop
from outlive.entrypoints.commands.sessions_versions import sessions_versions
from outlive.entrypoints.commands.slack_manifest import slack_manifest
from outlive.entrypoints.commands.slack_pair import slack_pair
from outlive.entrypoints.commands.slack_run import slack_run
from outlive.entrypoints.commands.slack_serve import slack_serve
from outlive.entrypoints.commands.slack_unpair import slack_unpair
from outlive.entrypoints.commands.state_get import state_get
from outlive.entrypoints.commands.state_history import state_history
from outlive.entrypoints.commands.state_patch import state_patch
from outlive.entrypoints.commands.stats import stats
from outlive.entrypoints.commands.sweep import sweep
from outlive.entrypoints.commands.task_list import task_list
from outlive.entrypoints.commands.task_send import task_send
from outlive.entrypoints.commands.task_show import task_show
from outlive.entrypoints.commands.telegram_pair import telegram_pair
from outlive.entrypoints.commands.telegram_run import telegram_run
from outlive.entrypoints.commands.telegram_unpair import telegram_unpair
from outlive.entrypoints.commands.telegram_webhook_delete import telegram_webhook_delete
from outlive.entrypoints.commands.telegram_webhook_info import telegram_webhook_info
from outlive.entrypoints.commands.telegram_webhook_set import telegram_webhook_set
from outlive.entrypoints.commands.tenants import tenants
from outlive.entrypoints.commands.tokens_create import tokens_create
from outlive.entrypoints.commands.tokens_list import tokens_list
from outlive.entrypoints.commands.tokens_revoke import tokens_revoke
from outlive.entrypoints.commands.trace_show import trace_show
from outlive.entrypoints.commands.usage import usage
from outlive.entrypoints.commands.wechat_pair import wechat_pair
from outlive.entrypoints.commands.wechat_run import wechat_run
from outlive.entrypoints.commands.worker import worker
from outlive.entrypoints.exits import DEFECT, FAILED, INTERRUPTED, OK, USAGE, exit_code
from outlive.entrypoints.help_sections import SectionedGroup
from outlive.entrypoints.option_variables import AUTOMATIC, refuse_unknown_options
from outlive.entrypoints.terminal.output import print_error, print_failure
from outlive.errors import OutliveError

HELP = """Claude agents that outlive their compute.

\b
Data goes to stdout, everything else to stderr. Errors are two lines on stderr,
`error: ...` and `fix: ...`, or with --json (or OUTLIVE_JSON=1) one JSON object
{"error": {"type": ..., "message": ..., "fix": ...}}.

\b
Every option has an environment variable; each command's --help names them.
`outlive --install-completion` makes the Tab key complete commands and options.

\b
Exit codes: 0 done · 1 refused, not found, conflict, damaged or unavailable ·
2 the input or the settings are wrong · 3 unexpected: a defect of outlive ·
130 interrupted
"""

Commands = Mapping[str, Callable[..., object]]

COMMANDS: Commands = {
    "demo": demo,
    "chat": chat,
    "send": send,
    "worker": worker,
    "serve": serve,
    "doctor": doctor,
    "conformance": conformance,
    "sweep": sweep,
    "cost": cost,
    "usage": usage,
    "stats": stats,
    "mcp": mcp,
    "audit": audit,
    "tenants": tenants,
}
SESSIONS: Commands = {
    "list": sessions_list,
    "show": sessions_show,
    "versions": sessions_versions,
    "diff": sessions_diff,
    "debug": sessions_debug,
    "fork": sessions_fork,
    "rewind": sessions_rewind,
    "options": sessions_options,
    "stop": sessions_stop,
    "new": sessions_new,
    "export": sessions_export,
    "import": sessions_import,
    "erase": sessions_erase,
}
TASK: Commands = {"show": task_show, "list": task_list, "send": task_send}
QUEUE: Commands = {
    "depth": queue_depth,
    "dead": queue_dead,
    "show": queue_show,
    "redrive": queue_redrive,
    "purge": queue_purge,
}
LINK: Commands = {"create": link_create, "redeem": link_redeem, "list": link_list, "remove": link_remove}
SCHEDULE: Commands = {"add": schedule_add, "list": schedule_list, "remove": schedule_remove}

ARCHIVE: Commands = {"collect": archive_collect, "verify": archive_verify, "dataset": archive_dataset}
KEYS: Commands = {"show": keys_show, "rotate": keys_rotate, "destroy": keys_destroy}
STATE: Commands = {"get": state_get, "patch": state_patch, "history": state_history}
PREFERENCES: Commands = {"get": preferences_get, "patch": preferences_patch, "erase": preferences_erase}
CACHE: Commands = {"stats": cache_stats, "invalidate": cache_invalidate}
TRACE: Commands = {"show": trace_show}
PROFILE: Commands = {"check": profile_check, "show": profile_show, "new": profile_new}
LIMITS: Commands = {"show": limits_show, "set": limits_set, "stop": limits_stop, "start": limits_start}
REGION: Commands = {"status": region_status, "failover": region_failover, "failback": region_failback}
APPROVALS: Commands = {"list": approvals_list, "answer": approvals_answer}

TOKENS: Commands = {"create": tokens_create, "list": tokens_list, "revoke": tokens_revoke}

TELEGRAM: Commands = {"run": telegram_run, "pair": telegram_pair, "unpair": telegram_unpair}
SLACK: Commands = {
    "run": slack_run,
    "serve": slack_serve,
    "manifest": slack_manifest,
    "pair": slack_pair,
    "unpair": slack_unpair,
}

WECHAT: Commands = {"run": wechat_run, "pair": wechat_pair}

WEBHOOK: Commands = {
    "set": telegram_webhook_set,
    "delete": telegram_webhook_delete,
    "info": telegram_webhook_info,
}

AWS: Commands = {
    "deploy": aws_deploy,
    "outputs": aws_outputs,
    "destroy": aws_destroy,
    "logs": aws_logs,
    "webhook": aws_webhook,
}
AWS_TABLES: Commands = {"create": aws_tables_create}


def _group(commands: Commands, kind: type[TyperGroup] = TyperGroup) -> typer.Typer:
    group = typer.Typer(cls=kind, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None)
    for name, command in commands.items():
        group.command(name)(command)
    return group


app = _group(COMMANDS, SectionedGroup)
app.add_typer(_group(SESSIONS), name="sessions", help="Look at sessions, copy them, take them back, remove them.")
app.add_typer(_group(PROFILE), name="profile", help="Look at agent profiles, check them, begin one.")
app.add_typer(_group(STATE), name="state", help="A session's facts: look at them, change them.")
app.add_typer(_group(TASK), name="task", help="Find work by your own ids, and go on with it.")
app.add_typer(_group(ARCHIVE), name="archive", help="Keep what happened, and prove that it is unchanged.")
app.add_typer(_group(KEYS), name="keys", help="The keys a tenant's data is encrypted with.")
telegram = _group(TELEGRAM)
telegram.add_typer(
    _group(WEBHOOK), name="webhook", help="Let Telegram send updates to a URL instead of polling for them."
)
app.add_typer(telegram, name="telegram", help="Serve a Telegram bot, and say who may talk to it.")
app.add_typer(_group(WECHAT), name="wechat", help="Serve a WeChat official account or a WeCom bot.")
app.add_typer(_group(SLACK), name="slack", help="Serve a Slack app, and say who may talk to it.")
app.add_typer(_group(PREFERENCES), name="preferences", help="What users told agents about how they like things.")
app.add_typer(_group(CACHE), name="cache", help="Kept results of tools: count them, forget them.")
app.add_typer(_group(TRACE), name="trace", help="See where the time of a turn went.")
app.add_typer(_group(QUEUE), name="queue", help="Look at the queue and its dead letters.")
app.add_typer(_group(LINK), name="link", help="Bring several channels of one person to one session.")
app.add_typer(_group(SCHEDULE), name="schedule", help="Send messages by themselves, once or again and again.")
app.add_typer(_group(REGION), name="region", help="Two regions: how they stand, fail-over, fail-back.")
app.add_typer(_group(LIMITS), name="limits", help="Set what tenants may use; stop them, and start them again.")

app.add_typer(_group(APPROVALS), name="approvals", help="Look at the tool calls that wait for a person, and answer.")

aws = _group(AWS)
aws.add_typer(_group(AWS_TABLES), name="tables", help="Tables for sessions where there is no deployment.")
app.add_typer(aws, name="aws", help="The deployment on AWS: make it, look at it, take it down.")
app.add_typer(_group(TOKENS), name="tokens", help="Keys of the HTTP API: hand them out, take them back.")


def _print_version(asked: bool) -> None:  # noqa: FBT001 - typer's callback
    if asked:
        typer.echo(_name_and_version())
        raise typer.Exit


def _name_and_version() -> str:
    from importlib.metadata import version

    return f"outlive {version('outlive')}"


@app.callback(help=HELP, context_settings=AUTOMATIC)
def main(
    *,
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, show_envvar=False, help="Print the version."),
    ] = False,
) -> None:
    """Every command starts here."""


def run() -> None:
    """Run the command line and exit with its code."""
    _open_streams()
    sys.exit(run_with(sys.argv[1:]))


def _open_streams() -> None:
    """Streams that were closed before we started lead nowhere; what a terminal cannot show is replaced."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115 - as long as the process
        elif mode == "w":
            stream.reconfigure(errors="replace")


def run_with(arguments: list[str]) -> int:
    """Run the command line with these arguments and return the exit code; the one error boundary."""
    as_json = "--json" in arguments or os.environ.get("OUTLIVE_JSON", "").lower() in {"1", "true", "yes", "on"}
    try:
        refuse_unknown_options(app)
        code = app(arguments, prog_name="outlive", standalone_mode=False)
        sys.stdout.flush()
    except OutliveError as error:
        print_error(error, as_json=as_json)
        return exit_code(error)
    except typer.TyperException as error:
        return _misused(error, as_json=as_json)
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except BrokenPipeError:
        return _reader_left()
    except Exception as error:  # noqa: BLE001 - the boundary: whatever else it is, it is our defect
        return _defect(error, as_json=as_json)
    return code if isinstance(code, int) else OK


def _misused(error: typer.TyperException, *, as_json: bool) -> int:
    """A wrong option or argument; without any, the help is all there is to say."""
    context = getattr(error, "ctx", None)
    message = error.format_message()
    if context is not None and message == context.get_help():
        typer.echo(message, err=True)
        return USAGE
    path = context.command_path if context is not None else "outlive"
    print_failure("Usage", message, f"See `{path} --help`.", as_json=as_json)
    return USAGE


def _reader_left() -> int:
    """Whoever read our output has stopped (`outlive ... | head`): nothing more can be said."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return FAILED


def _defect(error: Exception, *, as_json: bool) -> int:
    """Keep what an issue needs in a file, and say where it is."""
    import platform
    import tempfile
    import traceback

    lines = [f"{_name_and_version()}, Python {platform.python_version()}, {platform.platform()}\n\n"]
    lines += traceback.format_exception(error)
    try:
        with tempfile.NamedTemporaryFile("w", prefix="outlive-", suffix=".log", delete=False) as log:
            log.writelines(lines)
        where = log.name
    except OSError:  # the disk may be what has failed
        sys.stderr.writelines(lines)
        where = "what is above"
    message = f"outlive met an error it does not know ({type(error).__name__}: {error})."
    fix = f"Please open an issue with {where}; look through it first, it may hold parts of your messages."
    print_failure("Defect", message, fix, as_json=as_json)
    return DEFECT
