"""Files that come with a message of a WeCom bot: fetched from the address in the message, and decrypted.

https://developer.work.weixin.qq.com/document/path/100719
"""

from __future__ import annotations

from ipaddress import ip_address

import httpx

from outlive.channels.wechat.sealing import Sealer
from outlive.errors import Invalid, NotFound, TooLarge, Unavailable

MAX_FILE = 20 * 1024 * 1024
TOO_LARGE = f"the file is larger than {MAX_FILE:,} bytes."


def _check_address(url: str, base: str) -> None:
    if url.startswith(f"{base}/"):
        return
    if not url.startswith("https://"):
        raise Invalid("the file's address is not HTTPS.")
    try:
        host = httpx.URL(url).host
        ip_address(host)
    except httpx.InvalidURL as error:
        raise Invalid("the file's address cannot be read.") from error
    except ValueError:
        return
    raise Invalid(f"the file's address is {host}, and no name of a host.")


async def fetch_file(http: httpx.AsyncClient, url: str, sealer: Sealer, *, base: str) -> bytes:
    """The file's bytes; `NotFound` once WeCom has it no more (after five minutes), `TooLarge` over 20 MB.

    The address came sealed by WeCom. `base` is the one other place besides HTTPS that it may lead to.
    """
    _check_address(url, base)
    found = bytearray()
    try:
        async with http.stream("GET", url) as response:
            if response.status_code >= 500:
                raise Unavailable(f"WeCom answers a file's address with HTTP {response.status_code}.")
            if response.status_code != 200:
                raise NotFound("WeCom has the file no more: it keeps it for five minutes.")
            async for part in response.aiter_bytes():
                found += part
                if len(found) > MAX_FILE:
                    raise TooLarge(TOO_LARGE)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise Unavailable(f"WeCom gives no file ({type(error).__name__}).") from None
    return sealer.open_file(bytes(found))
