"""Observes the local side: what is in the folder now, hashed when it is new or changed."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeVar

import structlog
from sqlalchemy import Connection

from boardsync.engine.clock import now_ms
from boardsync.engine.context import Mirror
from boardsync.engine.hashing import EAGER_BYTES, hash_batch, note_hashed, tell_unread
from boardsync.engine.readable import forgive_readable
from boardsync.errors import FolderAway
from boardsync.local.listed import Listed
from boardsync.local.report import ScanReport
from boardsync.local.root import open_root
from boardsync.local.scan import Gone, scan, scan_paths
from boardsync.plan.differences import Change, Difference, differences
from boardsync.plan.settling import ready_at_ns
from boardsync.state import absence, failed_readings, links, observations, places
from boardsync.state.records import FileRecord

log = structlog.get_logger(__name__)
T = TypeVar("T")

WRITE_CHUNK = 2000


@dataclass(frozen=True, slots=True)
class Pace:
    """How much is hashed before what is hashed may go, and how much of it to a commit."""

    seconds: float
    files: int
    bytes: int


FIRST = Pace(seconds=0.02, files=50, bytes=8 << 20)
"""The first upload should not wait for long."""
MEANWHILE = Pace(seconds=0.1, files=200, bytes=16 << 20)
"""Nor should it wait for what is hashed while boards are read."""
LATER = Pace(seconds=1.0, files=1000, bytes=64 << 20)


@dataclass(slots=True)
class FilesSeen:
    """What an observation of the folder found."""

    changed: int = 0
    gone: int = 0
    report: ScanReport = field(default_factory=ScanReport)


@dataclass(slots=True)
class Hashed:
    """A round of hashing: the paths that were hashed, and when the next one will have settled."""

    paths: list[bytes] = field(default_factory=list)
    waiting: int = 0
    next_ready_ns: int | None = None
    after: bytes = b""
    more: bool = False

    def absorb(self, other: Hashed) -> None:
        """Add a further round."""
        self.paths += other.paths
        self.waiting += other.waiting
        if other.next_ready_ns is not None:
            _sooner(self, other.next_ready_ns)


async def observe_folder(mirror: Mirror) -> FilesSeen:
    """Walk the whole folder and record what is new, changed or gone. Raises FolderAway."""
    seen = await asyncio.to_thread(_walk, mirror)
    moment, report = now_ms(mirror.clock), seen.report
    await mirror.state.write(
        lambda c: places.note_scan(
            c, mirror.number, moment, _identity(report), complete=report.complete
        )
    )
    await forgive_readable(mirror)
    return seen


async def observe_paths(mirror: Mirror, paths: Iterable[bytes]) -> FilesSeen:
    """Look at some paths only, as a hint asked for; in another folder than before, at all."""
    with mirror.state.read() as connection:
        before = places.root_identity(connection, mirror.number)
    there = await asyncio.to_thread(open_root, mirror.root, mirror.disk)
    if before not in (None, "", there.recorded):
        return await observe_folder(mirror)
    return await asyncio.to_thread(_look, mirror, list(paths))


def _walk(mirror: Mirror) -> FilesSeen:
    seen = FilesSeen()
    with mirror.state.read() as connection:
        known = observations.known_files(connection, mirror.number)
        found = scan(mirror.root, mirror.rules(), seen.report, mirror.disk)
        _record(mirror, seen, differences(found, known, mirror.clock.now_ns()))
    return seen


def _look(mirror: Mirror, paths: list[bytes]) -> FilesSeen:
    seen = FilesSeen()
    changed: list[Difference] = []
    found: set[bytes] = set()
    now = mirror.clock.now_ns()
    with mirror.state.read() as connection:
        for one in scan_paths(mirror.root, mirror.rules(), paths, seen.report, mirror.disk):
            known = observations.known_files(connection, mirror.number, one.path)
            if isinstance(one, Gone):
                changed += (Difference(each[0], Change.GONE, None) for each in known)
            else:
                found.add(one.path)
                same = (each for each in known if each[0] == one.path)
                changed += differences(iter([one]), same, now)
        for directory in seen.report.walked:
            below = observations.known_files(connection, mirror.number, directory)
            gone = (each[0] for each in below if each[0] not in found)
            changed += (Difference(path, Change.GONE, None) for path in gone)
    _record(mirror, seen, iter(changed))
    return seen


def _record(mirror: Mirror, seen: FilesSeen, changed: Iterator[Difference]) -> None:
    """Record differences as they stream by.

    What is gone waits for the end: only then can the report say where absence is proven.
    """
    gone: list[bytes] = []
    for chunk in chunked(changed, WRITE_CHUNK):
        now = mirror.clock.now_ns()
        gone += [one.path for one in chunk if one.change is Change.GONE]
        mirror.state.write_now(partial(_write_seen, mirror.number, chunk, now))
        seen.changed += sum(1 for one in chunk if one.change is Change.SEEN)
    _require_the_same_folder(mirror, seen.report, gone)
    proven = [path for path in gone if not seen.report.unproven(path)]
    seen.gone = len(proven)
    for paths in chunked(iter(proven), WRITE_CHUNK):
        vanished = _vanished(mirror, seen.report, paths)
        moment = now_ms(mirror.clock)
        mirror.state.write_now(partial(_write_gone, mirror.number, paths, vanished, moment))


def _vanished(mirror: Mirror, report: ScanReport, paths: list[bytes]) -> list[bytes]:
    """Return those paths that were deleted or moved, as a person would say.

    What a rule leaves alone now, or lay in a folder that was replaced by another one, is not
    deleted: it is not looked after any more.
    """
    with mirror.state.read() as connection:
        before = places.root_identity(connection, mirror.number)
    if before not in (None, _identity(report)):
        log.warning("another folder than before: what is missing counts as left, not as deleted")
        return []
    rules, names = mirror.rules(), Listed(mirror.root, mirror.disk)
    return [
        path for path in paths
        if rules.verdict(path, False) is None and not names.holds(path)
    ]  # fmt: skip


def _require_the_same_folder(mirror: Mirror, report: ScanReport, gone: list[bytes]) -> None:
    """Raise FolderAway when all files went together with the folder they were in.

    What is left of an unmounted disk is its empty mount point: another folder.
    """
    if report.files or not gone:
        return
    with mirror.state.read() as connection:
        before = places.root_identity(connection, mirror.number)
    if before is not None and before != _identity(report):
        raise FolderAway(
            f"{os.fsdecode(mirror.root)}: empty, and another folder than the one with"
            f" {len(gone)} pictures that was here; mount its disk, or put them back"
        )


def _identity(report: ScanReport) -> str:
    return report.root.recorded if report.root is not None else ""


def _write_seen(number: int, chunk: list[Difference], now_ns: int, c: Connection) -> None:
    found = [(one.path, one.stat) for one in chunk if one.change is Change.SEEN and one.stat]
    observations.see_files(c, number, found, now_ns, only_changed=True)
    absence.note_files_back(c, number, [path for path, _ in found])
    doubted = [one.path for one in chunk if one.change is Change.DOUBTED]
    observations.doubt_files(c, number, doubted)


def _write_gone(
    number: int, paths: list[bytes], vanished: list[bytes], moment: int, c: Connection
) -> None:
    absence.note_files_gone(c, number, vanished, moment)
    observations.forget_files(c, number, paths)


async def hash_settled(
    mirror: Mirror,
    closed: Collection[bytes] = (),
    after: bytes = b"",
    pace: Pace = LATER,
) -> Hashed:
    """Hash what is new or changed and has settled, at some pace, in order of the paths.

    closed: paths whose writer just closed them; those go at once when their bytes prove whole.
    after: where the last call stopped. The caller goes on while `more` says so: what is hashed
    can be on its way before the rest of a million is.
    """
    done = Hashed(after=after)
    until = mirror.clock.monotonic() + pace.seconds
    while batch := _next_batch(mirror, done.after, pace):
        done.after = batch[-1].path
        batch = await _in_our_time(mirror, batch)
        ready, early = _split_ready(mirror, batch, closed, done)
        # Before the first reading: what changes from here on must not count as hashed since.
        moment = mirror.clock.now_ns()
        results = await asyncio.to_thread(hash_batch, mirror, ready, early)
        failed, healed = await mirror.state.write(
            partial(note_hashed, mirror.number, results, moment)
        )
        if healed:
            _sooner(done, moment)
        tell_unread(results)
        done.paths += [one.path for one in results if not one.failed]
        for one in failed:
            done.waiting += 1
            _sooner(done, one.next_ms * 1_000_000)
        skipped = len(ready) + len(early) - len(results)
        if skipped:
            done.waiting += skipped
            _sooner(done, moment + 1_000_000_000)
        if mirror.clock.monotonic() >= until:
            done.more = True
            break
    return done


def _next_batch(mirror: Mirror, after: bytes, pace: Pace) -> list[FileRecord]:
    """Return the next files to hash: at least one, and no more than a stop can wait for."""
    with mirror.state.read() as connection:
        batch = observations.unhashed_files(connection, mirror.number, after, pace.files)
    total = 0
    for number, one in enumerate(batch):
        total += one.size
        if total > pace.bytes:
            return batch[: max(1, number)]
    return batch


async def _in_our_time(mirror: Mirror, batch: list[FileRecord]) -> list[FileRecord]:
    """Return a batch with changes of the future moved to the present, and record that.

    They were seen before the clock was set back. Their quiet begins anew: it cannot be told how
    much of it has passed.
    """
    now = mirror.clock.now_ns()
    ahead = [one for one in batch if one.changed_ns > now]
    if not ahead:
        return batch
    await mirror.state.write(partial(_see_now, mirror.number, ahead, now))
    return [replace(one, changed_ns=min(one.changed_ns, now)) for one in batch]


def _see_now(number: int, ahead: list[FileRecord], now_ns: int, c: Connection) -> None:
    same = (one for one in ahead if observations.find_file(c, number, one.path) == one)
    observations.see_files(c, number, [(one.path, one.stat) for one in same], now_ns)


def _split_ready(
    mirror: Mirror, batch: list[FileRecord], closed: Collection[bytes], done: Hashed
) -> tuple[list[FileRecord], list[FileRecord]]:
    """Sort a batch into settled ones and just-closed ones; the rest is left waiting."""
    now, waits = mirror.clock.now_ns(), mirror.waits()
    ready, early = [], []
    with mirror.state.read() as connection:
        linked = links.linked_since(connection, mirror.number, [one.path for one in batch])
        failed = failed_readings.between(
            connection, mirror.number, batch[0].path, batch[-1].path
        )  # fmt: skip
    for one in batch:
        if one.path in failed and failed[one.path].waits(now // 1_000_000):
            done.waiting += 1
            _sooner(done, failed[one.path].next_ms * 1_000_000)
            continue
        # A link that is younger than the change was made from what is there now.
        rewrite = one.changed_ns // 1_000_000 > linked.get(one.path, sys.maxsize)
        at = ready_at_ns(
            one.stat, one.changed_ns, waits,
            end_mark=mirror.has_end_mark(one.path), rewrite=rewrite,
        )  # fmt: skip
        if at <= now:
            ready.append(one)
        elif one.path in closed and not rewrite and one.size <= EAGER_BYTES:
            early.append(one)
            _sooner(done, at)
        else:
            done.waiting += 1
            _sooner(done, at)
    return ready, early


def _sooner(done: Hashed, at_ns: int) -> None:
    if done.next_ready_ns is None or at_ns < done.next_ready_ns:
        done.next_ready_ns = at_ns


def chunked(values: Iterator[T], size: int) -> Iterator[list[T]]:
    """Cut a stream into lists."""
    chunk: list[T] = []
    for value in values:
        chunk.append(value)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
