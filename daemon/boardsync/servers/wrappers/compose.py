"""The one place where wrappers are put together."""

from __future__ import annotations

from dataclasses import dataclass, field

from boardsync.servers.port import Server
from boardsync.servers.wrappers.limited import Limited
from boardsync.servers.wrappers.metered import Meter, Metered
from boardsync.servers.wrappers.retrying import Pauses, Retrying
from boardsync.servers.wrappers.throttled import Bandwidth, Throttled


@dataclass(frozen=True, slots=True)
class Policy:
    """How one server is treated. None: what the kind recommends, or without a limit."""

    uploads_at_once: int | None = None
    downloads_at_once: int | None = None
    requests_per_second: float | None = None
    bandwidth_up: int | None = None
    bandwidth_down: int | None = None
    pauses: Pauses = field(default_factory=Pauses)


def compose(server: Server, policy: Policy, meter: Meter) -> Server:
    """Wrap a server in everything that is not its own business.

    From the inside: every single attempt is metered; it starts when the bandwidth allows; it
    holds a slot; and who waits to try again holds none.
    """
    throttled = Throttled(
        Metered(server, meter),
        up=Bandwidth(policy.bandwidth_up),
        down=Bandwidth(policy.bandwidth_down),
    )
    limited = Limited(
        throttled,
        uploads_at_once=policy.uploads_at_once,
        downloads_at_once=policy.downloads_at_once,
        requests_per_second=policy.requests_per_second,
    )
    return Retrying(limited, policy.pauses)
