"""Ties what changes on the boards of this machine to the worker that lists them.

A board in a directory of this machine need not be listed by the clock: the kernel tells when
something happens there. What it does not tell, the timetable's comparison finds.
"""

from __future__ import annotations

import asyncio
import contextlib
import os

import structlog

from boardsync.engine.clock import Clock
from boardsync.engine.watching import Watching
from boardsync.engine.worker import Worker
from boardsync.errors import BoardsyncError
from boardsync.local.changes import Changes
from boardsync.state import places

log = structlog.get_logger(__name__)

CHECK_SECONDS = 10.0


class BoardNews:
    """Hears of changes on the boards of one mirror while its own folder is watched live.

    The kernel's watches are scarce, and the folder comes first: when there are not enough of
    them for both, those of the boards are given back, and the folder is tried again.
    """

    def __init__(self, worker: Worker, watching: Watching, clock: Clock) -> None:
        self._worker = worker
        self._watching = watching
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._changes: Changes | None = None
        self._gave_back = False
        self._ended = False

    async def run(self) -> None:
        """Listen until cancelled."""
        try:
            while True:
                live = False
                try:
                    live = await asyncio.to_thread(self._check)
                except BoardsyncError as error:
                    log.debug("boards are listed by the clock", why=str(error))
                except Exception:
                    log.exception("bug: boards are listed by the clock only")
                self._worker.hear_of_boards(live=live)
                await self._clock.sleep(CHECK_SECONDS)
        finally:
            self._ended = True
            self._close()

    def _check(self) -> bool:
        """Listen where the boards are now; tell whether every change there is heard of."""
        kind = self._watching.kind
        if kind != "native":
            if kind == "polling" and self._changes is not None and self._changes.live:
                self._gave_back = True
                self._watching.begin_anew()
            self._close()
        path = self._place()
        if kind != "native" or self._gave_back or path is None:
            return False
        if self._changes is None or self._changes.path != os.fsencode(path):
            self._close()
            self._changes = Changes(path, self._tell)
        self._changes.check()
        if self._ended:  # meanwhile, on the loop
            self._close()
        return self._changes is not None and self._changes.live

    def _place(self) -> str | None:
        """Return the directory below which all boards of the mirror are."""
        mirror = self._worker.mirror
        directory = mirror.server.capabilities.directory
        if directory is None or mirror.settings.boards is not None:
            return directory
        with mirror.state.read() as connection:
            bound = places.boards(connection, mirror.number)
        ids = {one.server_id for one in bound if one.server_id}
        return os.path.join(directory, *ids) if len(ids) == 1 else directory

    def _close(self) -> None:
        changes, self._changes = self._changes, None
        if changes is not None:
            changes.close()

    def _tell(self) -> None:
        """Called on the threads that watch: nothing but handing over happens here."""
        if not self._worker.has_board_news:
            with contextlib.suppress(RuntimeError):  # the loop is closing
                self._loop.call_soon_threadsafe(self._worker.hint_board_news)
