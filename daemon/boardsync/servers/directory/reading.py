"""Reading an item, and telling a whole picture from one that is still being written.

Other programs write here in place. A picture that proves its end is whole at once; one that
is cut short is still being written while it is young, and broken once it is old.
"""

from __future__ import annotations

from boardsync.errors import FileChanging, PictureRefused
from boardsync.files.snapshot import Snapshot, read_snapshot, stat_of
from boardsync.formats.verdict import Verdict
from boardsync.formats.whole import check
from boardsync.servers.directory.tree import Place

_BROKEN_AFTER_NS = 60_000_000_000
"""A writer that pauses longer than this within one picture has died."""

_QUIET_NS = 10_000_000_000
"""How long a format without a certain end has to stand still."""


def read_item(place: Place, max_bytes: int) -> Snapshot:
    """Read an item as it was when it was found.

    Raises FileChanging when it is another by now, PictureRefused when it is too large or may
    not be read.
    """
    try:
        snapshot = read_snapshot(place.path, max_bytes)
    except PictureRefused as refusal:
        raise PictureRefused(f"item {place.item_id}: {refusal}") from refusal
    seen, then = snapshot.stat, stat_of(place.stat)
    if (seen.mtime_ns, seen.size) != (then.mtime_ns, then.size):
        raise FileChanging(f"item {place.item_id}: changed while it was looked at")
    return snapshot


def is_whole(snapshot: Snapshot, verdict: Verdict, now_ns: int) -> bool:
    """Tell whether an item is a whole picture that nobody is writing any more."""
    return verdict.whole and (verdict.certain or _age_ns(snapshot, now_ns) >= _QUIET_NS)


def require_whole(place: Place, snapshot: Snapshot, now_ns: int) -> Verdict:
    """Return the verdict on a whole item.

    Raises FileChanging while it is being written, PictureRefused when it stays broken.
    """
    verdict = check(snapshot.content)
    if is_whole(snapshot, verdict, now_ns):
        return verdict
    if verdict.whole or _age_ns(snapshot, now_ns) < _BROKEN_AFTER_NS:
        raise FileChanging(f"item {place.item_id}: still being written ({verdict.reason})")
    raise PictureRefused(
        f"item {place.item_id}: not a whole picture ({verdict.reason}); "
        "mend or remove it on the server"
    )


def _age_ns(snapshot: Snapshot, now_ns: int) -> int:
    """Nanoseconds since the last change, or to it: a clock that is ahead must not wait for ever."""
    return abs(now_ns - snapshot.stat.mtime_ns)
