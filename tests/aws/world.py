"""A bot on the real template and a local AWS, and those who talk to it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from outlive.testing.scripted_model import STAND_IN_KEY, ScriptedModel
from outlive.testing.telegram import FakeTelegram
from tests.aws.stack import Stack, deploy

SECRET = "0123456789abcdef"
TOKEN = "internal token of the api"
TIMEOUT, RESERVE = 18, "6"
"""Of the agent function, in seconds; on AWS it has a quarter of an hour."""
LEASE_SECONDS = 3
"""Of a worker that has died, and of its message; on AWS they are two minutes."""
MODEL = "eu.anthropic.claude-sonnet-5-5"


class World:
    """A deployed stack, the people who write to its bot, and the model that answers them."""

    def __init__(self, stack: Stack, telegram: FakeTelegram, model: ScriptedModel, folder: Path) -> None:
        self.stack, self.telegram, self.model, self.folder = stack, telegram, model, folder

    async def push(self, update: Any, *, secret: str = SECRET) -> tuple[int, Any]:
        """Telegram sends an update to the webhook."""
        headers = {"X-Telegram-Bot-Api-Secret-Token": secret}
        return await asyncio.to_thread(self.stack.post, "/telegram", json.dumps(update), headers)

    async def say(self, text: str, sender: int = 42) -> Any:
        """Somebody writes to the bot; the update, which was taken."""
        update = self.telegram.say(text, sender=sender, name=f"Person {sender}")
        status, said = await self.push(update)
        assert status == 200, said
        return update

    async def answers(self, count: int, chat: int = 42, seconds: float = 60) -> list[str]:
        """The bot's messages in a chat, once there are so many."""
        await self.telegram.until(lambda: len(self.telegram.sent(chat)) >= count, seconds)
        return self.telegram.texts(chat)

    async def idle(self) -> None:
        """Wait until the queue is empty."""
        await until(lambda: self.depths(waiting=0))

    async def depths(self, *, waiting: int = 0, dead: int | None = None) -> bool:
        """Whether so many messages wait, and are dead letters."""
        now = await asyncio.to_thread(self.stack.depths)
        return now[0] == waiting and dead in (None, now[1])

    async def restart(self, function: str, **changed: str) -> None:
        """The function's next invocation is in a new process, with these variables changed."""
        functions, name = self.stack.client("lambda"), self.stack.physical(function)
        env = functions.get_function_configuration(FunctionName=name)["Environment"]
        env["Variables"] |= {"RESTARTED": env["Variables"].get("RESTARTED", "") + "x"} | changed
        await asyncio.to_thread(functions.update_function_configuration, FunctionName=name, Environment=env)

    def started(self, function: str) -> list[int]:
        """Every process that has served the function, by its handler's name, in the order of their starts."""
        path = self.folder / "processes"
        lines = path.read_text().splitlines() if path.exists() else []
        return [int(line.split()[0]) for line in lines if line.endswith(f"handler.{function}")]

    def turns(self) -> list[dict[str, Any]]:
        """What the agent function has logged of each turn."""
        lines = (json.loads(line) for line in self.stack.log("AgentFunction").splitlines() if line.startswith("{"))
        return [line for line in lines if line.get("event") == "turn"]

    def processes(self, function: str) -> list[int]:
        """Those that serve the function here, by its handler's name and the home that nobody else has."""
        found = [path for path in Path("/proc").glob("[0-9]*") if _reads(path / "cmdline", f"handler.{function}")]
        return [int(path.name) for path in found if _reads(path / "environ", f"HOME={self.folder}")]


def _reads(path: Path, text: str) -> bool:
    with suppress(OSError):  # it has ended meanwhile
        return any(part.endswith(text.encode()) for part in path.read_bytes().split(b"\0"))
    return False


async def until(is_so: Callable[[], Awaitable[bool]], seconds: float = 60) -> None:
    """Look again and again until it is so."""
    for _ in range(int(seconds / 0.2)):
        if await is_so():
            return
        await asyncio.sleep(0.2)
    raise AssertionError("it never was")


def deploy_bot(
    folder: Path, endpoint: str, telegram: FakeTelegram, model: ScriptedModel, way: str | None = None
) -> Stack:
    """The stack with a bot; its functions reach AWS by `way`, if that is not the endpoint itself."""
    parameters = {
        "WebhookSecret": SECRET,
        "ApiToken": TOKEN,
        "TelegramBotToken": telegram.token,
        "TelegramWebhookSecret": SECRET,
        "TelegramBotId": telegram.token.partition(":")[0],
        "TelegramAllow": "42 43 44 45",
        "Model": MODEL,
        "BedrockAccessKeyId": STAND_IN_KEY.access_key_id,
        "BedrockSecretAccessKey": STAND_IN_KEY.secret_access_key,
    }
    env = {
        "AWS_ENDPOINT_URL": way or endpoint,
        "AWS_ALLOW_HTTP": "true",
        "ANTHROPIC_BEDROCK_BASE_URL": model.url,
        "OUTLIVE_TELEGRAM_URL": telegram.url,
        "OUTLIVE_ISOLATION": "none",
        "OUTLIVE_HANDOVER_RESERVE_SECONDS": RESERVE,
        "OUTLIVE_LEASE_SECONDS": str(LEASE_SECONDS),
        "OUTLIVE_VISIBILITY_SECONDS": str(LEASE_SECONDS),
        "HOME": str(folder),
        "OUTLIVE_DATA": str(folder / "data"),
        "OUTLIVE_WORKSPACES": str(folder / "trees"),
    }
    # Shorter than on AWS, so that nobody waits for a quarter of an hour.
    changes = {"AgentFunction": {"Timeout": TIMEOUT}, "TurnQueue": {"VisibilityTimeout": LEASE_SECONDS}}
    return deploy(endpoint, folder, parameters, env, changes)
