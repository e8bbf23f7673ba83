"""Telegram: what comes in through webhook or long polling, and what goes out through the Bot API."""
