"""The daemon's life: start, run, drain, stop."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from boardsync.config.model import Settings
from boardsync.engine.announce import announce
from boardsync.engine.assembly import Assembly, assemble
from boardsync.engine.schedule import follow_clock, make_scheduler
from boardsync.engine.sweep import sweep
from boardsync.engine.watching import Watching
from boardsync.errors import BoardsyncError, TryAgain
from boardsync.state.database import State, open_state
from boardsync.state.lock import StateLock
from boardsync.telemetry import notify

log = structlog.get_logger(__name__)
T = TypeVar("T")

THREADS = 64


@contextlib.asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Assembly]:
    """Own the state file and build everything on it. Raises StateLocked, StateTooNew."""
    # Threads mostly wait for disks. With few of them, one hung mount would stop all mirrors.
    threads = ThreadPoolExecutor(THREADS, thread_name_prefix="boardsync")
    asyncio.get_running_loop().set_default_executor(threads)
    with StateLock(settings.state):
        state: State = await asyncio.to_thread(open_state, settings.state)
        try:
            assembly = await assemble(settings, state)
            try:
                yield assembly
            finally:
                await assembly.close()
        finally:
            await asyncio.to_thread(state.close)


@contextlib.asynccontextmanager
async def carrying(assembly: Assembly) -> AsyncIterator[None]:
    """Run the carriers; at the end let what is under way finish, within the drain's deadline."""
    for mirror in assembly.mirrors:
        if mirror.settings.direction.pulls:
            await sweep(mirror)
    tasks = [carrier.start() for carrier in assembly.carriers.values()]
    try:
        yield
    finally:
        deadline = assembly.settings.schedule.drain
        drained = await asyncio.gather(
            *(carrier.drain(deadline) for carrier in assembly.carriers.values())
        )
        if not all(drained):
            log.warning("stopped in the middle of transfers; the next start looks them up")
        await asyncio.gather(*tasks)


class Service:
    """The running daemon."""

    def __init__(self, assembly: Assembly) -> None:
        self.assembly = assembly
        self.watching: dict[str, Watching] = {}
        self._stop = asyncio.Event()
        self._damage: BoardsyncError | None = None
        self._background: list[asyncio.Task[None]] = []

    def stop(self) -> None:
        """Ask for a clean stop."""
        self._stop.set()

    async def unless_stopped(self, work: Coroutine[Any, Any, T]) -> T:
        """Do something for somebody who waits. Raises TryAgain when we stop before it is done."""
        doing = asyncio.ensure_future(work)
        stopping = asyncio.ensure_future(self._stop.wait())
        try:
            await asyncio.wait({doing, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if doing.done():
                return doing.result()
            raise TryAgain("boardsync is stopping; what is left goes on at its next start")
        finally:
            doing.cancel()
            stopping.cancel()
            await asyncio.wait({doing, stopping})

    async def run(self, ready: Callable[[], Awaitable[None]] | None = None) -> None:
        """Mirror until stopped. `ready` is awaited once everything has started.

        Raises TryAgain when the state file turns out to be damaged: the next start rebuilds it.
        """
        scheduler = make_scheduler(self.assembly)
        async with self._minding_state(), carrying(self.assembly):
            self._start(scheduler)
            if ready is not None:
                await ready()
            log.info("running", mirrors=[mirror.name for mirror in self.assembly.mirrors])
            names = ", ".join(mirror.name for mirror in self.assembly.mirrors)
            notify.ready(f"watching {names}")
            try:
                await self._stop.wait()
            finally:
                notify.stopping()
                log.info("stopping")
                await self._wind_down(scheduler)

    @contextlib.asynccontextmanager
    async def _minding_state(self) -> AsyncIterator[None]:
        """Wait for room on the state's disk while it is full, and end when the file is damaged."""
        loop, state = asyncio.get_running_loop(), self.assembly.state

        def hear(damage: BoardsyncError) -> None:
            loop.call_soon_threadsafe(self._give_up, damage)

        state.wait_for_room()
        state.health.listen(hear)
        try:
            yield
        finally:
            state.health.listen(None)
        if self._damage is not None:
            raise self._damage

    def _give_up(self, damage: BoardsyncError) -> None:
        log.error("stopping: the next start rebuilds the state file", reason=str(damage))
        self._damage = damage
        self.stop()

    def _start(self, scheduler: AsyncIOScheduler) -> None:
        clock = self.assembly.clock
        for name, worker in self.assembly.workers.items():
            watching = Watching(worker, clock)
            self.watching[name] = watching
            self._background.append(asyncio.create_task(watching.run()))
            self._background.append(asyncio.create_task(worker.run()))
            if self.assembly.settings.schedule.reconcile_at_start:
                worker.hint_everything("start")
        self._background.append(asyncio.create_task(follow_clock(scheduler, self.assembly)))
        self._background.append(asyncio.create_task(announce(self.assembly)))
        scheduler.start()

    async def _wind_down(self, scheduler: AsyncIOScheduler) -> None:
        """Stop making work: timetable, watchers, passes. Transfers are drained afterwards."""
        scheduler.shutdown(wait=False)
        for worker in self.assembly.workers.values():
            worker.stop()
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)


def stop_on_signals(stop: Callable[[], None]) -> None:
    """SIGTERM and SIGINT ask for a clean stop; a second one ends the process at once."""
    loop = asyncio.get_running_loop()

    def first() -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)
        stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, first)
