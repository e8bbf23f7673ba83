"""Bytes put aside on disk while an archive is written: what a session holds may be more than there is memory."""

from __future__ import annotations

import asyncio
import mmap
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from outlive.core.keys import SessionId
from outlive.core.packs import Pack, PackName, PackRef
from outlive.flows.engine import Engine
from outlive.flows.tenant_stores import TenantStores
from outlive.flows.turn.read_packs import pack_reader


class Spool:
    """A file without a name: it is gone with its process."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._size = 0

    async def add(self, parts: Iterable[bytes]) -> slice:
        """Put bytes at the end; where they lie."""
        return await asyncio.to_thread(self._add, parts)

    def _add(self, parts: Iterable[bytes]) -> slice:
        start = self._size
        for part in parts:
            self._file.write(part)
            self._size += len(part)
        return slice(start, self._size)

    def view(self) -> memoryview:
        """All that was put into it, mapped: read from the disk as it is looked at."""
        self._file.flush()
        return memoryview(mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ) if self._size else b"")


@asynccontextmanager
async def spool_in(folder: Path) -> AsyncIterator[Spool]:
    """A spool on the disk of this folder, where the archive goes as well; `OSError` when it is full."""
    file = await asyncio.to_thread(_new_file, folder)
    try:
        yield Spool(file)
    finally:
        await asyncio.to_thread(file.close)


def _new_file(folder: Path) -> IO[bytes]:
    return TemporaryFile("w+b", dir=folder)


async def spool_packs(
    engine: Engine, stores: TenantStores, session_id: SessionId, refs: Sequence[PackRef], spool: Spool
) -> Mapping[PackName, slice]:
    """Fetch the packs one after the other, verify them, and put their data aside as it is unpacked."""
    reader = pack_reader(engine, stores, session_id)
    return {ref.name: await spool.add(await reader.pieces(ref)) for ref in refs}


def mapped(spool: Spool, places: Mapping[PackName, slice]) -> Mapping[PackName, Pack]:
    """The packs again, without their indexes."""
    view = spool.view()
    return {name: Pack({}, view[place]) for name, place in places.items()}
