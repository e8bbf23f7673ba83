"""Files that come with a message over the API: checked, then kept until the message's turn is committed."""

from __future__ import annotations

from base64 import b64decode
from binascii import Error
from collections.abc import Sequence
from dataclasses import dataclass

from outlive.core.keys import SessionKey
from outlive.core.messages import Inbound
from outlive.core.uploads import UPLOAD_SECONDS, UPLOADS, upload_key
from outlive.errors import Invalid
from outlive.flows.engine import Engine
from outlive.flows.list_all import list_all
from outlive.flows.retry import put_once, retrying
from outlive.flows.tenant_stores import TenantStores
from outlive.protocols import FileRef


@dataclass(frozen=True, slots=True)
class Upload:
    """A file as it came."""

    name: str
    mime: str
    content: bytes


def decoded(name: str, text: str) -> bytes:
    """The bytes of a file in base64; `Invalid` names the file."""
    try:
        return b64decode(text, validate=True)
    except (Error, ValueError) as error:
        raise Invalid(
            f"files.data of {name!r} is not base64: {error}.", fix="Encode the bytes as RFC 4648 says."
        ) from error


def file_refs(key: SessionKey, message_id: str, uploads: Sequence[Upload]) -> tuple[FileRef, ...]:
    """What the message says of its files."""
    return tuple(
        FileRef(each.name, each.mime, len(each.content), upload_key(str(key), message_id, number))
        for number, each in enumerate(uploads)
    )


async def keep_uploads(engine: Engine, inbound: Inbound, uploads: Sequence[Upload]) -> None:
    """Store them; one that is there already from an earlier try of the same request is left as it is."""
    for ref, each in zip(inbound.files, uploads, strict=True):
        await put_once(engine.objects, ref.ref, each.content, engine.clock)


async def sweep_uploads(engine: Engine, stores: TenantStores) -> int:
    """Remove what belongs to messages that were never answered, once nobody will redrive them; how many."""
    until = engine.clock.now() - UPLOAD_SECONDS
    old = [info.key for info in await list_all(stores.objects, UPLOADS, engine.clock) if info.modified_at < until]
    if old:
        await retrying(lambda: stores.objects.delete(old), engine.clock)
    return len(old)
