"""A message put into the queue, and its reply read from the session once it is committed."""

from __future__ import annotations

from dataclasses import dataclass, replace

from outlive.core.answers import Answer, answer_text
from outlive.core.keys import SessionKey, names_channel
from outlive.core.messages import Inbound
from outlive.errors import AgentFailed, Conflict, NotFound, Unavailable
from outlive.flows.accept_message import accept_message
from outlive.flows.delivery.find_answer import find_answer, find_dead_letter
from outlive.flows.sessions.find_tasks import find_task
from outlive.flows.turn.find_session import find_mapping, find_on_other_channel, find_session
from outlive.wiring import App

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 1.0


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of a message."""

    message_id: str
    session_key: str
    duplicate: bool
    """The queue had it already; nothing was added."""
    session_id: str | None = None
    """This and what follows: once it has been waited for."""
    turn: int | None = None
    version: int | None = None
    is_error: bool | None = None
    reply: str | None = None
    files: tuple[str, ...] = ()
    """What goes out with it, by paths of the session's tree."""
    elsewhere: str = ""
    """Where this begins a session and the key names no channel: that of the same chat on another one, if it has one."""


async def send_message(
    app: App, key: str, text: str, message_id: str | None, patience: float | None, *, task_id: str | None = None
) -> Sent:
    """Queue the message, and wait at most `patience` seconds for its turn; None does not wait.

    `Unavailable` when nobody has answered it by then: it stays queued. `AgentFailed` when it became a dead letter.
    `Conflict` when the task is another session's, `Invalid` for an empty task id; nothing is queued then.
    """
    engine = app.engine
    now, new_id = engine.clock.now(), engine.new_id() if message_id is None else message_id
    inbound = Inbound(app.key(key), new_id, text, now, task_id=task_id or "")
    if task_id is not None:
        await _check_task(app, inbound.key, task_id)
    elsewhere = await session_elsewhere(app, key)
    duplicate = not await accept_message(engine.queue, inbound, engine.clock, engine.telemetry)
    sent = Sent(inbound.message_id, str(inbound.key), duplicate, elsewhere=elsewhere)
    if patience is None:
        return sent
    # A repeat may have been answered long ago, so no answer is too old to be looked for.
    return await _answer(app, replace(inbound, sent_at=0.0) if duplicate else inbound, sent, now + patience)


async def session_elsewhere(app: App, text: str) -> str:
    """For a session key that names no channel and has no session: the key of the same chat on another one, or nothing.

    It has to be asked before a message is queued, because a worker may make the session a moment later.
    """
    key = app.key(text)
    stores = app.engine.stores(key.tenant)
    if names_channel(text) or await find_mapping(app.engine, stores, key):
        return ""
    return await find_on_other_channel(app.engine, stores, key)


def elsewhere_hint(key: SessionKey | str, elsewhere: str) -> str:
    """What to tell the person who may have meant that one."""
    return f"{key} is a new session. To go on with {elsewhere}, which exists, write its key that way."


async def _check_task(app: App, key: SessionKey, task_id: str) -> None:
    """The worker refuses a task of another session, too, but the sender would hear of it as a dead letter."""
    stores = app.engine.stores(key.tenant)
    try:
        task = await find_task(app.engine, stores, task_id)
    except NotFound:
        return
    mapping = await find_mapping(app.engine, stores, key)
    if mapping is None or mapping.session_id != task.session_id:
        raise Conflict(
            f"task {task_id!r} belongs to the session of {task.session_key}.",
            fix="Send to that session with `outlive task send`, or choose another id for the task.",
        )


async def send_answer(app: App, key: str, answer: Answer, sender: str, patience: float | None) -> Sent:
    """Queue an answer to an open question, and wait for it as for a message."""
    now = app.engine.clock.now()
    text = answer_text(answer)
    inbound = Inbound(app.key(key), app.engine.new_id(), text, now, sender, answer)
    engine = app.engine
    duplicate = not await accept_message(engine.queue, inbound, engine.clock, engine.telemetry)
    sent = Sent(inbound.message_id, str(inbound.key), duplicate)
    return sent if patience is None else await _answer(app, inbound, sent, now + patience)


async def send_to_task(app: App, task_id: str, text: str, message_id: str | None, patience: float | None) -> Sent:
    """The same to the session of a task; `Conflict` when its session key has been given to a newer session."""
    engine, stores = app.engine, app.stores
    task = await find_task(engine, stores, task_id)
    if await find_session(engine, stores, app.key(task.session_key)) != task.session_id:
        raise Conflict(
            f"{task.session_key} has a newer session than task {task_id!r}.",
            fix="Fork the task's session under a key of its own: outlive sessions fork.",
        )
    return await send_message(app, task.session_key, text, message_id, patience, task_id=task_id)


async def _answer(app: App, inbound: Inbound, sent: Sent, until: float) -> Sent:
    pause, clock = FIRST_PAUSE, app.engine.clock
    while True:
        if found := await find_answer(app.engine, inbound):
            session_id, line = found
            return replace(
                sent,
                session_id=session_id,
                turn=line.turn,
                version=line.version,
                is_error=line.is_error,
                reply=line.reply,
                files=tuple(f"work/{file.path}" for file in line.files),
            )
        if letter := await find_dead_letter(app.engine.queue, inbound):
            raise AgentFailed(
                f"message {inbound.message_id} was given up after {letter.receives} attempts: {letter.reason}",
                fix=f"Remove the cause, then run `outlive queue redrive {letter.id}`.",
            )
        if clock.now() >= until:
            raise Unavailable(
                f"message {inbound.message_id} is queued, but nobody has answered it yet.",
                fix=f"Start `outlive worker`, then send it again with --message-id {inbound.message_id} --wait.",
            )
        await clock.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)
