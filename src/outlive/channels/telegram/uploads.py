"""Files out: pictures as photos, everything else as documents."""

from __future__ import annotations

from pathlib import PurePosixPath

from outlive.channels.telegram.client import BotClient, address
from outlive.channels.telegram.rules import Place
from outlive.errors import Invalid, TooLarge

MAX_UPLOAD = 50 * 1024 * 1024
MAX_PHOTO = 10 * 1024 * 1024
CAPTION_LENGTH = 1024
PHOTOS = frozenset({".jpg", ".jpeg", ".png", ".webp"})


async def send_file(bot: BotClient, place: Place, path: str, data: bytes, caption: str) -> None:
    """Send it; `TooLarge` over what bots may send, `Invalid` when Telegram does not take it.

    https://core.telegram.org/bots/api#senddocument, and #sendphoto, whose limits on width and height are Telegram's to
    check: a picture that it refuses goes out as a document.
    """
    name = PurePosixPath(path).name
    if len(data) > MAX_UPLOAD:
        raise TooLarge(f"{name} is {len(data):,} bytes long.", fix=f"Telegram takes {MAX_UPLOAD:,} bytes at most.")
    parameters = {**address(place), "caption": caption[:CAPTION_LENGTH] or None}
    if PurePosixPath(name.lower()).suffix in PHOTOS and len(data) <= MAX_PHOTO:
        try:
            await bot.call("sendPhoto", parameters, files={"photo": (name, data)})
        except Invalid:
            await bot.call("sendDocument", parameters, files={"document": (name, data)})
        return
    await bot.call("sendDocument", parameters, files={"document": (name, data)})
