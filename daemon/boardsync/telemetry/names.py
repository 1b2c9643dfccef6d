"""Every number that boardsync counts, in one place: its name, its labels and its meaning.

The names follow Prometheus' conventions, because they are exported under them: a counter ends
in `_total`, a unit is part of the name. `docs/metrics.md` is generated from this module. Those
that begin with `process_` are called as Prometheus' own libraries call them.
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


@dataclass(frozen=True, slots=True)
class Histogram(Metric):
    """How often something was at most so much. limits: what its values are counted up to."""

    limits: tuple[float, ...] = ()


# --- Counted where it happens --------------------------------------------------------------------

HINTS = Counter(
    "boardsync_hints_total",
    "Hints to look at something: a path, the boards or everything.",
    ("mirror", "subject"),
)
PASSES = Counter(
    "boardsync_passes_total",
    "Passes, by how they ended: done, with a trouble (folder or server away), or failed.",
    ("mirror", "outcome"),
)
TRANSFERS = Counter(
    "boardsync_transfers_total",
    "Attempts of transfers, by kind and outcome: finished (nothing is left to do of it), refused"
    " (not tried again), failed (tried again later) or waiting (put off on purpose).",
    ("mirror", "kind", "outcome"),
)
WATCH_LOSSES = Counter(
    "boardsync_watch_losses_total",
    "Times that events of a folder were or may have been lost, by reason.",
    ("mirror", "reason"),
)
LISTINGS_DISTRUSTED = Counter(
    "boardsync_listings_distrusted_total",
    "Listings that were incomplete or suspicious, and so proved no absence.",
    ("mirror",),
)
SERVER_CALLS = Counter(
    "boardsync_server_requests_total",
    "Requests to a server, by operation and outcome: ok or the class of the error.",
    ("server", "operation", "outcome"),
)
SERVER_SECONDS = Histogram(
    "boardsync_server_request_seconds",
    "How long requests to a server took, by operation.",
    ("server", "operation"),
    (0.01, 0.05, 0.1, 0.5, 1, 5, 30),
)
SERVER_RETRIES = Counter(
    "boardsync_server_retries_total",
    "Reads that were asked again at once, by operation. Whole transfers that are tried again"
    " are boardsync_transfers_total with the outcome failed.",
    ("server", "operation"),
)
SERVER_BYTES_SENT = Counter(
    "boardsync_server_sent_bytes_total", "Bytes of pictures sent to a server.", ("server",)
)
SERVER_BYTES_RECEIVED = Counter(
    "boardsync_server_received_bytes_total",
    "Bytes of pictures received from a server.",
    ("server",),
)
HTTP_REFUSED = Counter(
    "boardsync_http_refused_total",
    "Requests over TCP that were turned away before anything looked at them, by reason.",
    ("reason",),
)

# --- Measured when somebody asks: a mirror -------------------------------------------------------

COUNTED = Gauge(
    "boardsync_mirror_counted_timestamp_seconds",
    "When a mirror was last counted: its contents (files, items, bytes and so on) or its pictures"
    " (synced, parted). The longer counting takes, the more rarely it is done.",
    ("mirror", "what"),
)
FILES = Gauge("boardsync_files", "Files in the mirror's folder at the last look.", ("mirror",))
FILE_BYTES = Gauge(
    "boardsync_file_bytes", "Their size together, as it was at the last look.", ("mirror",)
)
ITEMS = Gauge("boardsync_items", "Items on the mirror's boards at the last look.", ("mirror",))
SYNCED = Gauge("boardsync_synced", "Pictures that were seen on both sides.", ("mirror",))
SETTLING = Gauge(
    "boardsync_settling", "Files that change, or were not read since they did.", ("mirror",)
)
REFUSED = Gauge(
    "boardsync_refused", "Pictures that cannot be sent or fetched as they are.", ("mirror",)
)
PARTED = Gauge(
    "boardsync_parted",
    "Pictures that were deleted on one side and are kept on the other.",
    ("mirror",),
)
TRASHED = Gauge("boardsync_trashed", "Pictures in the trash, of both sides.", ("mirror",))
WAITING = Gauge(
    "boardsync_queue_length", "Transfers that are not finished, by kind.", ("mirror", "kind")
)
FAILING = Gauge(
    "boardsync_queue_failing",
    "Those of them whose last attempt failed.",
    ("mirror",),
)
OLDEST = Gauge(
    "boardsync_queue_oldest_seconds",
    "How long the oldest transfer that is not finished has been waiting; 0 without one.",
    ("mirror",),
)
UNDER_WAY = Gauge(
    "boardsync_transfers_under_way", "Transfers that are being carried out.", ("mirror",)
)
LAST_SUCCESS = Gauge(
    "boardsync_mirror_last_success_timestamp_seconds",
    "When both sides of a mirror were last looked at in full; 0 if never.",
    ("mirror",),
)
INDEX_PICTURES = Gauge(
    "boardsync_index_pictures", "Pictures of the mirror's folder in the search index.", ("mirror",)
)
INDEX_WAITING = Gauge(
    "boardsync_index_waiting", "Pictures in the search index that are to be read.", ("mirror",)
)
INDEX_FOLLOWED = Gauge(
    "boardsync_index_last_success_timestamp_seconds",
    "When the search index last took in all of the mirror's folder; 0 if never.",
    ("mirror",),
)
TROUBLE = Gauge(
    "boardsync_mirror_trouble_seconds",
    "How long a mirror has been unable to go on (folder or server away); 0 when it can.",
    ("mirror",),
)
HELD = Gauge("boardsync_held_removals", "Removals that wait for a person's consent.", ("mirror",))
GUARD_TRIPS = Counter(
    "boardsync_guard_trips_total",
    "Times that removals were held back for consent, since the state was made. While more of"
    " them turn up, one hold may count again.",
    ("mirror",),
)
WATCHING = Gauge(
    "boardsync_watching",
    "1 for how a folder is watched: native (the kernel tells), polling, away (the folder is not"
    " there) or stopped; otherwise 0.",
    ("mirror", "how"),
)

# --- Measured when somebody asks: servers and the daemon itself ----------------------------------

SERVER_UP = Gauge(
    "boardsync_server_up",
    "1 if the server is available or was not needed yet, 0 since something that concerns all of"
    " it failed.",
    ("server",),
)
JOB_DONE = Gauge(
    "boardsync_job_done_timestamp_seconds",
    "When a long job was last done, such as back_up.",
    ("job",),
)
STATE_BYTES = Gauge("boardsync_state_bytes", "Size of the state file with its log.")
STATE_FREE_BYTES = Gauge(
    "boardsync_state_disk_free_bytes", "Room for boardsync on the disk of the state file."
)
STATE_DISK_BYTES = Gauge("boardsync_state_disk_bytes", "Size of the disk of the state file.")
LOOP_LAG = Gauge(
    "boardsync_loop_lag_seconds",
    "The longest that the event loop was late within the last minute.",
)
BUILD = Gauge("boardsync_build_info", "1, with what runs.", ("version", "python", "sqlite"))
PROCESS_START = Gauge(
    "process_start_time_seconds", "When the process began, in seconds since 1970."
)
PROCESS_CPU = Counter("process_cpu_seconds_total", "Processor time, of user and system.")
PROCESS_MEMORY = Gauge("process_resident_memory_bytes", "Memory in use.")
PROCESS_FDS = Gauge("process_open_fds", "Open files and sockets.")
PROCESS_MAX_FDS = Gauge("process_max_fds", "How many of them there may be.")
PROCESS_THREADS = Gauge("process_threads", "Threads of the process.")

ALL: tuple[Metric, ...] = tuple(
    value for value in list(globals().values()) if isinstance(value, Metric)
)
"""All of them, in the order of this page."""
