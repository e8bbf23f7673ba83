"""A deployment: what it would do, and doing it with the SAM CLI."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from outlive.entrypoints.aws_stack.limits import concurrency, too_few, unnamed
from outlive.entrypoints.aws_stack.services import client, explained
from outlive.errors import Invalid, Unavailable

FROM_ENVIRONMENT = {
    "WEBHOOK_SECRET": "WebhookSecret",
    "TELEGRAM_BOT_TOKEN": "TelegramBotToken",
    "TELEGRAM_WEBHOOK_SECRET": "TelegramWebhookSecret",
    "SDK_CLIENT_AUTH_TOKEN": "ApiToken",
    "BEDROCK_ACCESS_KEY_ID": "BedrockAccessKeyId",
    "BEDROCK_SECRET_ACCESS_KEY": "BedrockSecretAccessKey",
    "OUTLIVE_MODEL": "Model",
    "OUTLIVE_TELEGRAM_ALLOW": "TelegramAllow",
    "OUTLIVE_TELEGRAM_OWNERS": "TelegramOwners",
    "OUTLIVE_TELEGRAM_TENANT": "TelegramTenant",
    "OUTLIVE_TENANT": "Tenant",
    "OUTLIVE_PROFILE": "Profile",
    "SLACK_SIGNING_SECRET": "SlackSigningSecret",
    "SLACK_BOT_TOKEN": "SlackBotToken",
    "OUTLIVE_SLACK_ALLOW": "SlackAllow",
}
"""Variables of the original design, and of outlive, that are parameters of the template."""
STDERR = 2
"""What SAM says is for who watches: stdout is for data."""
SECRET = ("Secret", "Token", "Key", "KeyId", "Headers")
"""How the names of parameters end that are shown to nobody; those which the template marks `NoEcho`."""
REFERENCE = "{{resolve:"
"""How a reference to Secrets Manager or to SSM begins: CloudFormation reads it, nobody here can."""
SAM_FIX = "Install the SAM CLI: `pip install aws-sam-cli` in an environment of its own, and Docker for the image."
SECRET_FIX = "Set WEBHOOK_SECRET to 16 characters or more: `openssl rand -hex 32` makes one."  # noqa: S105 - advice


@dataclass(frozen=True, slots=True)
class Plan:
    """What a deployment is going to do."""

    stack: str
    region: str
    account: str
    folder: Path
    sam: str
    parameters: Mapping[str, str]
    hints: Sequence[str] = ()
    """What may go wrong, or be missed."""

    def shown(self) -> dict[str, str]:
        """The parameters with no secret among them."""
        hidden = {name for name in self.parameters if name.endswith(SECRET)}
        return {name: "(set)" if name in hidden else value for name, value in self.parameters.items()}

    def commands(self, settings: str) -> list[list[str]]:
        """What is run, in order; secrets travel in the file `settings`, never on a command line."""
        build = [self.sam, "build", "--build-in-source", "--template-file", "template.yaml"]
        deploy = [
            self.sam,
            "deploy",
            "--config-file",
            settings,
            "--no-confirm-changeset",
            "--no-fail-on-empty-changeset",
        ]
        return [build, deploy]


def plan(stack: str, region: str | None, folder: Path, given: Sequence[str]) -> Plan:
    """Everything checked that can be before anything is made; `Invalid` or `Refused` names what is missing."""
    if not (folder / "template.yaml").is_file():
        raise Invalid(f"there is no template in {folder}.", fix="Run it in a checkout of outlive, or pass --folder.")
    sam = shutil.which("sam")
    if sam is None:
        raise Invalid("the SAM CLI is not installed.", fix=SAM_FIX)
    parameters = _parameters(given)
    caller = client("sts", region)
    with explained("AWS"):
        account = caller.get_caller_identity()["Account"]
    hints = [*too_few(parameters, concurrency(region)), *unnamed(parameters)]
    return Plan(stack, caller.meta.region_name, account, folder.resolve(), sam, parameters, hints)


def _parameters(given: Sequence[str]) -> dict[str, str]:
    """From the environment, and above it what is given as NAME=VALUE."""
    found = {name: os.environ[variable] for variable, name in FROM_ENVIRONMENT.items() if os.environ.get(variable)}
    for each in given:
        name, equals, value = each.partition("=")
        if not name or not equals:
            raise Invalid(f"parameter {each!r} has no value.", fix="Write it NAME=VALUE.")
        found[name] = value
    if len(found.get("WebhookSecret", "")) < 16:
        raise Invalid("WEBHOOK_SECRET is missing or too short.", fix=SECRET_FIX)
    if found.get("TelegramBotToken") and not found.get("TelegramWebhookSecret"):
        fix = "Set it to 16 to 256 of A-Z a-z 0-9 _ -, `openssl rand -hex 32` say."
        raise Invalid("TELEGRAM_WEBHOOK_SECRET is not set, and there is a bot.", fix=fix)
    if token := found.get("TelegramBotToken"):
        if token.startswith(REFERENCE) and "TelegramBotId" not in found:
            fix = "Pass --parameter TelegramBotId=NUMBER, what stands before the colon of the token."
            raise Invalid("the token of the bot is a reference, and TelegramBotId is not given.", fix=fix)
        found.setdefault("TelegramBotId", token.partition(":")[0])
    return found


def carry_out(plan: Plan) -> None:
    """Build and deploy; what SAM says goes to stderr. `Unavailable` when a step fails: nothing half-made is kept."""
    with tempfile.TemporaryDirectory(prefix="outlive-") as folder:
        settings = Path(folder) / "samconfig.toml"
        settings.touch(mode=0o600)
        settings.write_text(sam_settings(plan), encoding="utf-8")
        for command in plan.commands(str(settings)):
            done = subprocess.run(command, cwd=plan.folder, stdout=STDERR, check=False)  # noqa: S603 - SAM's own
            if done.returncode:
                raise Unavailable(f"`sam {command[1]}` failed.", fix="It says why above; run this again afterwards.")


def sam_settings(plan: Plan) -> str:
    """The file by which SAM is told everything, as TOML."""
    overrides = [f"{name}={json.dumps(value)}" for name, value in plan.parameters.items()]
    lines = {
        "stack_name": plan.stack,
        "region": plan.region,
        "capabilities": "CAPABILITY_IAM",
        "parameter_overrides": " ".join(overrides),
    }
    fields = [f"{name} = {json.dumps(value)}" for name, value in lines.items()]
    fields += ["resolve_s3 = true", "resolve_image_repos = true"]
    return "version = 0.1\n\n[default.deploy.parameters]\n" + "\n".join(fields) + "\n"
