"""Every number that boardsync counts, in one place: its name, its labels and its meaning.

The names follow Prometheus' conventions, because they are exported under them: a counter ends
in `_total`, a unit is part of the name.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Metric:
    """A number with a name. Two values of it differ in their labels."""

    name: str
    meaning: str
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Counter(Metric):
    """A number that only grows, from zero at start."""


@dataclass(frozen=True, slots=True)
class Gauge(Metric):
    """A number that is measured, and goes up and down."""


HINTS = Counter("boardsync_hints_total", "Hints to look at something.", ("mirror", "source"))
WATCH_LOSSES = Counter(
    "boardsync_watch_losses_total",
    "Times that events of a folder were or may have been lost, by reason.",
    ("mirror", "reason"),
)
RUNS = Counter("boardsync_runs_total", "Finished runs, by how they ended.", ("mirror", "outcome"))
TRANSFERS = Counter(
    "boardsync_transfers_total",
    "Finished attempts of transfers, by kind and outcome.",
    ("mirror", "kind", "outcome"),
)
SERVER_CALLS = Counter(
    "boardsync_server_calls_total",
    "Calls of a server, by method of the port and outcome.",
    ("server", "operation", "outcome"),
)
SERVER_SECONDS = Counter(
    "boardsync_server_seconds_total",
    "Time that calls of a server took, by method of the port and outcome.",
    ("server", "operation", "outcome"),
)
SERVER_BYTES_SENT = Counter(
    "boardsync_server_sent_bytes_total", "Bytes of pictures sent to a server.", ("server",)
)
SERVER_BYTES_RECEIVED = Counter(
    "boardsync_server_received_bytes_total",
    "Bytes of pictures received from a server.",
    ("server",),
)
LISTINGS_DISTRUSTED = Counter(
    "boardsync_listings_distrusted_total",
    "Listings that were incomplete or suspicious, and so proved no absence.",
    ("mirror",),
)
BACKUPS = Counter("boardsync_backups_total", "Backups of the state file.", ("outcome",))

FILES = Gauge("boardsync_files", "Files in the mirror's folder at the last look.", ("mirror",))
ITEMS = Gauge("boardsync_items", "Items on the mirror's boards at the last look.", ("mirror",))
WAITING = Gauge(
    "boardsync_transfers_waiting", "Transfers that are not finished, by state.", ("mirror", "state")
)
LAST_AGREEMENT = Gauge(
    "boardsync_last_agreement_seconds",
    "When both sides were last seen to agree, in seconds since 1970.",
    ("mirror",),
)
SERVER_UP = Gauge(
    "boardsync_server_up", "1 if the server answered the last call, otherwise 0.", ("server",)
)

ALL: tuple[Metric, ...] = (
    HINTS,
    WATCH_LOSSES,
    RUNS,
    TRANSFERS,
    SERVER_CALLS,
    SERVER_SECONDS,
    SERVER_BYTES_SENT,
    SERVER_BYTES_RECEIVED,
    LISTINGS_DISTRUSTED,
    BACKUPS,
    FILES,
    ITEMS,
    WAITING,
    LAST_AGREEMENT,
    SERVER_UP,
)
