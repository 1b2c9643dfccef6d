"""One mirror's loop: hints come in, passes go out.

Hints are merged until the worker looks: a burst of ten thousand events is one pass.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

import structlog
from sqlalchemy import Connection

from boardsync.config.model import ScheduleSettings
from boardsync.engine.carrier import Carrier
from boardsync.engine.context import Mirror
from boardsync.engine.passes import Look, Pass
from boardsync.engine.reconcile import Reconciler
from boardsync.errors import TryAgain
from boardsync.state import failed_readings, transfers
from boardsync.telemetry import names
from boardsync.telemetry.counters import counters

log = structlog.get_logger(__name__)

GATHER_SECONDS = 0.05
"""A burst of events is gathered this long before it is looked at."""
RETRY_SECONDS = 5.0
"""Between two looks at a folder that is away, or a board that is gone."""
LISTING_SHARE = 100.0
"""A listing that took n seconds is not asked for again within this many times n."""
NEWS_SHARE = 10.0
"""The same where something is known to have happened."""
WALK_SHARE = 20.0
"""While there is a trouble, a walk of the folder is not made again within so many times as long."""
PAUSED_SECONDS = 60.0
"""Between two looks whether a pause has ended by itself."""
MOST_ROUNDS = 5
"""So often what was carried out is looked at again within one `once`."""
PROOF_SECONDS = 1.0
"""Between two passes that see items of ours whole: what people do comes in between."""
MOST_PATHS = 5000
"""More hinted paths than this are a walk of the folder."""


class Worker:
    """Runs the passes of one mirror, as hints and timers ask.

    passed: hears of each pass that was made. last: the latest. walks: how many
    looked at all of the folder or of the boards.
    """

    def __init__(self, mirror: Mirror, carrier: Carrier, schedule: ScheduleSettings) -> None:
        self.mirror = mirror
        self.reconciler = Reconciler(mirror)
        self._carrier = carrier
        self.reconciler.planned = carrier.wake
        mirror.hints.boards = self.hint_boards
        mirror.hints.path = partial(self.hint_path, closed=False)
        self._schedule = schedule
        self._look = Look(cause="event")
        self._wake = asyncio.Event()
        self._next_listing = 0.0
        self._boards_told = False
        self.has_board_news = True
        self._next_ready: float | None = None
        self._next_retry: float | None = None
        self._next_doubt: float | None = None
        self._next_proof: float | None = None
        self._stopping = False
        self._retired = False
        self._was_paused = False
        self.passed: Callable[[Look, Pass], None] = lambda _, __: None
        self.last: Pass | None = None
        self.walks = 0

    def wake(self) -> None:
        """Say that what may start is another: by a pause, or by other limits."""
        self._wake.set()

    def hint_path(self, path: bytes, *, closed: bool) -> None:
        """Something happened at a path. closed: a writer closed it, or it was renamed here."""
        self._count_hint("path")
        self._look.paths.add(path)
        if closed:
            self._look.closed.add(path)
        else:
            self._look.closed.discard(path)
        if len(self._look.paths) > MOST_PATHS:
            self._look.folder = True
            self._look.paths.clear()
        self._wake.set()

    def hint_everything(self, cause: str) -> None:
        """Look at the whole folder and every board."""
        self._count_hint("everything")
        self._look.folder = self._look.boards = True
        self._look.cause = cause
        self._wake.set()

    def hint_boards(self, cause: str) -> None:
        """Look at the boards only, and decide about everything."""
        self._count_hint("boards")
        self._look.boards = self._look.decide = True
        self._look.cause = cause
        self._wake.set()

    def hint_board_news(self) -> None:
        """Something happened on the boards: they are listed as soon as they may be again."""
        self._count_hint("boards")
        self.has_board_news = True
        self._wake.set()

    def hear_of_boards(self, *, live: bool) -> None:
        """From now on list boards when something happened there (live), or by the clock."""
        if live != self._boards_told:
            self._boards_told = live
            self._wake.set()

    def _count_hint(self, subject: str) -> None:
        counters.add(names.HINTS, mirror=self.mirror.name, subject=subject)

    def stop(self) -> None:
        """Make no further pass."""
        self._stopping = True
        self._wake.set()

    def follow(self, schedule: ScheduleSettings) -> None:
        """Go by another timetable from now on."""
        self._schedule = schedule
        self._wake.set()

    def stand_down(self) -> None:
        """Make no further pass, for nobody: another worker takes the mirror over.

        A pass that is under way ends as soon as it can; `at_rest` tells when.
        """
        self._retired = True
        self.reconciler.hurry_up()
        self.stop()

    async def at_rest(self) -> None:
        """Return once no pass is under way."""
        await self.reconciler.at_rest()

    async def run(self) -> None:
        """Make passes until stopped."""
        with structlog.contextvars.bound_contextvars(mirror=self.mirror.name):
            while not self._stopping:
                await self.mirror.clock.wait(self._wake, self._seconds_to_look())
                if self._is_paused():
                    self._wake.clear()
                    continue
                if self._look.paths and not self._look.folder:
                    await self.mirror.clock.sleep(GATHER_SECONDS)
                self._wake.clear()
                look = self._take()
                if look is not None and not self._stopping:
                    await self._guarded(look)

    def _is_paused(self) -> bool:
        """Tell whether to make no pass; after a pause everything is looked at."""
        was, self._was_paused = self._was_paused, self.mirror.brake.pause() is not None
        if was and not self._was_paused:
            self.hint_everything("resumed")
        return self._was_paused

    def _seconds_to_look(self) -> float | None:
        if not self._is_paused():
            return self._seconds_to_timer()
        left = self.mirror.brake.seconds_to_release()
        return PAUSED_SECONDS if left is None else min(PAUSED_SECONDS, left)

    async def pass_now(self, look: Look) -> Pass:
        """Make one pass for somebody who waits for it. Raises TryAgain once it stood down."""
        if self._retired:
            raise TryAgain(f"mirror {self.mirror.name}: its settings were read again; ask again")
        try:
            done = await self.reconciler.look(look)
        except BaseException:
            # It may have noted what it found before it failed: everything is compared once more.
            look.folder = True
            self.passed(look, Pass())
            raise
        self._plan_timers(look, done)
        self.last = done
        self.walks += look.folder or look.boards
        self._count_pass("trouble" if done.troubles else "done")
        self.passed(look, done)
        self._carrier.wake()
        self._wake.set()
        return done

    async def _guarded(self, look: Look) -> None:
        """Make a pass. A mistake of ours in one pass must not end the mirror."""
        try:
            await self.pass_now(look)
        except TryAgain as error:
            # The state's trouble: that of folder and server is part of what a pass finds.
            log.warning("a pass could not be made; it is tried again", error=str(error))
            self._fail()
        except Exception as error:
            log.exception("bug: a pass failed in an unforeseen way")
            await self.reconciler.note_bug(error)
            self._fail()

    def _fail(self) -> None:
        self._count_pass("failed")
        self._retry_later()

    def _count_pass(self, outcome: str) -> None:
        counters.add(names.PASSES, mirror=self.mirror.name, outcome=outcome)

    def _take(self) -> Look | None:
        """Take the merged hints, and what the timers ask for. None: nothing to look at."""
        look, self._look = self._look, Look(cause="event")
        now = self.mirror.clock.monotonic()
        if self._next_retry is not None and now >= self._next_retry:
            self._next_retry = None
            look.folder = look.boards = True
            look.cause = "retry"
        if self._next_doubt is not None and now >= self._next_doubt:
            self._next_doubt = None
            look.folder = look.boards = True
            look.cause = "settled"
        if self._polls and now >= self._next_listing:
            look.boards = True
        if look.boards or look.folder:
            self.has_board_news = False  # what happens from here on asks for another listing
        settled = self._next_ready is not None and now >= self._next_ready
        if settled:
            self._next_ready = None
        proof = self._next_proof is not None and now >= self._next_proof
        if proof:
            self._next_proof = None
        return None if look.nothing and not (settled or proof) else look

    @property
    def _polls(self) -> bool:
        """Whether a listing is due as soon as the last one is old enough.

        Boards that are heard of are left alone while they are known whole and nothing happens.
        """
        if not self.mirror.settings.direction.pulls or self._next_retry is not None:
            return False
        return not self._boards_told or self.has_board_news or bool(self.mirror.partly_listed)

    def _plan_timers(self, look: Look, done: Pass) -> None:
        clock = self.mirror.clock
        if done.hashed.next_ready_ns is not None:
            wait = (done.hashed.next_ready_ns - clock.now_ns()) / 1e9
            self._next_ready = clock.monotonic() + max(0.05, wait)
        self._next_doubt = None
        if done.next_look_ms is not None:
            self._next_doubt = clock.monotonic() + self._seconds_until(done)
        self._next_proof = None
        if done.next_proof_ms is not None:
            wait = done.next_proof_ms / 1000 - clock.now_ns() / 1e9
            self._next_proof = clock.monotonic() + max(PROOF_SECONDS, wait)
        if done.troubles:
            self._retry_later(done)
        elif look.boards or look.folder:
            self._next_retry = None
            self._next_listing = clock.monotonic() + self._listing_interval(done.listing_seconds)

    def _seconds_until(self, done: Pass) -> float:
        """Return how long until what a pass left in doubt can be decided.

        With a trouble not before the next try: nobody may be there who could be asked.
        """
        seconds = ((done.next_look_ms or 0) * 1_000_000 - self.mirror.clock.now_ns()) / 1e9
        if seconds <= 0:
            # Due already, and this pass did not decide it: the next would not either.
            seconds = RETRY_SECONDS
        return max(0.05, seconds, self._seconds_to_retry(done) if done.troubles else 0.0)

    def _listing_interval(self, seconds: float) -> float:
        schedule = self._schedule
        if self.mirror.brake.is_quiet():
            return max(schedule.listing_poll_max, self.mirror.server.capabilities.poll_floor)
        floor = max(schedule.listing_poll_min, self.mirror.server.capabilities.poll_floor)
        share = NEWS_SHARE if self._boards_told else LISTING_SHARE
        return max(floor, min(schedule.listing_poll_max, seconds * share))

    def _retry_later(self, done: Pass | None = None) -> None:
        self._next_retry = self.mirror.clock.monotonic() + self._seconds_to_retry(done)

    def _seconds_to_retry(self, done: Pass | None) -> float:
        """Return how long a trouble is left alone; never so short that trying is all we do."""
        gate = self.mirror.gate.wait_seconds()
        taken = 0.0 if done is None else done.walk_seconds
        return max(gate + 0.05, RETRY_SECONDS if gate == 0 else 0.0, taken * WALK_SHARE)

    def _seconds_to_timer(self) -> float | None:
        own = (self._next_ready, self._next_retry, self._next_doubt, self._next_proof)
        timers = [one for one in own if one is not None]
        if self._polls:
            timers.append(self._next_listing)
        if not timers:
            return None
        return max(0.0, min(timers) - self.mirror.clock.monotonic())

    async def settle(self, patience: float) -> None:
        """Wait, for a single pass, until files have settled and transfers are through.

        patience: seconds that any one of them may take to move on.
        """
        clock = self.mirror.clock
        until = clock.monotonic() + patience
        while self.last is not None and self.last.hashed.next_ready_ns is not None:
            wait = (self.last.hashed.next_ready_ns - clock.now_ns()) / 1e9
            if clock.monotonic() + wait > until:
                break
            await clock.sleep(max(0.05, wait))
            await self.pass_now(Look(cause="settled"))
        while self.last is not None and self.last.next_look_ms is not None:
            wait = self._seconds_until(self.last)
            if clock.monotonic() + wait > until:
                break
            await clock.sleep(wait)
            await self.pass_now(Look.everywhere("settled"))
        for _ in range(MOST_ROUNDS):
            await self._carrier.until_idle([self.mirror.number], patience)
            look, self._look = self._look, Look(cause="event")
            if look.nothing:
                return
            await self.pass_now(look)

    async def withdraw(self) -> int:
        """Take back uploads and downloads that were not begun; the next pass plans them anew."""
        return await self._carrier.withdraw(self.mirror.number)

    async def hurry(self) -> None:
        """Let waiting transfers go at once, and what could not be read be read: a person asked."""
        number = self.mirror.number
        self.mirror.brake.look_again()

        def write(c: Connection) -> None:
            transfers.hurry(c, [number])
            failed_readings.hurry(c, number)

        await self.mirror.state.write(write)
        self._carrier.wake()
