"""What happens by the clock. Jobs only give hints; the workers do the work."""

from __future__ import annotations

import asyncio
import glob
import math
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from sqlalchemy import Connection

from boardsync.engine.assembly import Assembly
from boardsync.engine.clock import now_ms
from boardsync.engine.rehash import rehash
from boardsync.engine.trash_can import purge_expired, purge_seconds
from boardsync.engine.verify import verify_share
from boardsync.errors import BoardsyncError
from boardsync.plan.backoff import CAP_SECONDS
from boardsync.state import jobs, moves, pauses, places, runs, transfers
from boardsync.state.copies import copy_database
from boardsync.state.shape import find_fault
from boardsync.state.trouble import opening

log = structlog.get_logger(__name__)

SPREAD_SECONDS = 10
"""Mirrors of many machines need not all knock at the same second."""
SOON_SECONDS = 60.0
"""What is overdue at the start lets the start itself go first."""
CLOCK_SECONDS = 30.0
STEP_SECONDS = 60.0
"""How often the clock is looked at, and what it may be set back by without a word."""
LONGEST_WAIT_SECONDS = 2 * CAP_SECONDS
"""No transfer waits so long on purpose."""
STAMP = "%Y%m%d-%H%M%S"

Job = Callable[[Assembly], Awaitable[bool]]
"""A long job. It tells whether it was done."""


def make_scheduler(assembly: Assembly) -> AsyncIOScheduler:
    """Build the timetable of the settings. Kept in memory: schedules belong to the settings."""
    scheduler = AsyncIOScheduler(timezone="UTC")
    plan_jobs(scheduler, assembly)
    return scheduler


def plan_jobs(scheduler: AsyncIOScheduler, assembly: Assembly) -> None:
    """Plan all jobs from now on; those that are planned already, anew.

    Long jobs count from when they were last done, whichever process did them: a machine that is
    on for some hours a day makes its backups all the same.
    """
    every, now = assembly.settings.schedule, now_ms(assembly.clock)
    # The start compares both sides, and opening the state file checks it.
    _add(scheduler, "reconcile", partial(_reconcile, assembly), every.reconcile_every)
    check = partial(_check_database, assembly)
    _add(scheduler, "check_database", check, every.database_check_every)
    with assembly.state.read() as connection:
        done = jobs.last_done(connection)
    for name, job, seconds in (
        ("rescan", _rescan, every.full_rescan_every),
        ("prune", _prune, min(every.history_keep, 86_400.0)),
        ("back_up", _back_up, every.backup_every),
        ("rehash", rehash, every.rehash_every),
        ("verify", verify_share, every.verify_every),
        ("purge_trash", purge_expired, purge_seconds(assembly.settings)),
    ):
        first = _seconds_until_due(done.get(name), now, seconds)
        _add(scheduler, name, partial(_remembered, assembly, name, job), seconds, first)


def _add(
    scheduler: AsyncIOScheduler, name: str, work: Callable[[], Any], seconds: float,
    first: float | None = None,
) -> None:  # fmt: skip
    """Add a job that runs every so many seconds. first: after how many for the first time."""
    wait = timedelta(seconds=seconds if first is None else first)
    scheduler.add_job(
        work, "interval", seconds=seconds, jitter=min(SPREAD_SECONDS, seconds / 10),
        next_run_time=datetime.now(UTC) + wait, id=name, replace_existing=True,
        coalesce=True, max_instances=1, misfire_grace_time=None,
    )  # fmt: skip


def _seconds_until_due(done_ms: int | None, now_ms: int, seconds: float) -> float:
    """Return when a long job is due: soon after the start when it is overdue.

    One that was done in the future was done before the clock was set right.
    """
    soon = min(SOON_SECONDS, seconds)
    if done_ms is None or done_ms > now_ms:
        return soon
    return max(soon, (done_ms - now_ms) / 1000 + seconds)


async def _remembered(assembly: Assembly, name: str, job: Job) -> None:
    """Do a long job and keep, beyond this process, when it was done."""
    if await job(assembly):
        moment = now_ms(assembly.clock)
        await assembly.state.write(lambda c: jobs.note_done(c, name, moment))


async def follow_clock(scheduler: AsyncIOScheduler, assembly: Assembly) -> None:
    """Until cancelled, let nothing wait for a date from before the clock was set back.

    It may have been set back before this process began, too.
    """
    clock, ahead = assembly.clock, math.inf
    while True:
        now_ahead = clock.now_ns() / 1e9 - clock.monotonic()
        try:
            if ahead - now_ahead > STEP_SECONDS:
                await _plan_anew(scheduler, assembly)
            ahead = now_ahead
        except BoardsyncError as error:
            log.warning("the timetable could not follow the clock yet", why=str(error))
        await clock.sleep(CLOCK_SECONDS)


async def _plan_anew(scheduler: AsyncIOScheduler, assembly: Assembly) -> None:
    """Take back dates that are too far away: the timetable's, of transfers and of pauses."""
    now = now_ms(assembly.clock)
    latest = now + int(LONGEST_WAIT_SECONDS * 1000)
    numbers = [mirror.number for mirror in assembly.mirrors]

    def write(c: Connection) -> None:
        transfers.hurry(c, numbers, after_ms=latest)
        pauses.begin_anew(c, now)

    await assembly.state.write(write)
    assembly.pauses.read()
    plan_jobs(scheduler, assembly)
    for carrier in assembly.carriers.values():
        carrier.wake()


def _reconcile(assembly: Assembly) -> None:
    for worker in assembly.workers.values():
        worker.hint_everything("schedule")


async def _rescan(assembly: Assembly) -> bool:
    for mirror in assembly.mirrors:
        await assembly.state.write(partial(places.forget_listings, number=mirror.number))
    for worker in assembly.workers.values():
        worker.hint_everything("full rescan")
    return True


async def _prune(assembly: Assembly) -> bool:
    before = now_ms(assembly.clock) - int(assembly.settings.schedule.history_keep * 1000)

    def write(c: Connection) -> None:
        runs.prune(c, before)
        moves.prune(c, before)

    await assembly.state.write(write)
    return True


async def _check_database(assembly: Assembly) -> None:
    try:
        complaint = await asyncio.to_thread(find_fault, assembly.state.path)
    except BoardsyncError as error:
        log.warning("the state file could not be checked", why=str(error))
        return
    if complaint is None:
        log.debug("the state file is intact")
    else:
        assembly.state.health.found(complaint)


async def _back_up(assembly: Assembly) -> bool:
    kept = assembly.settings.schedule.backups_keep
    if kept > 0:
        try:
            await asyncio.to_thread(back_up, assembly.state.path, kept)
        except BoardsyncError as error:
            log.warning("no backup of the state file was made", why=str(error))
            return False
    return True


def back_up(state: Path, keep: int) -> Path:
    """Copy the state file beside itself and remove the oldest copies beyond `keep`.

    Raises NoRoom, NeedsPerson or TryAgain.
    """
    directory = state.parent / "backups"
    with opening(directory):
        directory.mkdir(exist_ok=True, mode=0o700)
        target = directory / f"{state.stem}-{time.strftime(STAMP, time.gmtime())}.db"
        copy_database(state, target)
        # Only names that were made here: another state's may begin like this one's.
        made = f"{glob.escape(state.stem)}-{'[0-9]' * 8}-{'[0-9]' * 6}.db"
        for old in sorted(directory.glob(made))[:-keep]:
            old.unlink()
    return target
