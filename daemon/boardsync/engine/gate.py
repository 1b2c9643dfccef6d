"""One gate for each server: closed while it is down, so that nobody knocks in vain.

The first failure closes it for a second, further ones for longer, up to half a minute. One
server's gate never concerns another's mirrors.
"""

from __future__ import annotations

import structlog

from boardsync.engine.clock import Clock, now_ms
from boardsync.errors import (
    NotAuthorised,
    OutcomeUnknown,
    ServerBusy,
    ServerFault,
    ServerUnreachable,
    TryAgain,
)
from boardsync.plan.backoff import delay_seconds

log = structlog.get_logger(__name__)

LONGEST_SECONDS = 30.0
PERSON_SECONDS = 60.0
"""Between two tries while only a person can help (a wrong password): not a login storm."""
DOUBTS = 3
"""So many lost answers in a row are the server's trouble, not one picture's."""


class Gate:
    """Whether a server may be asked now. trouble, since_ms: why not, and from when on.

    answered: whether the server ever did what it was asked since this process began.
    """

    def __init__(self, server: str, clock: Clock) -> None:
        self.server = server
        self._clock = clock
        self._failures = 0
        self._doubts = 0
        self._opens_at = 0.0
        self.trouble: str | None = None
        self.since_ms: int | None = None
        self.answered = False

    def wait_seconds(self) -> float:
        """Return how long the gate stays closed; 0.0 when it is open."""
        return max(0.0, self._opens_at - self._clock.monotonic())

    def failed(self, error: Exception, *, looking: bool = False) -> None:
        """Close the gate when the error concerns the whole server.

        looking: a whole board could not be looked at. Busy with that is busy with everything;
        busy with one picture may be that picture's.
        What fails while it is closed was under way already, and counts no second time.
        """
        if isinstance(error, OutcomeUnknown):
            self._doubts += 1
        busy = looking and isinstance(error, ServerBusy)
        if self.wait_seconds() > 0 or not (busy or self._concerns_server(error)):
            return
        seconds = PERSON_SECONDS
        if isinstance(error, TryAgain):
            backoff = min(LONGEST_SECONDS, delay_seconds(self._failures + 1, self.server))
            seconds = max(backoff, error.retry_after or 0.0)
        self._failures += 1
        self._opens_at = self._clock.monotonic() + seconds
        if self.since_ms is None:
            self.since_ms = now_ms(self._clock)
        if self.trouble != str(error):
            log.warning("server is not available", server=self.server, error=str(error))
        self.trouble = str(error)

    def _concerns_server(self, error: Exception) -> bool:
        if isinstance(error, OutcomeUnknown):
            return self._doubts >= DOUBTS
        if isinstance(error, (NotAuthorised, ServerUnreachable, ServerFault)):
            return True
        return getattr(error, "retry_after", None) is not None

    def worked(self) -> None:
        """Open the gate: the server did what it was asked."""
        if self._failures:
            log.info("server is available again", server=self.server)
        self._failures = 0
        self._doubts = 0
        self._opens_at = 0.0
        self.trouble = self.since_ms = None
        self.answered = True
