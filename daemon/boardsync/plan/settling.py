"""When a file may be believed to be finished.

A writer can pause for any time; the check of its bytes before sending has the last word. The
waits only keep us from reading files that are obviously still being made.
"""

from __future__ import annotations

from dataclasses import dataclass

from boardsync.model import FileStat

CLOCK_GRANULARITY_NS = 2_000_000_000
"""FAT's two seconds: a change within this of the last hashing may not show in `stat`."""

LEFT_ALONE_SECONDS = 300.0
"""The quiet of what may not be finished: what ends in zeros may be room that was reserved, or a
dark picture, and what a program has open for writing may have been forgotten by it."""


@dataclass(frozen=True, slots=True)
class Waits:
    """Seconds of quiet: for formats with an end mark, for the others, and for rewrites."""

    quiet: float = 2.0
    quiet_uncertain: float = 10.0
    rewrite: float = 30.0


def ready_at_ns(
    stat: FileStat, changed_ns: int, waits: Waits, *, end_mark: bool, rewrite: bool
) -> int:
    """Return when a file counts as settled, if nothing happens to it until then.

    changed_ns: when we first saw its present `stat`, never later than now: a clock may be set
    back, and the caller sees to that. A file whose own times are older was finished before we
    looked; times in the future are not believed.
    """
    seconds = waits.quiet if end_mark else waits.quiet_uncertain
    if rewrite:
        seconds = max(seconds, waits.rewrite)
    last_touch = min(max(stat.mtime_ns, stat.ctime_ns), changed_ns)
    return last_touch + int(seconds * 1e9)


def left_alone_ns(stat: FileStat, changed_ns: int) -> int:
    """Return when a file that may not be finished counts as it, if nothing happens to it."""
    waits = Waits(quiet=LEFT_ALONE_SECONDS)
    return ready_at_ns(stat, changed_ns, waits, end_mark=True, rewrite=False)


def is_racy(stat: FileStat, hashed_ns: int) -> bool:
    """Tell whether the file could have changed after its hashing without its `stat` showing it."""
    return hashed_ns - max(stat.mtime_ns, stat.ctime_ns) < CLOCK_GRANULARITY_NS
