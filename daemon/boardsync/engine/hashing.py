"""Reads files that are to be hashed, and records what came of it.

What cannot be read at the moment is tried again, ever more rarely.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import structlog
from sqlalchemy import Connection

from boardsync.engine.context import Mirror
from boardsync.errors import FileChanging, FileUnreadable, PictureRefused
from boardsync.files.snapshot import digest_file, read_snapshot
from boardsync.formats.whole import check
from boardsync.model import FileStat
from boardsync.plan.settling import left_alone_ns
from boardsync.state import failed_readings, observations, rot
from boardsync.state.failed_readings import FailedReading
from boardsync.state.records import FileRecord

log = structlog.get_logger(__name__)

EAGER_BYTES = 64 << 20
"""Just-closed files up to this size are checked for wholeness at once, instead of settling."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What came of reading a file: its digest and its `stat`; or why that cannot be had.

    failed: at the moment; otherwise the file is refused as it is.
    """

    path: bytes
    digest: str = ""
    stat: FileStat | None = None
    reason: str = ""
    failed: bool = False


def hash_batch(
    mirror: Mirror, ready: list[FileRecord], early: list[FileRecord]
) -> list[Reading]:  # fmt: skip
    """Read files: settled ones, and just-closed ones, which have to prove whole.

    What changes under our hands is left out, and what a writer still has open: until it has been
    left alone for so long that it is believed all the same.
    """
    results: list[Reading] = []
    most, now = mirror.limits().max_bytes, mirror.clock.now_ns()
    for one in ready:
        if one.size > most:
            text = f"larger than allowed: {one.size} bytes, the limit is {most} (max_bytes)"
            results.append(Reading(one.path, reason=text))
            continue
        let_go = now < left_alone_ns(one.stat, one.changed_ns)
        _try(results, one.path, partial(_digest, mirror, let_go))
    for one in early:
        _try(results, one.path, lambda p: _digest_if_whole(mirror, p))
    return results


def _try(
    results: list[Reading], path: bytes, hash_one: Callable[[bytes], tuple[str, FileStat]]
) -> None:
    try:
        digest, stat = hash_one(path)
        results.append(Reading(path, digest, stat))
    except FileUnreadable as error:
        results.append(Reading(path, reason=error.reason, failed=True))
    except FileChanging:
        log.debug("not settled yet", path=path)
    except PictureRefused as error:
        results.append(Reading(path, reason=str(error)))


def _digest(mirror: Mirror, let_go: bool, path: bytes) -> tuple[str, FileStat]:
    return digest_file(mirror.absolute(path), mirror.disk, let_go=let_go)


def _digest_if_whole(mirror: Mirror, path: bytes) -> tuple[str, FileStat]:
    snapshot = read_snapshot(mirror.absolute(path), EAGER_BYTES, mirror.disk, let_go=True)
    verdict = check(snapshot.content)
    if not (verdict.whole and verdict.certain):
        raise FileChanging("closed, but not provably whole")
    return snapshot.digest, snapshot.stat


def note_hashed(
    number: int, results: list[Reading], now_ns: int, c: Connection
) -> tuple[list[FailedReading], bool]:
    """Record what came of a batch.

    Returns what could not be read now, and whether others that could not are to be tried at once.
    """
    hashed = [(one.path, one.stat, one.digest) for one in results if one.stat is not None]
    hashed = list(rot.as_content(c, number, hashed, now_ns // 1_000_000))
    observations.note_digests(c, number, hashed, now_ns)
    for one in results:
        if one.stat is None and not one.failed:
            observations.refuse_file(c, number, one.path, one.reason, now_ns)
    return _note_failed(number, results, now_ns // 1_000_000, c)


def _note_failed(
    number: int, results: list[Reading], now_ms: int, c: Connection
) -> tuple[list[FailedReading], bool]:
    """Record what could not be read. Where one of those can be again, the others can, too.

    Returns what could not be read, and whether others are to be tried at once.
    """
    read = [one.path for one in results if not one.failed]
    healed = failed_readings.forget(c, number, read) > 0
    if healed:
        failed_readings.hurry(c, number)
    failed = []
    for one in results:
        if one.failed:
            attempts = failed_readings.note(c, number, one.path, one.reason, now_ms)
            failed.append(FailedReading(one.path, one.reason, attempts, now_ms, now_ms))
    return failed, healed


def tell_unread(results: list[Reading]) -> None:
    """Log what could not be read."""
    for one in results:
        if one.failed:
            log.info("cannot be read now; it is tried again", path=one.path, reason=one.reason)
        elif one.stat is None:
            log.warning("cannot be read", path=one.path, reason=one.reason)
