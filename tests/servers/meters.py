"""A meter that remembers what it was told, for tests of servers and of the engine."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Measured:
    """One observation."""

    operation: str
    seconds: float
    outcome: str
    sent: int
    received: int


@dataclass
class Meters:
    """Implements the port of `boardsync.servers.wrappers.Meter`."""

    seen: list[Measured] = field(default_factory=list)
    retries: list[str] = field(default_factory=list)

    def observe(
        self, operation: str, seconds: float, outcome: str, sent: int, received: int
    ) -> None:
        self.seen.append(Measured(operation, seconds, outcome, sent, received))

    def retried(self, operation: str) -> None:
        self.retries.append(operation)
