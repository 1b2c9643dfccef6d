"""The daemon's life: start, run, drain, stop."""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import structlog

from boardsync.config.model import Settings
from boardsync.engine.alarms import Alarms
from boardsync.engine.announce import announce, standing
from boardsync.engine.assembly import Assembly, assemble
from boardsync.engine.changes import Follower
from boardsync.engine.channels import make_outboxes
from boardsync.engine.crew import Crew
from boardsync.engine.health import Health, Running
from boardsync.engine.indexing import Indexing
from boardsync.engine.memory import give_back_memory
from boardsync.engine.reload import Reading, Reload, Reloaded
from boardsync.engine.rights import require_rights
from boardsync.engine.schedule import follow_clock, make_scheduler, plan_jobs
from boardsync.engine.sweep import sweep
from boardsync.engine.watchdog import Sign, feed, task_signs
from boardsync.errors import BoardsyncError, NeedsPerson, TryAgain
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
    """Run the carriers; at the end let what is under way finish, within the drain's deadline.

    Raises SettingsError where pulled files are to be given away and that is not permitted.
    """
    require_rights(assembly.settings)
    for mirror in assembly.mirrors:
        if mirror.settings.direction.pulls:
            await sweep(mirror)
    for carrier in assembly.carriers.values():
        carrier.start()
    try:
        yield
    finally:
        deadline = assembly.settings.schedule.drain
        drained = await asyncio.gather(
            *(carrier.drain(deadline) for carrier in assembly.carriers.values())
        )
        if not all(drained):
            log.warning("stopped in the middle of transfers; the next start looks them up")
        await asyncio.gather(*(carrier.ended() for carrier in assembly.carriers.values()))


class Service:
    """The running daemon. reading: how it reads its settings again; None where it cannot.

    followers: parts, those outside of it included, that prepare a change when settings change.
    Raises SettingsError when a secret of an alarm's channel is missing.
    """

    def __init__(self, assembly: Assembly, reading: Reading | None = None) -> None:
        self.assembly = assembly
        self.crew = Crew(assembly.clock)
        self.watching = self.crew.watching
        self._reading = reading
        self.recent_log: Callable[[], list[str]] = list
        self._scheduler = make_scheduler(assembly)
        self._stop = asyncio.Event()
        self._damage: BoardsyncError | None = None
        self._background: set[asyncio.Task[Any]] = set()
        self._asked: set[asyncio.Future[Any]] = set()
        self._one_reload = asyncio.Lock()
        self._renewing = False
        self._lasting: list[asyncio.Task[None]] = []
        self._indexing = Indexing(assembly)
        self.health = Health(assembly, Running(self.watching, self._working))
        self.alarms = Alarms(assembly, make_outboxes(assembly.settings.alarms, assembly.clock))
        self.followers: list[Follower] = [self.alarms.follow]

    def stop(self) -> None:
        """Ask for a clean stop."""
        self._stop.set()

    def index_anew(self) -> None:
        """Have the index compared with everything: it may have been removed."""
        self._indexing.begin_anew()

    async def unless_stopped(self, work: Coroutine[Any, Any, T]) -> T:
        """Do something for somebody who waits.

        Raises TryAgain when we stop, or set mirrors up anew, before it is done.
        """
        if self._renewing:
            work.close()
            raise TryAgain("boardsync is taking over new settings; ask again in a moment")
        doing = asyncio.ensure_future(work)
        self._asked.add(doing)
        stopping = asyncio.ensure_future(self._stop.wait())
        try:
            await asyncio.wait({doing, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if doing.done() and not doing.cancelled():
                return doing.result()
            if doing.cancelled() and not self._stop.is_set():
                raise TryAgain("boardsync took over new settings meanwhile; ask again")
            raise TryAgain("boardsync is stopping; what is left goes on at its next start")
        finally:
            self._asked.discard(doing)
            doing.cancel()
            stopping.cancel()
            await asyncio.wait({doing, stopping})

    async def run(self, ready: Callable[[], Awaitable[None]] | None = None) -> None:
        """Mirror until stopped. `ready` is awaited once everything has started.

        Raises TryAgain when the state file turns out to be damaged: the next start rebuilds it.
        """
        async with self._minding_state(), carrying(self.assembly):
            self._start()
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
                await self._wind_down()

    async def reload(self) -> Reloaded:
        """Read the settings again and apply what changed; return once that is done.

        Raises SettingsError for settings that are refused, NeedsPerson where there are none, and
        TryAgain when we stop meanwhile. The old settings stay then.
        """
        task = self._in_background(self._reload())
        await asyncio.wait({task})
        if task.cancelled():
            raise TryAgain("boardsync is stopping; the next start reads the settings")
        return task.result()

    def reload_soon(self) -> None:
        """The same, for a signal: what comes of it is in the log."""

        async def quietly() -> None:
            try:
                await self._reload()
            except BoardsyncError:
                pass  # it was logged
            except Exception:
                log.exception("bug: the settings could not be read again")

        self._in_background(quietly())

    def _in_background(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task

    async def _reload(self) -> Reloaded:
        async with self._one_reload:
            notify.reloading()
            # A service manager waits for so long at most; slow transfers may take longer.
            patience = self.assembly.settings.schedule.drain
            ready = asyncio.get_running_loop().call_later(patience, self._tell_ready)
            try:
                return await self._take_over(await self._read_again())
            finally:
                if ready.when() > asyncio.get_running_loop().time():
                    ready.cancel()
                    self._tell_ready()

    def _tell_ready(self) -> None:
        if not self._stop.is_set():
            notify.ready(standing(self.assembly, self.health))

    async def _read_again(self) -> Reload:
        """Read the settings and prepare what they change. Refused ones change nothing."""
        try:
            if self._reading is None:
                raise NeedsPerson("this boardsync runs without a settings file: start it anew")
            settings = await asyncio.to_thread(self._reading.read)
            reload = Reload(self.assembly, self.crew, settings, self.followers)
            await reload.prepare()
        except BoardsyncError as error:
            log.error("the settings were refused; the old ones stay", reason=str(error))  # noqa: TRY400
            raise
        return reload

    async def _take_over(self, reload: Reload) -> Reloaded:
        with self._whole_or_ending():
            reload.take_effect()
            if self._reading is not None:
                self._reading.apply(self.assembly.settings)
            for remark in reload.told.remarks:
                log.warning("a setting is not in force", reason=remark)
            async with self._nobody_asking(reload.told):
                await reload.carry_out()
        if reload.told.touched or reload.told.schedule:
            plan_jobs(self._scheduler, self.assembly)
        log.info("the settings were read again", **reload.told.as_dict())
        return reload.told

    @contextlib.contextmanager
    def _whole_or_ending(self) -> Iterator[None]:
        """End the daemon when new settings come into force in part: the next start takes all."""
        try:
            yield
        except Exception as error:
            # Mirrors have ended and not begun again: a start from the beginning heals that.
            log.exception("stopping: new settings could not be taken over in place")
            self._damage = TryAgain(f"the new settings need a restart: {error}")
            self.stop()
            raise

    @contextlib.asynccontextmanager
    async def _nobody_asking(self, told: Reloaded) -> AsyncIterator[None]:
        """Let nobody work on mirrors that are set up anew; who does already gets some time."""
        if not told.touched:
            yield
            return
        self._renewing = True
        try:
            if self._asked:
                drain = self.assembly.settings.schedule.drain
                _, late = await asyncio.wait(self._asked, timeout=drain)
                for one in late:
                    one.cancel()
                await asyncio.gather(*late, return_exceptions=True)
            yield
        finally:
            self._renewing = False

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
        log.error("stopping: the state file must not be used any longer", reason=str(damage))
        self._damage = damage
        self.stop()

    def _start(self) -> None:
        for worker in self.assembly.workers.values():
            self.crew.begin(worker)
            if self.assembly.settings.schedule.reconcile_at_start:
                worker.hint_everything("start")
        self._go_on("timetable", follow_clock(self._scheduler, self.assembly))
        self._go_on("index", self._indexing.run())
        self._go_on("memory", give_back_memory(self.assembly))
        self._mind_health()
        self._scheduler.start()

    def _mind_health(self) -> None:
        """Look how everything is from now on, and tell it to whoever is to know."""
        self.health.remember()
        try:
            self.alarms.remember()
        except BoardsyncError as error:
            log.warning("what was told before is not known; it may be told again", why=str(error))
        self._go_on("alarms", self.alarms.run())
        self._go_on("health", announce(self.assembly, self.health, self.alarms))
        seconds = notify.watchdog_seconds()
        if seconds is not None:
            # Whoever ends a process that hangs wants to know where: the journal gets the stacks.
            faulthandler.enable()
            self._go_on("watchdog", feed(self.assembly.clock, seconds, self.signs))

    def signs(self) -> list[Sign]:
        """Return the parts that must all live for the daemon to be of use."""
        writer = Sign("writing the state", self.assembly.state.answer)
        carrying = [one.task for one in self.assembly.carriers.values() if one.task is not None]
        return [writer, *task_signs([*self._working(), *carrying])]

    def _go_on(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Do something until the end; that it ended before would be told."""
        self._lasting.append(asyncio.create_task(work, name=name))

    def _working(self) -> list[asyncio.Task[None]]:
        """Return the tasks that go on until the end."""
        return [*self._lasting, *self.crew.tasks]

    async def _wind_down(self) -> None:
        """Stop making work: timetable, watchers, passes. Transfers are drained afterwards."""
        self._scheduler.shutdown(wait=False)
        background = [*self._background, *self._lasting]
        for task in background:
            task.cancel()
        await asyncio.gather(*background, return_exceptions=True)
        for worker in self.assembly.workers.values():
            worker.stop()
        await self.crew.end_all()


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


def reload_on_hangup(reload: Callable[[], None], stop: Callable[[], None]) -> None:
    """SIGHUP asks for the settings to be read again; on a terminal it says that this is gone."""
    hangup = stop if sys.stdin is not None and sys.stdin.isatty() else reload
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, hangup)
