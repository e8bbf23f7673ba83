"""A fake WeChat for tests: the official-account API, and WeCom's bot, which asks for its answers."""

from outlive.testing.wechat.account import FakeWeChat
from outlive.testing.wechat.bot import FakeWeCom

__all__ = ["FakeWeChat", "FakeWeCom"]
