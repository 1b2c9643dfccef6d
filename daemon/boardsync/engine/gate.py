"""One gate for each server: closed while it is down, so that nobody knocks in vain.

The first failure closes it for a second, further ones for longer, up to half a minute. One
server's gate never concerns another's mirrors.
"""

from __future__ import annotations

import structlog

from boardsync.engine.clock import Clock
from boardsync.errors import NeedsPerson, ServerUnreachable, TryAgain
from boardsync.plan.backoff import delay_seconds

log = structlog.get_logger(__name__)

LONGEST_SECONDS = 30.0
PERSON_SECONDS = 300.0
"""Between two tries while only a person can help (a wrong password): not a login storm."""


class Gate:
    """Whether a server may be asked now."""

    def __init__(self, server: str, clock: Clock) -> None:
        self._server = server
        self._clock = clock
        self._failures = 0
        self._opens_at = 0.0
        self.trouble: str | None = None

    def wait_seconds(self) -> float:
        """Return how long the gate stays closed; 0.0 when it is open."""
        return max(0.0, self._opens_at - self._clock.monotonic())

    def failed(self, error: Exception) -> None:
        """Close the gate when the error concerns the whole server."""
        if isinstance(error, NeedsPerson):
            seconds = PERSON_SECONDS
        elif isinstance(error, ServerUnreachable) or getattr(error, "retry_after", None):
            asked = error.retry_after if isinstance(error, TryAgain) else None
            backoff = min(LONGEST_SECONDS, delay_seconds(self._failures + 1, self._server))
            seconds = max(backoff, asked or 0.0)
        else:
            return
        self._failures += 1
        self._opens_at = self._clock.monotonic() + seconds
        if self.trouble != str(error):
            log.warning("server is not available", server=self._server, error=str(error))
        self.trouble = str(error)

    def worked(self) -> bool:
        """Open the gate. Tells whether it had been closed before."""
        was_closed = self._failures > 0
        if was_closed:
            log.info("server is available again", server=self._server)
        self._failures = 0
        self._opens_at = 0.0
        self.trouble = None
        return was_closed
