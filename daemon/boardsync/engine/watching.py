"""Ties a mirror's watcher threads to its worker on the loop."""

from __future__ import annotations

import asyncio

import structlog

from boardsync.engine.clock import Clock, now_ms
from boardsync.engine.worker import Worker
from boardsync.errors import BoardsyncError
from boardsync.local.root import read_ignore_file
from boardsync.local.watch import Hint, Rescan, Watcher
from boardsync.telemetry import names
from boardsync.telemetry.counters import counters

log = structlog.get_logger(__name__)

CHECK_SECONDS = 2.0
WELL_SECONDS = 5.0
"""Between two looks after a watcher, and after one that the kernel tells of everything."""


class Watching:
    """Keeps one mirror's folder watched, whatever happens to the folder or to the watcher.

    failed: what of ours goes wrong at it, None while all is well.
    """

    def __init__(self, worker: Worker, clock: Clock) -> None:
        self._worker = worker
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._watcher: Watcher | None = None
        self._ended = False
        self._anew = False
        self._ignore_file = b""
        self._losses = 0
        self._last_loss: dict[str, object] | None = None
        self._answered = clock.monotonic()
        self.failed: str | None = None

    async def run(self) -> None:
        """Watch until cancelled; look after the watcher every few seconds."""
        try:
            while True:
                failed = None
                try:
                    await asyncio.to_thread(self._start_or_check)
                except BoardsyncError as error:
                    log.debug("not watching yet", mirror=self._worker.mirror.name, why=str(error))
                except Exception as error:
                    # The mirror goes on by its timetable; that nobody watches must be told.
                    log.exception("bug: watching failed", mirror=self._worker.mirror.name)
                    failed = repr(error)
                self.failed, self._answered = failed, self._clock.monotonic()
                await self._clock.sleep(self._seconds_to_check())
        finally:
            self._ended = True
            if self._watcher is not None:
                self._watcher.stop()

    def _seconds_to_check(self) -> float:
        well = self.failed is None and self.kind == "native"
        return WELL_SECONDS if well else CHECK_SECONDS

    @property
    def kind(self) -> str:
        """How the folder is watched now: natively, by polling, or not (yet)."""
        return "stopped" if self._watcher is None else self._watcher.watching

    def begin_anew(self) -> None:
        """Give up the watcher at the next check for another one, which tries everything again."""
        self._anew = True

    @property
    def silent_seconds(self) -> float:
        """How long ago the folder last answered: a share that hangs answers nobody."""
        return self._clock.monotonic() - self._answered

    def stats(self) -> dict[str, object]:
        """Return how the folder is watched, and the watcher's counters, for status.

        losses: so often changes may have gone by unseen, each time with a look at everything.
        """
        watcher = self._watcher
        losses = {"losses": self._losses, "last_loss": self._last_loss}
        if watcher is None:
            return {"watching": "stopped", "remark": None, **losses}
        told = {"watching": watcher.watching, "remark": watcher.remark}
        return {**told, **losses, **watcher.stats()}

    def _start_or_check(self) -> None:
        """A watcher is for one set of rules: a changed ignore file asks for another."""
        mirror = self._worker.mirror
        ignore_file = read_ignore_file(mirror.root)
        anew, self._anew = self._anew, False
        if self._watcher is not None and ignore_file == self._ignore_file and not anew:
            self._watcher.check()
            return
        if self._watcher is not None:
            self._watcher.stop()
        self._ignore_file = ignore_file
        self._watcher = Watcher(
            mirror.root,
            self._hand_over,
            rules=mirror.rules(),
            mode=mirror.settings.watch,
            poll_interval=mirror.settings.poll_interval,
        )
        self._watcher.start()
        if self._ended:  # meanwhile, on the loop
            self._watcher.stop()
            return
        self._hand_over(Rescan("watching begins"))

    def _hand_over(self, hint: Hint | Rescan) -> None:
        """Called on watcher threads: nothing but handing over happens here.

        Raises RuntimeError when the loop is closing; the watcher bears it.
        """
        self._loop.call_soon_threadsafe(self._take, hint)

    def _take(self, hint: Hint | Rescan) -> None:
        if isinstance(hint, Rescan):
            self._count(hint)
            self._worker.hint_everything(hint.reason)
        else:
            self._worker.hint_path(hint.path, closed=hint.closed)

    def _count(self, rescan: Rescan) -> None:
        """Let be seen that changes may have gone by: nobody would notice otherwise."""
        if rescan.loss is None:
            return
        mirror = self._worker.mirror.name
        counters.add(names.WATCH_LOSSES, mirror=mirror, reason=rescan.loss.value)
        self._losses += 1
        self._last_loss = {"at_ms": now_ms(self._clock), "reason": rescan.reason}
        log.warning(
            "changes may have gone by unseen; the whole folder is looked at",
            mirror=mirror, reason=rescan.reason,
        )  # fmt: skip
