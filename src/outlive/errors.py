"""Every error outlive raises, cut by what the caller should do about it.

    OutliveError
    ├── Invalid            fix the input or the settings      400 · exit 2
    │   └── TooLarge       make it smaller or raise the limit 413 · exit 2
    ├── Refused            who you are does not allow it      401/403 · exit 1
    ├── NotFound           there is no such thing             404 · exit 1
    ├── Conflict           somebody was first: read again     409/412 · exit 1
    │   ├── AlreadyExists
    │   ├── VersionConflict
    │   └── LeaseLost
    ├── Corrupt            a named object is damaged; it is not resumed   500 · exit 1
    │   └── SchemaTooNew   written by a newer outlive: upgrade this one
    ├── Unavailable        a backend failed: try later        503 · exit 1
    │   └── Undelivered    a channel could not take a reply now
    │       └── RateLimited    a vendor asks to wait: after so many seconds  429 · exit 1
    └── AgentFailed        the agent's process or model failed; the turn was not committed  502 · exit 1

"Busy" is no error: `Table.acquire` returns None. HTTP and exit codes are mapped in `entrypoints` only.
"""

from __future__ import annotations


class OutliveError(Exception):
    """Something outlive reports rather than hides."""

    def __init__(self, message: str | None = None, *, fix: str | None = None) -> None:
        """`message` defaults to the class's docstring; `fix` says what to do next, in one sentence."""
        self.message = message or (type(self).__doc__ or "").strip()
        self.fix = fix
        super().__init__(self.message if fix is None else f"{self.message} {fix}")


class Invalid(OutliveError):
    """The input is not valid."""


class TooLarge(Invalid):
    """The input is over a stated limit."""


class Refused(OutliveError):
    """The caller is not allowed to do this."""


class NotFound(OutliveError):
    """There is no such thing."""


class Conflict(OutliveError):
    """Somebody else was first; read again before retrying."""


class AlreadyExists(Conflict):
    """It exists already."""


class VersionConflict(Conflict):
    """The record is no longer at the expected version."""


class LeaseLost(Conflict):
    """The session's lease has passed to another worker; nothing of this turn was written."""


class Corrupt(OutliveError):
    """A stored object does not have the bytes it was written with."""


class SchemaTooNew(Corrupt):
    """Written by a newer outlive than this one."""


class Unavailable(OutliveError):
    """A backend did not answer; nothing is known to be lost, try again later."""

    def __init__(
        self, message: str | None = None, *, original: BaseException | None = None, fix: str | None = None
    ) -> None:
        """`original` is the vendor's own error, kept for the log."""
        super().__init__(message, fix=fix)
        self.original = original


class Undelivered(Unavailable):
    """The channel could not take the reply now; it stays in the outbox."""

    def __init__(
        self,
        message: str | None = None,
        *,
        retry_after: float = 0.0,
        progress: str = "",
        original: BaseException | None = None,
        fix: str | None = None,
    ) -> None:
        """`retry_after` in seconds, as the vendor asks; `progress` comes back with the next try (`Reply.progress`)."""
        super().__init__(message, original=original, fix=fix)
        self.retry_after = retry_after
        self.progress = progress


class RateLimited(Undelivered):
    """A vendor's rate limit is reached; try again when it says so."""

    def __init__(self, message: str | None = None, *, retry_after: float = 1.0, fix: str | None = None) -> None:
        """`retry_after` in seconds, as the vendor asks."""
        super().__init__(message, retry_after=retry_after, fix=fix)


class AgentFailed(OutliveError):
    """The agent did not finish its turn; nothing of it was committed."""
