"""Ties a mirror's watcher threads to its worker on the loop."""

from __future__ import annotations

import asyncio
import contextlib
import os

import structlog

from boardsync.engine.clock import Clock
from boardsync.engine.worker import Worker
from boardsync.errors import BoardsyncError
from boardsync.local.watch import Hint, Rescan, Watcher

log = structlog.get_logger(__name__)

CHECK_SECONDS = 2.0


class Watching:
    """Keeps one mirror's folder watched, whatever happens to the folder or to the watcher."""

    def __init__(self, worker: Worker, clock: Clock) -> None:
        self._worker = worker
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        settings = worker.mirror.settings
        self._watcher = Watcher(
            worker.mirror.root,
            self._hand_over,
            mode=settings.watch,
            poll_interval=settings.poll_interval,
        )
        self._started = False

    async def run(self) -> None:
        """Watch until cancelled; checks the watcher's health every few seconds."""
        try:
            while True:
                try:
                    await asyncio.to_thread(self._start_or_check)
                except BoardsyncError as error:
                    log.debug("not watching yet", mirror=self._worker.mirror.name, why=str(error))
                await self._clock.sleep(CHECK_SECONDS)
        finally:
            with contextlib.suppress(Exception):
                self._watcher.stop()

    def stats(self) -> dict[str, object]:
        """Return the watcher's counters, for status."""
        return dict(self._watcher.stats())

    def _start_or_check(self) -> None:
        if self._started:
            self._watcher.check()
        else:
            self._watcher.start()
            self._started = True
            self._hand_over(Rescan("watching begins"))

    def _hand_over(self, hint: Hint | Rescan) -> None:
        """Called on watcher threads: nothing but handing over happens here."""
        with contextlib.suppress(RuntimeError):  # the loop is closing
            self._loop.call_soon_threadsafe(self._take, hint)

    def _take(self, hint: Hint | Rescan) -> None:
        if isinstance(hint, Rescan):
            self._worker.hint_everything(hint.reason)
        else:
            self._worker.hint_path(os.fsencode(hint.path), closed=hint.closed)
