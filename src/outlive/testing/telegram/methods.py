"""The Bot API's methods, as far as they are documented and bots like ours use them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from outlive.testing.telegram.flood import Flood
from outlive.testing.telegram.formatting import CAPTION_LIMIT, check_buttons, checked_text
from outlive.testing.telegram.forms import Call, Upload
from outlive.testing.telegram.refusals import bad
from outlive.testing.telegram.world import Json, World

MAX_DOWNLOAD = 20 * 1024 * 1024
MAX_UPLOAD = 50 * 1024 * 1024
MAX_PHOTO = 10 * 1024 * 1024
ACTIONS = frozenset(
    re.findall(
        r"\w+",
        "typing upload_photo record_video upload_video record_voice upload_voice upload_document "
        "choose_sticker find_location record_video_note upload_video_note",
    )
)
_COMMAND = re.compile(r"[a-z0-9_]{1,32}\Z")

Method = Callable[[World, Flood, Call], Any]


def get_me(world: World, _flood: Flood, _call: Call) -> Json:
    """https://core.telegram.org/bots/api#getme."""
    more = {"can_join_groups": True, "can_read_all_group_messages": False, "supports_inline_queries": False}
    return {**world.bot, **more}


def send_message(world: World, flood: Flood, call: Call) -> Json:
    """https://core.telegram.org/bots/api#sendmessage."""
    chat = world.chat(call.get("chat_id"), _thread(world, call))
    text, entities = checked_text(call)
    check_buttons(call.get("reply_markup"))
    flood.check(chat["id"])
    return world.message(chat, world.bot, _fields(call, {"text": text, "entities": entities}))


def edit_message_text(world: World, flood: Flood, call: Call) -> Json:
    """https://core.telegram.org/bots/api#editmessagetext."""
    chat = world.chat(call.get("chat_id"))
    message = world.messages.get((chat["id"], call.get("message_id")))
    if message is None:
        raise bad("message to edit not found")
    if message["from"]["id"] != world.bot_id:
        raise bad("message can't be edited")
    text, entities = checked_text(call)
    check_buttons(call.get("reply_markup"))
    changed = _fields(call, {"text": text, "entities": entities})
    if all(message.get(name) == changed.get(name) for name in ("text", "entities", "reply_markup")):
        raise bad(
            "message is not modified: specified new message content and reply markup are exactly the same as a "
            "current content and reply markup of the message"
        )
    flood.check(chat["id"])
    message |= {**changed, "edit_date": int(world.now())}
    return message


def delete_message(world: World, _flood: Flood, call: Call) -> bool:
    """https://core.telegram.org/bots/api#deletemessage."""
    chat = world.chat(call.get("chat_id"))
    if world.messages.pop((chat["id"], call.get("message_id")), None) is None:
        raise bad("message to delete not found")
    return True


def send_message_draft(world: World, _flood: Flood, call: Call) -> bool:
    """https://core.telegram.org/bots/api#sendmessagedraft: private chats only, gone after 30 seconds."""
    chat = world.chat(call.get("chat_id"))
    if chat["type"] != "private":
        raise bad("method is available for private chats only")
    if not isinstance(call.get("draft_id"), int) or call.get("draft_id") == 0:
        raise bad("draft_id is invalid")
    checked_text(call, empty=True)
    return True


def send_chat_action(world: World, _flood: Flood, call: Call) -> bool:
    """https://core.telegram.org/bots/api#sendchataction."""
    world.chat(call.get("chat_id"), _thread(world, call))
    if call.get("action") not in ACTIONS:
        raise bad("wrong parameter action in request")
    return True


def send_document(world: World, flood: Flood, call: Call) -> Json:
    """https://core.telegram.org/bots/api#senddocument."""
    upload = _upload(world, flood, call, "document", MAX_UPLOAD)
    return _sent_file(world, call, {"document": world.file(upload.data, file_name=upload.name)})


def send_photo(world: World, flood: Flood, call: Call) -> Json:
    """https://core.telegram.org/bots/api#sendphoto: what is no picture is refused."""
    upload = _upload(world, flood, call, "photo", MAX_PHOTO)
    if not upload.data.startswith((b"\x89PNG", b"\xff\xd8", b"RIFF")):
        raise bad("IMAGE_PROCESS_FAILED")
    return _sent_file(world, call, {"photo": [world.file(upload.data, width=1, height=1)]})


def _sent_file(world: World, call: Call, fields: Json) -> Json:
    return world.message(world.chat(call.get("chat_id"), _thread(world, call)), world.bot, _fields(call, fields))


def _upload(world: World, flood: Flood, call: Call, kind: str, limit: int) -> Upload:
    chat = world.chat(call.get("chat_id"), _thread(world, call))
    upload = call.files.get(kind)
    if upload is None:
        raise bad(f"there is no {kind} in the request")
    if not upload.data:
        raise bad("file must be non-empty")
    if len(upload.data) > limit:
        raise bad("file is too big")
    if len(str(call.get("caption") or "")) > CAPTION_LIMIT:
        raise bad("message caption is too long")
    flood.check(chat["id"])
    return upload


def get_file(world: World, _flood: Flood, call: Call) -> Json:
    """https://core.telegram.org/bots/api#getfile."""
    file_id = str(call.get("file_id"))
    if file_id not in world.files:
        raise bad("wrong file_id or the file is temporarily unavailable")
    if (size := len(world.files[file_id])) > MAX_DOWNLOAD:
        raise bad("file is too big")
    return {"file_id": file_id, "file_unique_id": f"u{file_id}", "file_size": size, "file_path": world.link(file_id)}


def answer_callback_query(world: World, _flood: Flood, call: Call) -> bool:
    """https://core.telegram.org/bots/api#answercallbackquery."""
    if call.get("callback_query_id") not in world.queries:
        raise bad("query is too old and response timeout expired or query ID is invalid")
    world.queries.discard(str(call.get("callback_query_id")))
    return True


def set_my_commands(world: World, _flood: Flood, call: Call) -> bool:
    """https://core.telegram.org/bots/api#setmycommands."""
    commands = call.get("commands") or []
    if len(commands) > 100:
        raise bad("BOT_COMMANDS_TOO_MUCH")
    for command in commands:
        if not _COMMAND.match(str(command.get("command", ""))):
            raise bad("BOT_COMMAND_INVALID")
        if not 1 <= len(str(command.get("description", ""))) <= 256:
            raise bad("BOT_COMMAND_DESCRIPTION_INVALID")
    world.commands = commands
    return True


def get_my_commands(world: World, _flood: Flood, _call: Call) -> list[Json]:
    """https://core.telegram.org/bots/api#getmycommands."""
    return world.commands


def _thread(world: World, call: Call) -> object:
    """The topic a call names; the General topic has an id that only chat actions may name."""
    thread = call.get("message_thread_id")
    if thread == 1 and call.method != "sendChatAction":
        raise bad("message thread not found")
    return thread if call.get("chat_id") in world.topics else None


def _fields(call: Call, found: Json) -> Json:
    more = {name: call.get(name) for name in ("reply_markup", "message_thread_id", "caption") if call.get(name)}
    if "message_thread_id" in more:
        more["is_topic_message"] = True
    return {name: value for name, value in {**found, **more}.items() if value}


METHODS: dict[str, Method] = {
    "getMe": get_me,
    "sendMessage": send_message,
    "editMessageText": edit_message_text,
    "deleteMessage": delete_message,
    "sendMessageDraft": send_message_draft,
    "sendChatAction": send_chat_action,
    "sendDocument": send_document,
    "sendPhoto": send_photo,
    "getFile": get_file,
    "answerCallbackQuery": answer_callback_query,
    "setMyCommands": set_my_commands,
    "getMyCommands": get_my_commands,
}
