"""Commands that mean the same in every chat: links, sessions, model, what a second message does, the last turn.

Each says what to answer, as Markdown. Names and descriptions are the channels' own; `sign` is what stands before them.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from outlive.core.keys import SessionKey, parse_session_id
from outlive.core.ledger import LedgerLine
from outlive.core.session_options import DEFAULT, SessionOptions
from outlive.core.wording import counted
from outlive.errors import Invalid, NotFound
from outlive.flows.delivery.link_sessions import create_link, redeem_link, remove_link
from outlive.flows.sessions.change_options import change_options, read_options
from outlive.flows.sessions.export_session import export_session
from outlive.flows.sessions.list_sessions import MAX_PAGE, SessionLine, list_sessions
from outlive.flows.sessions.resume_session import resume_session
from outlive.flows.turn.chosen_options import busy_mode, chosen_model
from outlive.flows.turn.find_session import find_head, find_mapping, find_session
from outlive.flows.turn.read_ledger import read_lines
from outlive.wiring import App

LISTED = 20
SHORTEST = 4
"""Characters of a session id that are read as the beginning of one."""


@dataclass(frozen=True, slots=True)
class Said:
    """A command that somebody wrote."""

    app: App
    key: SessionKey
    argument: str
    by: str
    """For the audit: channel and sender."""
    sign: str = "/"


def model_name(app: App) -> str:
    """The usual model, in words."""
    model = app.model
    return model.model or ("scripted, not a language model" if model.provider == "scripted" else "the agent's own")


async def model_of(app: App, key: SessionKey) -> str:
    """The model of the key's next turn, in words."""
    return chosen_model(app.engine, await _options(app, key)) or model_name(app)


def counted_waiting(waiting: int) -> str:
    """How many messages wait, as the end of a sentence."""
    return f"{counted(waiting, 'message')} {'waits' if waiting == 1 else 'wait'}"


async def _link(said: Said) -> str:
    engine = said.app.engine
    if said.argument:
        session_id = await redeem_link(engine, said.key, said.argument, by=said.by)
        return f"This is session `{session_id}` now."
    code, _ = await create_link(engine, said.key, by=said.by)
    return (
        f"Within ten minutes, write `link {code}` as a command where you want to go on with this session. "
        f"It counts in tenant `{said.key.tenant}` only."
    )


async def _unlink(said: Said) -> str:
    await remove_link(said.app.engine, said.key, by=said.by)
    return "This chat has a session of its own again, which begins with your next message."


async def _sessions(said: Said) -> str:
    return await _listed(said) or "No session yet."


async def _listed(said: Said) -> str:
    """The chat's sessions, a line each; empty without any."""
    lines = [
        f"`{each.session_id}` {counted(each.turns, 'turn')} {each.title}".rstrip()
        for each in await _own_sessions(said, LISTED)
    ]
    return "\n".join(lines)


async def _own_sessions(said: Said, limit: int, begin: str = "") -> list[SessionLine]:
    """The sessions that were made for this chat and whose ids begin so; pages are read until there are enough."""
    engine, found = said.app.engine, list[SessionLine]()
    after: str | None = ""
    while after is not None and len(found) < limit:
        page = await list_sessions(engine, engine.stores(said.key.tenant), after=after, limit=MAX_PAGE)
        found += [each for each in page.sessions if each.key == str(said.key) and each.session_id.startswith(begin)]
        after = page.after
    return found[:limit]


async def _resume(said: Said) -> str:
    """An id may be shortened, as long as one session of the chat is meant."""
    given = said.argument.lower()
    if not given:
        return f"Which one? `{said.sign}resume ID` goes back to it.\n\n{await _sessions(said)}"
    meant = await _own_sessions(said, 2, given) if len(given) >= SHORTEST else []
    session_id = meant[0].session_id if len(meant) == 1 else parse_session_id(given)
    head = await resume_session(said.app.engine, said.key, session_id)
    return f"Back in `{head.session_id}` with {counted(head.summary.turns, 'turn')}."


async def _model(said: Said) -> str:
    app, offered = said.app, said.app.engine.policy.models
    if not said.argument:
        choice = f" Choose with `{said.sign}model NAME`: {', '.join((*offered, DEFAULT))}." if offered else ""
        return f"Model: {await model_of(app, said.key)}.{choice}"
    if not offered:
        raise Invalid("no other model is offered here.", fix="Whoever runs me can: OUTLIVE_MODELS.")
    await change_options(app.engine, said.key, model=said.argument)
    return f"Model: {await model_of(app, said.key)}, from your next message on."


async def _busy(said: Said) -> str:
    engine = said.app.engine
    if said.argument:
        options = await change_options(engine, said.key, while_busy=said.argument.lower())
    else:
        options = await _options(said.app, said.key)
    ways = "queue, collect, steer, interrupt, default"
    return f"A second message while I work: {busy_mode(engine, options).value}. (`{said.sign}busy` {ways})"


async def _debug(said: Said) -> str:
    engine = said.app.engine
    stores = engine.stores(said.key.tenant)
    mapping = await find_mapping(engine, stores, said.key)
    if mapping is None:
        return "No session yet."
    head = await find_head(engine, stores, mapping.session_id)
    lines = await read_lines(engine, stores, head)
    return (
        f"Session `{head.session_id}`, version {head.version}, profile {head.profile}\n"
        f"agent session `{head.agent_session_id}`\nprompt {head.prompt_version or '-'}, packs {len(head.packs)}, "
        f"ledger {head.ledger_size:,} bytes, outbox {len(head.outbox)}, region {head.last_active_region}"
        + (f"\n{_turn_in_detail(lines[-1])}" if lines else "")
    )


def _turn_in_detail(line: LedgerLine) -> str:
    ended = f"{line.stop_reason or 'ended'}{', an error' if line.is_error else ''}"
    return (
        f"turn {line.turn}: {ended}, {line.seconds:.1f} s, {counted(line.agent_turns, 'model call')}, ${line.usd:.4f}\n"
        f"tokens {line.input_tokens:,} in, {line.output_tokens:,} out, {line.cache_read_tokens:,} from the cache, "
        f"{line.cache_write_tokens:,} into it\nmessage `{line.message_id}`"
    )


COMMANDS: Mapping[str, Callable[[Said], Awaitable[str]]] = {
    "link": _link,
    "unlink": _unlink,
    "sessions": _sessions,
    "resume": _resume,
    "model": _model,
    "busy": _busy,
    "debug": _debug,
}


async def run_command(name: str, said: Said) -> str:
    """What to answer; faults are the caller's to tell."""
    return await COMMANDS[name](said)


async def exported(app: App, key: SessionKey) -> tuple[str, bytes]:
    """The key's session as an archive: its name and its bytes; `NotFound` without a session."""
    engine = app.engine
    stores = engine.stores(key.tenant)
    session_id = await find_session(engine, stores, key)
    with tempfile.TemporaryDirectory(prefix="outlive-") as folder:
        path = Path(folder) / f"{session_id}.tar.zst"
        await export_session(engine, stores, session_id, path)
        return path.name, await asyncio.to_thread(path.read_bytes)


async def _options(app: App, key: SessionKey) -> SessionOptions:
    try:
        return await read_options(app.engine, key)
    except NotFound:
        return SessionOptions()
