"""Which URLs an object store opens, and what is said of the others."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path

import pytest

from outlive.errors import Invalid
from outlive.objects.objects import UrlObjects
from outlive.testing.clock import ManualClock


async def open_url(url: str) -> UrlObjects:
    return await UrlObjects.open(url, clock=ManualClock())


BAD = [
    "",
    "nonsense",
    "ftp://host/x",
    "s3://",
    "file://host/x",
    "file:relative",
    "file:///x?y",
    "http://host/x",
    "file://[",
]


@pytest.mark.parametrize("url", BAD)
async def test_a_url_of_no_use_is_named_with_the_fix(url: str) -> None:
    """Anything but a folder or a known store is `Invalid`: the message shows the URL and those that work."""
    with pytest.raises(Invalid, match=re.escape(repr(url)) + r".*Give file:///FOLDER"):
        await open_url(url)


@pytest.mark.parametrize("url", ["s3://bucket", "s3://bucket/a/b", "gs://bucket/a", "az://container/a"])
async def test_remote_stores_open_by_url(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """S3, Google Cloud Storage and Azure open by their URL, region and account coming from the environment."""
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "account")
    await (await open_url(url)).close()


async def test_an_unknown_option_is_invalid() -> None:
    """A misspelt option of the store is refused when it is opened, and named."""
    with pytest.raises(Invalid, match="regoin"):
        await UrlObjects.open("s3://bucket", clock=ManualClock(), options={"regoin": "x"})


async def test_a_folder_with_odd_characters_opens(tmp_path: Path) -> None:
    """Spaces, percent signs and other scripts in the folder's name are understood as a URL writes them."""
    folder = tmp_path / "a b%20c" / "\u00fcml"
    await open_url(folder.as_uri())
    assert folder.is_dir()


async def test_an_unwritable_folder_is_invalid() -> None:
    """A folder that cannot be made or written is `Invalid` when it is opened, with its URL and the reason."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o555)
        privileged = os.geteuid() == 0
        try:
            os.seteuid(65534 if privileged else os.geteuid())
            with pytest.raises(Invalid, match=f"{name}/data.*Permission denied"):
                await open_url(Path(name, "data").as_uri())
        finally:
            os.seteuid(0 if privileged else os.geteuid())


async def test_a_file_in_the_way_is_invalid(tmp_path: Path) -> None:
    """A folder's URL at which there is a file is `Invalid`."""
    tmp_path.joinpath("file").write_bytes(b"")
    with pytest.raises(Invalid, match="file"):
        await open_url((tmp_path / "file").as_uri())


async def test_a_disk_without_hard_links_is_invalid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system that cannot give a file its name atomically is refused at opening, with the fix."""

    def link(source: object, target: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", link)
    with pytest.raises(Invalid, match=r"no hard links.*another disk"):
        await open_url(tmp_path.as_uri())
