"""Reads a share of the linked files again, the longest unread first: disks forget.

A file whose bytes are others although its size, times and inode are what they were has rotted,
or was written to with its times set back. That is no edit: it is told, and nothing is sent.
"""

from __future__ import annotations

import asyncio
import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

import structlog
from sqlalchemy import Connection

from boardsync.engine.assembly import Assembly
from boardsync.engine.clock import now_ms
from boardsync.engine.context import Mirror
from boardsync.engine.patience import patient_thread
from boardsync.errors import FileChanging, PictureRefused
from boardsync.files.snapshot import digest_file
from boardsync.files.unread import drop_from_cache
from boardsync.model import FileStat
from boardsync.plan.settling import is_racy
from boardsync.state import observations, rot
from boardsync.state.records import FileRecord

log = structlog.get_logger(__name__)

REST = 4.0
"""After each file, so many times as long as it took is left to others."""
CHUNK = 100


@dataclass(slots=True)
class Found:
    """What reading files again has shown. rotten: with the digests of what they hold now."""

    sound: list[FileRecord] = field(default_factory=list)
    rotten: list[tuple[FileRecord, str]] = field(default_factory=list)
    changed: list[FileRecord] = field(default_factory=list)


async def rehash(assembly: Assembly) -> bool:
    """Read the share of the settings again, of every mirror; a job of the timetable."""
    schedule = assembly.settings.schedule
    if schedule.rehash_share <= 0:
        return True
    before = now_ms(assembly.clock) - int(schedule.history_keep * 1000)
    await assembly.state.write(partial(rot.forget_old, before_ms=before))
    patient = patient_thread("boardsync-rehash")
    try:
        for mirror in list(assembly.mirrors):
            await _rehash_share(mirror, schedule.rehash_share, patient)
    finally:
        patient.shutdown(wait=False, cancel_futures=True)
    return True


async def _rehash_share(mirror: Mirror, share: float, patient: ThreadPoolExecutor) -> None:
    loop, clock = asyncio.get_running_loop(), mirror.clock
    chosen = await loop.run_in_executor(patient, _choose, mirror, share)
    for start in range(0, len(chosen), CHUNK):
        found = Found()
        for one in chosen[start : start + CHUNK]:
            began = clock.monotonic()
            await loop.run_in_executor(patient, _read, mirror, one, found)
            await clock.sleep((clock.monotonic() - began) * REST)
        await note_found(mirror, found)


def _choose(mirror: Mirror, share: float) -> list[FileRecord]:
    with mirror.state.read() as connection:
        count = math.ceil(rot.linked(connection, mirror.number) * share)
        return rot.longest_unread(connection, mirror.number, count)


async def rehash_file(mirror: Mirror, one: FileRecord) -> Found:
    """Read one file again, now."""
    found = Found()
    await asyncio.to_thread(_read, mirror, one, found)
    await note_found(mirror, found)
    return found


def _read(mirror: Mirror, one: FileRecord, found: Found) -> None:
    """Read a file from its disk and sort it by what it holds."""
    path = mirror.absolute(one.path)
    try:
        drop_from_cache(path)
        digest, stat = digest_file(path, mirror.disk)
        if stat == stat_in(one) and digest != one.digest:
            # A second reading: memory and cables fail, too.
            drop_from_cache(path)
            digest, stat = digest_file(path, mirror.disk)
    except (FileChanging, PictureRefused) as error:
        log.debug("not read again", path=one.path, why=str(error))
        return
    if stat != stat_in(one) or may_have_changed(one):
        found.changed.append(one)
    elif digest == one.digest:
        found.sound.append(one)
    else:
        found.rotten.append((one, digest))
    drop_from_cache(path)  # what others work with is not to make room for this


def stat_in(one: FileRecord) -> FileStat:
    """Return the stat of a file as it was observed."""
    return FileStat(one.size, one.mtime_ns, one.ctime_ns, one.inode)


def may_have_changed(one: FileRecord) -> bool:
    """Tell whether a change since the hashing could hide behind the same times."""
    return one.hashed_ns is None or is_racy(stat_in(one), one.hashed_ns)


async def note_found(mirror: Mirror, found: Found) -> None:
    """Record it; have looked at what has changed, and tell what rotted."""
    now = mirror.clock.now_ns()
    news = await mirror.state.write(partial(_note, mirror.number, found, now))
    for one in news:
        log.error(
            "a file has rotted: its bytes changed while nobody wrote to it; `boardsync mend`"
            " fetches its item, `boardsync again` takes it as it is",
            mirror=mirror.name, path=one.path,
        )  # fmt: skip
    for one in found.changed:
        mirror.hints.path(one.path)


def _note(number: int, found: Found, now_ns: int, c: Connection) -> list[FileRecord]:
    """Record what was found of files that are still as they were; return those newly rotten."""
    news = []
    for one, digest in found.rotten:
        known = observations.find_file(c, number, one.path)
        if known != one or one.digest is None:
            continue
        if rot.note(c, number, one.path, one.digest, digest, now_ns // 1_000_000):
            news.append(one)
    rot.forget(c, number, [one.path for one in found.sound])
    rot.note_read(c, number, [*found.sound, *(one for one, _ in found.rotten)], now_ns)
    doubted = [one.path for one in found.changed if may_have_changed(one)]
    observations.doubt_files(c, number, doubted)
    return news
