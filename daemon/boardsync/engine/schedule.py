"""What happens by the clock. Jobs only give hints; the workers do the work."""

from __future__ import annotations

import asyncio
import glob
import time
from functools import partial
from pathlib import Path

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from boardsync.engine.assembly import Assembly
from boardsync.engine.clock import now_ms
from boardsync.errors import BoardsyncError
from boardsync.state import places, runs
from boardsync.state.copies import check_integrity, copy_database
from boardsync.state.trouble import opening

log = structlog.get_logger(__name__)

SPREAD_SECONDS = 10
"""Mirrors of many machines need not all knock at the same second."""
STAMP = "%Y%m%d-%H%M%S"


def make_scheduler(assembly: Assembly) -> AsyncIOScheduler:
    """Build the timetable of the settings. Kept in memory: schedules belong to the settings."""
    scheduler = AsyncIOScheduler(timezone="UTC")
    every = assembly.settings.schedule
    jobs = (
        (_reconcile, every.reconcile_every),
        (_rescan, every.full_rescan_every),
        (_prune, min(every.history_keep, 86_400.0)),
        (_check_database, every.database_check_every),
        (_back_up, every.backup_every),
    )
    for job, seconds in jobs:
        scheduler.add_job(
            job, "interval", seconds=seconds, jitter=min(SPREAD_SECONDS, seconds / 10),
            args=[assembly], id=job.__name__.strip("_"), coalesce=True, max_instances=1,
            misfire_grace_time=None,
        )  # fmt: skip
    return scheduler


def _reconcile(assembly: Assembly) -> None:
    for worker in assembly.workers.values():
        worker.hint_everything("schedule")


async def _rescan(assembly: Assembly) -> None:
    for mirror in assembly.mirrors:
        await assembly.state.write(partial(places.forget_listings, number=mirror.number))
    for worker in assembly.workers.values():
        worker.hint_everything("full rescan")


async def _prune(assembly: Assembly) -> None:
    before = now_ms(assembly.clock) - int(assembly.settings.schedule.history_keep * 1000)
    await assembly.state.write(lambda c: runs.prune(c, before))


async def _check_database(assembly: Assembly) -> None:
    try:
        complaint = await asyncio.to_thread(check_integrity, assembly.state.path)
    except BoardsyncError as error:
        log.warning("the state file could not be checked", why=str(error))
        return
    if complaint is None:
        log.debug("the state file is intact")
    else:
        log.error("the state file is damaged; restart boardsync to rebuild it", found=complaint)


async def _back_up(assembly: Assembly) -> None:
    kept = assembly.settings.schedule.backups_keep
    if kept <= 0:
        return
    try:
        await asyncio.to_thread(back_up, assembly.state.path, kept)
    except BoardsyncError as error:
        log.warning("no backup of the state file was made", why=str(error))


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
