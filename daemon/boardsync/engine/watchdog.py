"""Tells the service manager's watchdog that the daemon lives, and only while all of it does.

A process that still has its process id may be dead all the same: its loop waits for ever, the
thread that writes the state hangs, or the task that looks after a watcher has ended. Each of them
is asked for a sign of life. One that gives none stops the feeding, and the service manager starts
boardsync anew.

A folder or a server that hangs is no reason: a new start would meet it again, and the other
mirrors would suffer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog

from boardsync.engine.clock import Clock
from boardsync.errors import Bug
from boardsync.telemetry import notify

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Sign:
    """A part of the daemon that can be asked whether it lives.

    ask: comes back when it does; raises, or does not come back, when it does not.
    """

    part: str
    ask: Callable[[], Coroutine[Any, Any, None]]


def task_signs(tasks: Iterable[asyncio.Task[None]]) -> list[Sign]:
    """Return the signs of tasks by their names. Only an error ends one against its will."""
    return [Sign(task.get_name(), partial(_not_failed, task)) for task in tasks]


async def feed(
    clock: Clock,
    seconds: float,
    signs: Callable[[], list[Sign]],
    tell: Callable[[], object] = notify.alive,
) -> None:
    """Tell the watchdog until cancelled, twice within the seconds that it waits."""
    between, dead = seconds / 2, ""
    while True:
        began = clock.monotonic()
        found = await _without_life(clock, signs(), between / 2)
        if not found:
            tell()
        if found != dead:
            _log(found, dead)
        dead = found
        await clock.sleep(max(0.0, between - (clock.monotonic() - began)))


def _log(found: str, before: str) -> None:
    if found:
        log.error("a part of the daemon is dead: its watchdog is not fed any more", part=found)
    else:
        log.info("the watchdog is fed again", part=before)


async def _without_life(clock: Clock, signs: list[Sign], patience: float) -> str:
    """Name the first part that gives no sign of life in time; empty when all of them do."""
    asked = {asyncio.ensure_future(sign.ask()): sign.part for sign in signs}
    late = asyncio.ensure_future(clock.sleep(patience))
    try:
        while not late.done() and (waiting := [one for one in asked if not one.done()]):
            await asyncio.wait([*waiting, late], return_when=asyncio.FIRST_COMPLETED)
        return next((part for one, part in asked.items() if not _lives(one)), "")
    finally:
        for one in (*asked, late):
            one.cancel()


def _lives(asked: asyncio.Future[None]) -> bool:
    return asked.done() and not asked.cancelled() and asked.exception() is None


async def _not_failed(task: asyncio.Task[None]) -> None:
    if task.done() and not task.cancelled() and task.exception() is not None:
        raise Bug(f"{task.get_name()}: ended by an error")
