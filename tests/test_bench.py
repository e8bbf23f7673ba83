"""The benchmark's own workload and counters, at tiny sizes; no peer is needed."""

from __future__ import annotations

import asyncio
import sys
import zlib
from pathlib import Path

from bench.measure import Io, disk, io_counted
from bench.workload import MESSAGE_BYTES, Workload


def counted(written: int = 0, write_calls: int = 0, read: int = 0, read_calls: int = 0) -> Io | None:
    """These counts where the kernel keeps them (Linux), None where it does not."""
    return Io(written, write_calls, read, read_calls) if io_counted() else None


async def measured_alone(body: str) -> Io | None:
    """What `measure` counts for this body of an async function.

    In a process of its own: the counters are of a whole process, and a test worker has threads that read pipes.
    """
    code = (
        f"import asyncio, os\nfrom bench.measure import measure\nasync def work():\n{body}"
        "print(asyncio.run(measure(work))[1].io)"
    )
    root = Path(__file__).parent.parent
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE, cwd=root)
    printed, _ = await child.communicate()
    assert child.returncode == 0
    return eval(printed, {"Io": Io})  # the repr of a frozen dataclass, or None


def test_every_message_has_the_stated_length() -> None:
    """Each message's text is 2,048 bytes of ASCII."""
    texts = [message.text for turn in Workload().turns(0, 20) for message in turn]
    assert {len(text.encode("ascii")) for text in texts} == {MESSAGE_BYTES}


def test_the_same_turn_is_the_same_everywhere() -> None:
    """A turn depends on its index alone: two workloads, read in different order, agree."""
    early, late = Workload(), Workload()
    expected = [early.turn(index) for index in (0, 1, 2)]
    assert [late.turn(index) for index in (2, 1, 0)] == expected[::-1]


def test_the_first_turn_never_changes() -> None:
    """The first message is byte for byte the one that the published figures were measured with."""
    message = Workload().turn(0).user
    assert (message.id, zlib.crc32(message.text.encode())) == (
        "101f43fe-cd99-4521-9565-f00cfba7c54e",
        2706018675,
    )


def test_messages_differ() -> None:
    """No two messages share their text or their uuid."""
    messages = [message for turn in Workload().turns(0, 50) for message in turn]
    assert len({message.id for message in messages}) == len({message.text for message in messages}) == 100


def test_the_text_compresses_like_prose() -> None:
    """Compression shrinks a long conversation by 2 to 3 times, which is what it does to English."""
    text = "".join(message.text for turn in Workload().turns(0, 100) for message in turn).encode()
    assert 2 < len(text) / len(zlib.compress(text)) < 3


async def test_written_bytes_and_calls_are_counted_exactly(tmp_path: Path) -> None:
    """Two writes of 5 and 7 bytes are counted as 12 bytes in 2 calls, and nothing else."""
    work = f"""
    handle = os.open({str(tmp_path / "file")!r}, os.O_CREAT | os.O_WRONLY)
    os.write(handle, b"12345")
    os.write(handle, b"1234567")
    os.close(handle)
"""
    assert await measured_alone(work) == counted(written=12, write_calls=2)


async def test_read_bytes_and_calls_are_counted_exactly(tmp_path: Path) -> None:
    """One read of a file of 9 bytes is counted as 9 bytes in 1 call, and nothing else."""
    (tmp_path / "file").write_bytes(b"123456789")
    work = f"""
    handle = os.open({str(tmp_path / "file")!r}, os.O_RDONLY)
    os.read(handle, 100)
    os.close(handle)
"""
    assert await measured_alone(work) == counted(read=9, read_calls=1)


async def test_work_that_touches_no_file_counts_nothing() -> None:
    """The counters' own reading is taken out of a sample."""
    assert await measured_alone("    pass\n") == counted()


def test_disk_counts_files_below_folders(tmp_path: Path) -> None:
    """Lengths of nested files add up, and a folder itself is no file."""
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "one").write_bytes(b"x" * 5000)
    (tmp_path / "two").write_bytes(b"y")
    found = disk(tmp_path)
    assert (found.files, found.length) == (2, 5001)
