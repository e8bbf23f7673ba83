"""A fake Telegram for tests: the Bot API's documented behaviour on loopback, and people who talk to the bot."""

from outlive.testing.telegram.refusals import BLOCKED, ApiError, bad, too_many
from outlive.testing.telegram.server import TOKEN, FakeTelegram

__all__ = ["BLOCKED", "TOKEN", "ApiError", "FakeTelegram", "bad", "too_many"]
