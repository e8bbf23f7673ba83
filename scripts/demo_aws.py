"""`make demo-aws`: the AWS deployment on this machine, from Telegram's update to the bot's reply, without a cloud."""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

from rich.console import Console

from outlive.testing.scripted_model import ScriptedModel
from outlive.testing.telegram import FakeTelegram
from scripts.demo_aws_picture import Picture
from tests.aws.left import left_in
from tests.aws.wire import Wire, wire_to
from tests.aws.world import LEASE_SECONDS, MODEL, World, deploy_bot, until
from tests.servers import start_aws

ADA, GRACE = 42, 43
"""Two people, each in a chat of their own; each chat is a tenant."""
TOLD = "My name is Ada. Then write 'Ship on Friday' to plan.md"
ASKED = "What is my name? Then read plan.md"
KILLED = "Run `sleep 3; echo survived > proof.txt`"
PROOF = "Read proof.txt"
ANSWER_SECONDS = 120.0


@dataclass
class Play:
    """What was done so far, on a deployed stack."""

    world: World
    picture: Picture
    wire: Wire
    """Between the functions and AWS."""
    updates: list[tuple[int, Any]] = field(default_factory=list)
    """Whose, and what Telegram sent."""
    pids: list[int] = field(default_factory=list)
    """The process of each turn."""
    turns: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    """What the agent function has logged of each message's turn, by the message's text."""
    before: Mapping[int, int] = field(default_factory=dict)
    """How many messages of the bot each chat had already."""
    early: list[bool] = field(default_factory=list)
    """Whether the front door had answered before the bot did, of each message."""
    forged: tuple[str, int] = ("", 0)
    """The number of an update with a wrong secret, and the status it got."""
    repeated: int = 0
    """The status that a repeated update got."""


async def play(world: World, console: Console, wire: Wire, *, kill: bool = True) -> dict[str, bool]:
    """Talk to the bot and say what was kept, by name; without `kill` no function is killed in mid-turn."""
    before = {chat: len(world.telegram.sent(chat)) for chat in (ADA, GRACE)}
    done = Play(world, Picture(console, world.folder), wire, before=before)
    await _forge(done)
    await _turn(done, ADA, TOLD)
    await _repeat(done)  # before the chat's next message: the queue keeps their order
    await _throw_away(done)
    await _turn(done, ADA, ASKED)
    if kill:
        await _killed_turn(done)
        await _throw_away(done)
        await _turn(done, ADA, PROOF)
    await _turn(done, GRACE, ASKED)
    return _checks(done, killed=kill)


# ------------------------------------------------------------------------------------------- the turns


async def _forge(done: Play) -> None:
    """Somebody who does not know the webhook's secret sends an update."""
    update = done.world.telegram.say("let me in", sender=ADA)
    status, _ = await done.world.push(update, secret="not the secret of this webhook")
    done.forged = (str(update["update_id"]), status)
    done.picture.said("an update with a wrong secret", "let me in")
    done.picture.line("door", f"{status}")


async def _say(done: Play, sender: int, text: str) -> int:
    """Telegram sends the message to the webhook; how many messages the bot has sent in that chat before."""
    world = done.world
    before = len(world.telegram.sent(sender))
    update = world.telegram.say(text, sender=sender, name="Ada" if sender == ADA else "Grace")
    done.updates.append((sender, update))
    who = "Ada" if sender == ADA else "Grace, in a chat of her own: another tenant"
    done.picture.said(f"turn {len(done.updates)}, {who}", text)
    done.wire.reset()
    began = perf_counter()
    status, said = await world.push(update)
    ms = (perf_counter() - began) * 1000
    if status != 200:
        raise RuntimeError(f"the webhook answered {status}: {said}")
    done.early.append(len(world.telegram.sent(sender)) == before)
    done.picture.line("door", f"200 after {ms:.0f} ms: the queue has it", style="dim")
    return before


async def _turn(done: Play, sender: int, text: str) -> None:
    """One message, from the update to the reply."""
    await _finish(done, sender, text, await _say(done, sender, text))


async def _finish(done: Play, sender: int, text: str, before: int) -> None:
    """Wait for the reply and for the end of its turn, and show both."""
    began = perf_counter()
    reply = (await done.world.answers(before + 1, chat=sender, seconds=ANSWER_SECONDS))[before]
    seconds = perf_counter() - began
    await until(lambda: _is_over(done, text))
    pid, warm = done.world.started("agent")[-1], len(done.pids)
    done.pids.append(pid)
    done.picture.turn(reply, done.turns[text], pid, is_new=pid not in done.pids[:warm], seconds=seconds)
    done.picture.requests(done.wire.kinds)


async def _is_over(done: Play, text: str) -> bool:
    """Whether the function has logged the latest message's turn, and the queue has forgotten the message."""
    update = done.updates[-1][1]["update_id"]
    for turn in await asyncio.to_thread(done.world.turns):
        if turn["message_id"].endswith(f":{update}") and turn["how"] != "repeat":
            done.turns[text] = turn
    return text in done.turns and await done.world.depths(waiting=0)


async def _killed_turn(done: Play) -> None:
    """The function is killed while its tool runs; the next invocation finishes that very turn."""
    before = await _say(done, ADA, KILLED)
    drafts = done.world.telegram
    seen = len(drafts.called("sendMessageDraft"))
    await drafts.until(
        lambda: any("Bash" in call.get("text", "") for call in drafts.called("sendMessageDraft")[seen:]), ANSWER_SECONDS
    )
    await asyncio.sleep(1)  # what it has done so far is stored meanwhile
    pid = done.world.started("agent")[-1]
    files = await _end(done, pid)
    gone = f"kill -9 {pid}, while its tool ran; {files} files of its disk thrown away"
    done.picture.line("KILLED", gone, style="red")
    done.picture.line("queue", f"gives the message to another one after {LEASE_SECONDS} s (on AWS: two minutes)")
    await _finish(done, ADA, KILLED, before)


async def _throw_away(done: Play) -> None:
    """Kill the function's process between two turns, and empty its disk."""
    pid = done.world.started("agent")[-1]
    files = await _end(done, pid)
    done.picture.line("gone", f"kill -9 {pid}; {files} files of its disk thrown away", style="red")


async def _end(done: Play, pid: int) -> int:
    """Kill a process of the function; how many files were on its disk, which is empty now."""
    os.kill(pid, signal.SIGKILL)
    trees = done.world.folder / "trees"
    files = sum(path.is_file() for path in trees.rglob("*"))
    await asyncio.sleep(0.5)  # the CLI sees that its parent is gone, and the local Lambda that the process is
    async with asyncio.timeout(10):
        while trees.exists():
            await asyncio.to_thread(shutil.rmtree, trees, ignore_errors=True)
    return files


async def _repeat(done: Play) -> None:
    """Telegram sends the latest update again; whether that makes a turn shows when the next one is over."""
    sender, update = done.updates[-1]
    count = len(done.world.telegram.sent(sender))
    done.picture.said("the same update again", update["message"]["text"])
    done.repeated, _ = await done.world.push(update)
    done.picture.line("door", f"{done.repeated}; replies in the chat: {count}, as before", style="dim")


# ------------------------------------------------------------------------------------------ the checks


def _checks(done: Play, *, killed: bool) -> dict[str, bool]:
    """What was kept, by what the chats show and by what the function has logged."""
    ada, grace = (done.world.telegram.texts(chat)[done.before[chat] :] for chat in (ADA, GRACE))
    forged, refused = done.forged
    taken = [str(update["update_id"]) for _, update in done.updates]
    ids = [turn["message_id"].rpartition(":")[2] for turn in done.world.turns() if turn["how"] != "repeat"]
    is_other = done.pids[0] != done.pids[1]
    checks = {
        "a forged update was refused": refused == 401 and forged not in ids,
        "each update had its 200 before its reply": all(done.early),
        "what it was told, in another process": is_other and "Ada" in ada[1],
        "the file it wrote, on an empty disk": is_other and "Ship on Friday" in ada[1],
        "the repeated update made no second turn": done.repeated == 200 and ids.count(taken[0]) == 1,
        "one turn and one reply for each message": all(ids.count(each) == 1 for each in taken)
        and len(ada) + len(grace) == len(taken),
        "the other chat knows nothing of it": not any(secret in grace[0] for secret in ("Ada", "Ship on Friday")),
    }
    if killed:
        checks["the turn whose function was killed"] = (
            done.turns[KILLED]["how"] == "continued" and "survived" in ada[3] and len({*done.pids[:4]}) == 4
        )
    return checks


# -------------------------------------------------------------------------------------- start and stop


@asynccontextmanager
async def running(tell: Callable[[str], None]) -> AsyncIterator[tuple[World, Wire]]:
    """The local AWS with the template on it, a fake Telegram and the scripted model; all of it ends with the block."""
    folder = Path(tempfile.mkdtemp(prefix="outlive-demo-aws-"))
    endpoint, stop = start_aws({"AUTH": "true"})
    tell(f"A local AWS at {endpoint}; it checks signatures, and what roles may do.")
    try:
        async with FakeTelegram() as telegram, ScriptedModel(models=[MODEL]) as model, wire_to(endpoint) as wire:
            tell(f"A fake Telegram at {telegram.url}, the scripted model at {model.url}.")
            began = perf_counter()
            stack = await asyncio.to_thread(deploy_bot, folder, endpoint, telegram, model, wire.url)
            tell(f"deploy/aws/template.yaml deployed in {perf_counter() - began:.1f} s: {stack.size()} resources.")
            try:
                yield World(stack, telegram, model, folder), wire
            finally:
                with suppress(Exception):  # Ctrl-C ends the local AWS, too, and its functions with it
                    await asyncio.to_thread(stack.end_functions)
    finally:
        stop()
        shutil.rmtree(folder, ignore_errors=True)


async def demo(console: Console) -> int:
    """Run it and return the exit code."""
    began = perf_counter()
    Picture.introduce(console)
    async with running(lambda text: console.print(text, style="dim", soft_wrap=True)) as (world, wire):
        try:
            checks = await play(world, console, wire)
            await world.idle()
        except (OSError, AssertionError, RuntimeError) as error:  # `TimeoutError` is an `OSError`
            console.print(world.stack.log("AgentFunction")[-4000:], markup=False, soft_wrap=True)
            why = str(error) or "no reply in time"
            console.print(f"[red]The demo broke off:[/red] {why}; above, the function's log.", soft_wrap=True)
            return 1
        left = left_in(world.stack)
        checks["nothing waits in the queue, nothing died"] = world.stack.depths() == (0, 0)
    Picture.stock(console, left)
    Picture.bill(console)
    Picture.verdict(console, checks, f"{perf_counter() - began:.0f} s; all that was started is stopped")
    return 0 if all(checks.values()) else 1


def main() -> int:
    """The command."""
    argparse.ArgumentParser(prog="make demo-aws", description=__doc__).parse_args()
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]  # nothing here is for an AWS of yours
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "*"
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        return asyncio.run(demo(Console(highlight=False)))
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
