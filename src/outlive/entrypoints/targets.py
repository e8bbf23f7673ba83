"""Which sessions an export or an erase is about: one, a user's, or all of the tenant."""

from __future__ import annotations

from dataclasses import dataclass

from outlive.errors import Invalid


@dataclass(frozen=True, slots=True)
class Target:
    """What was asked for; exactly one of session, user and everything."""

    session: str | None = None
    """Session id or session key."""
    user: str | None = None
    """Chat id."""
    channel: str | None = None
    """Of that user; None for any."""
    everything: bool = False

    def __post_init__(self) -> None:
        """`Invalid` when it is not clear what is meant."""
        if [self.session is not None, self.user is not None, self.everything].count(True) != 1:
            raise Invalid("it is not clear which sessions are meant.", fix="Give a session, or --user, or --all.")
        if self.channel is not None and self.user is None:
            raise Invalid("--channel goes with --user only.", fix="Leave it out.")

    def __str__(self) -> str:
        """In words."""
        if self.session is not None:
            return f"session {self.session}"
        return "everything of the tenant" if self.everything else f"every session of user {self.user}"

    @property
    def unit(self) -> str:
        """What the progress of work on it counts."""
        return "parts" if self.session is not None else "sessions"
