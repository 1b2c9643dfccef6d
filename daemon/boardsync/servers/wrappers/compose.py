"""The one place where wrappers are put together."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from weakref import WeakSet

from boardsync.servers.port import Server
from boardsync.servers.wrappers.limited import Limited, Sharing, Slots
from boardsync.servers.wrappers.metered import Meter, Metered
from boardsync.servers.wrappers.retrying import Pauses, Retrying
from boardsync.servers.wrappers.throttled import Bandwidth, RateNow, Throttled


@dataclass(frozen=True, slots=True)
class Shared:
    """What all servers have a part in. at_once: slots for their transfers."""

    up: Bandwidth = field(default_factory=lambda: Bandwidth(None))
    down: Bandwidth = field(default_factory=lambda: Bandwidth(None))
    at_once: Slots = field(default_factory=Slots)
    _own: WeakSet[Bandwidth] = field(default_factory=WeakSet)

    def bandwidth(self, rate: RateNow | int | None) -> Bandwidth:
        """Make one server's own, which hears of changes, too: a rate may go by another clock."""
        made = Bandwidth(rate)
        self._own.add(made)
        return made

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Let other limits come into force in the block, for transfers under way, too."""
        bandwidths = [self.up, self.down, *self._own]
        for one in bandwidths:
            one.settle()
        yield
        for one in bandwidths:
            one.look_again()
        self.at_once.look_again()


@dataclass(frozen=True, slots=True)
class Policy:
    """How one server is treated. None: what the kind recommends, or without a limit."""

    uploads_at_once: int | None = None
    downloads_at_once: int | None = None
    requests_per_second: float | None = None
    bandwidth_up: RateNow | int | None = None
    bandwidth_down: RateNow | int | None = None
    shared: Shared = field(default_factory=Shared)
    pauses: Pauses = field(default_factory=Pauses)


def compose(server: Server, policy: Policy, meter: Meter, keep: bytes | None = None) -> Server:
    """Wrap a server in everything that is not its own business.

    keep: where pictures are saved before they are deleted on a server that has no trash;
    without it, nothing is deleted there.

    From the inside: every single attempt is metered; it holds a slot of those of all servers; it
    starts when the bandwidth allows, its server's and that of all; it holds a slot of its
    server's; and who waits to try again holds none. A trash of our own is outside of all that:
    what it fetches and sends counts like anything else.
    """
    shared = policy.shared
    throttled = Throttled(
        Sharing(Metered(server, meter), shared.at_once),
        up=(shared.bandwidth(policy.bandwidth_up), shared.up),
        down=(shared.bandwidth(policy.bandwidth_down), shared.down),
    )
    limited = Limited(
        throttled,
        uploads_at_once=policy.uploads_at_once,
        downloads_at_once=policy.downloads_at_once,
        requests_per_second=policy.requests_per_second,
    )
    whole = Retrying(limited, policy.pauses, meter.retried)
    can = server.capabilities
    if keep is None or can.trash or not can.deletes:
        return whole
    # Imported late: few kinds need it.
    from boardsync.servers.wrappers.keeping import Keeping
    from boardsync.servers.wrappers.kept import KeptPictures

    return Keeping(whole, KeptPictures(keep))
