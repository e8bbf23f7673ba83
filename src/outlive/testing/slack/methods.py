"""The Web API's methods, as far as they are documented and apps like ours use them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from outlive.testing.slack.checks import MARKDOWN_LIMIT, check_blocks, check_message
from outlive.testing.slack.refusals import bad
from outlive.testing.slack.world import Json, World

Arguments = Mapping[str, Any]
Method = Callable[[World, Arguments], Json]


def auth_test(world: World, _call: Arguments) -> Json:
    """https://docs.slack.dev/reference/methods/auth.test."""
    who = {"team_id": world.team, "user_id": world.bot_user, "bot_id": world.bot_id}
    return {"url": "https://fake.slack.com/", "team": "Fake", "user": "outlive", **who}


def post_message(world: World, call: Arguments) -> Json:
    """https://docs.slack.dev/reference/methods/chat.postMessage."""
    channel = world.where(call.get("channel"))
    check_message(call.get("text") or "", call.get("blocks") or ())
    message = world.post(channel, _said(world, call, _thread(world, channel, call)))
    return {"channel": channel, "ts": message["ts"], "message": message}


def post_ephemeral(world: World, call: Arguments) -> Json:
    """https://docs.slack.dev/reference/methods/chat.postEphemeral."""
    world.where(call.get("channel"))
    check_message(call.get("text") or "", call.get("blocks") or ())
    world.ephemeral.append((str(call.get("user")), str(call.get("text"))))
    return {"message_ts": world.ts()}


def update(world: World, call: Arguments) -> Json:
    """https://docs.slack.dev/reference/methods/chat.update."""
    channel = world.where(call.get("channel"))
    message = world.own(channel, call.get("ts"))
    if world.is_open(channel, message["ts"]):
        raise bad("streaming_state_conflict")
    check_message(call.get("text") or "", call.get("blocks") or ())
    message |= {"text": call.get("text") or "", "blocks": call.get("blocks") or [], "edited": {"ts": world.ts()}}
    return {"channel": channel, "ts": message["ts"], "text": message["text"]}


def delete(world: World, call: Arguments) -> Json:
    """https://docs.slack.dev/reference/methods/chat.delete."""
    channel = world.where(call.get("channel"))
    message = world.own(channel, call.get("ts"))
    del world.messages[channel, message["ts"]]
    return {"channel": channel, "ts": message["ts"]}


# ---------------------------------------------------------------------------------------------- streams


def start_stream(world: World, call: Arguments) -> Json:
    """https://docs.slack.dev/reference/methods/chat.startStream: a reply in a thread, in channels to somebody."""
    channel = world.where(call.get("channel"))
    if not call.get("thread_ts"):
        raise bad("invalid_arguments")
    thread = _thread(world, channel, call)
    if not world.channels[channel].get("is_im"):
        for name, error in (
            ("recipient_team_id", "missing_recipient_team_id"),
            ("recipient_user_id", "missing_recipient_user_id"),
        ):
            if not call.get(name):
                raise bad(error)
    text = _markdown(call)
    message = world.post(channel, _said(world, {"text": text, "blocks": []}, thread))
    world.streams[channel, message["ts"]] = world.now()
    return {"channel": channel, "ts": message["ts"]}


def append_stream(world: World, call: Arguments) -> Json:
    """https://docs.slack.dev/reference/methods/chat.appendStream."""
    if not _markdown(call):
        raise bad("no_text")
    return _streamed(world, call)


def stop_stream(world: World, call: Arguments) -> Json:
    """https://docs.slack.dev/reference/methods/chat.stopStream."""
    check_blocks(call.get("blocks") or ())
    answer = _streamed(world, call)
    message = world.messages[answer["channel"], answer["ts"]]
    message["blocks"] = call.get("blocks") or []
    del world.streams[answer["channel"], answer["ts"]]
    return {**answer, "message": message}


def _streamed(world: World, call: Arguments) -> Json:
    channel = world.where(call.get("channel"))
    message = world.own(channel, call.get("ts"))
    if not world.is_open(channel, message["ts"]):
        raise bad("message_not_in_streaming_state")
    message["text"] += _markdown(call)
    world.streams[channel, message["ts"]] = world.now()
    return {"channel": channel, "ts": message["ts"]}


def _markdown(call: Arguments) -> str:
    """Of a stream: the text, and that of its chunks."""
    chunks = [str(each.get("text")) for each in call.get("chunks") or () if each.get("type") == "markdown_text"]
    text = str(call.get("markdown_text") or "") + "".join(chunks)
    if len(text) > MARKDOWN_LIMIT:
        raise bad("msg_too_long")
    return text


def set_status(world: World, call: Arguments) -> Json:
    """https://docs.slack.dev/reference/methods/assistant.threads.setStatus."""
    channel = world.where(call.get("channel_id"))
    if not call.get("thread_ts"):
        raise bad("invalid_thread_ts")
    world.statuses[channel, str(call["thread_ts"])] = str(call.get("status") or "")
    return {}


# ------------------------------------------------------------------------------------------------ files


def file_info(world: World, call: Arguments) -> Json:
    """https://docs.slack.dev/reference/methods/files.info."""
    file = world.files.get(str(call.get("file")))
    if file is None:
        raise bad("file_not_found")
    return {"file": file}


def upload_url(world: World, call: Arguments) -> Json:
    """https://docs.slack.dev/reference/methods/files.getUploadURLExternal."""
    if not call.get("filename") or int(call.get("length") or 0) <= 0:
        raise bad("invalid_arguments")
    file = world.file(b"", str(call["filename"]))
    file["size"] = int(call["length"])
    return {"upload_url": f"{world.url}/upload/{file['id']}", "file_id": file["id"]}


def complete_upload(world: World, call: Arguments) -> Json:
    """https://docs.slack.dev/reference/methods/files.completeUploadExternal."""
    done = []
    for each in call.get("files") or ():
        file = world.files.get(each.get("id"))
        if file is None or len(world.data[file["id"]]) != file["size"]:
            raise bad("file_not_found")
        done.append(file)
    for file in done:
        if call.get("channel_id"):
            where = {"channel": world.where(call["channel_id"]), "thread_ts": call.get("thread_ts")}
            world.shared[file["id"]] = {**where, "initial_comment": call.get("initial_comment")}
    return {"files": done}


def _thread(world: World, channel: str, call: Arguments) -> Json:
    thread = call.get("thread_ts")
    if thread and (channel, str(thread)) not in world.messages:
        raise bad("thread_not_found")
    return {"thread_ts": str(thread)} if thread else {}


def _said(world: World, call: Arguments, more: Json) -> Json:
    who = {"user": world.bot_user, "bot_id": world.bot_id}
    return {**who, "text": call.get("text") or "", "blocks": call.get("blocks") or [], **more}


METHODS: dict[str, Method] = {
    "auth.test": auth_test,
    "chat.postMessage": post_message,
    "chat.postEphemeral": post_ephemeral,
    "chat.update": update,
    "chat.delete": delete,
    "chat.startStream": start_stream,
    "chat.appendStream": append_stream,
    "chat.stopStream": stop_stream,
    "assistant.threads.setStatus": set_status,
    "files.info": file_info,
    "files.getUploadURLExternal": upload_url,
    "files.completeUploadExternal": complete_upload,
}
