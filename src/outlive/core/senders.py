"""Where is kept who may talk to a bot, and which group has moved; below the tenant. Standard library only."""

from __future__ import annotations

from outlive.core.keys import quote_part


def pairing_key(channel: str, sender: str) -> str:
    """Of what is known of a sender whom the settings do not name."""
    return f"pair/{quote_part(channel)}/{quote_part(sender)}"


def moved_key(channel: str, chat: int) -> str:
    """Of the id under which a group's sessions began."""
    return f"moved/{quote_part(channel)}/{chat}"
