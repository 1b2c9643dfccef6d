"""Hands waiting transfers to the pushers and pullers of one server, under its limits.

One carrier for each server, so that a slow or dead one never holds up another's mirrors.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Collection

import structlog
from sqlalchemy import Connection

from boardsync.engine.attempt import postpone
from boardsync.engine.clock import Clock, now_ms
from boardsync.engine.context import Mirror
from boardsync.engine.due import GROUPS, AtOnce, Due, Kinds
from boardsync.engine.gate import Gate
from boardsync.engine.hands import Hands, Work
from boardsync.errors import BoardsyncError
from boardsync.model import ActionKind, TransferState
from boardsync.state import transfers
from boardsync.state.database import State
from boardsync.state.records import TransferRecord
from boardsync.telemetry import names
from boardsync.telemetry.counters import counters

log = structlog.get_logger(__name__)

AHEAD = 2
"""Uploads that are read and prepared while others are on the wire."""
READ_AT_ONCE = 64
"""Due transfers that are read from the state together."""
IDLE_SECONDS = 60.0
TROUBLE_SECONDS = 1.0
"""Between two tries to reach the state file."""


class Carrier:
    """The transfers of all mirrors of one server."""

    def __init__(
        self,
        state: State,
        clock: Clock,
        gate: Gate,
        mirrors: Collection[Mirror],
        at_once: AtOnce,
    ) -> None:
        self._at_once = at_once
        self._due: dict[Kinds, Due] = {kinds: Due() for kinds in GROUPS}
        self._state = state
        self._clock = clock
        self._gate = gate
        self._hands: dict[int, Hands] = {}
        self._leaving: set[int] = set()
        for mirror in mirrors:
            self.take_on(mirror)
        self._under_way: dict[int, TransferRecord] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._running: asyncio.Task[None] | None = None
        self._moving: dict[Kinds, list[int]] = {kinds: [] for kinds in GROUPS}
        self._next_due_ms = math.inf
        self._wake = asyncio.Event()
        self._done = asyncio.Event()
        self._stopping = False
        self._withdrawing = 0
        self.finished: Callable[[TransferRecord], None] = lambda _: None

    @property
    def under_way(self) -> list[TransferRecord]:
        """The transfers being carried out now."""
        return list(self._under_way.values())

    def wake(self) -> None:
        """Say that there may be new work."""
        self._look_again()
        self._wake.set()

    def take_on(self, mirror: Mirror) -> None:
        """Carry a mirror's transfers, too, from the next `wake` on."""
        self._hands[mirror.number] = Hands(mirror)

    async def let_go(self, number: int) -> None:
        """Start nothing more of a mirror, and forget it when what is under way has finished.

        Those of other mirrors go on meanwhile.
        """
        self._leaving.add(number)
        self._look_again()
        try:
            while any(one.mirror == number for one in self._under_way.values()):
                self._done.clear()
                await self._clock.wait(self._done, 1.0)
            self._hands.pop(number, None)
        finally:
            self._leaving.discard(number)

    async def withdraw(self, mirror: int) -> int:
        """Take back a mirror's uploads and downloads that were not begun; return how many.

        The next pass plans them anew. Nothing is started meanwhile, or it would be started twice.
        """
        self._withdrawing += 1
        try:
            besides = list(self._under_way)
            return await self._state.write(
                lambda c: transfers.withdraw_unsent(c, mirror, besides)
            )  # fmt: skip
        finally:
            self._withdrawing -= 1
            self.wake()

    def stop(self) -> None:
        """Start nothing new. What is under way goes on until `drain` gives up on it."""
        self._stopping = True
        self._wake.set()

    async def drain(self, seconds: float) -> bool:
        """Wait for what is under way, at most so long; tell whether all of it finished.

        What is cut off keeps its durable intent, and the next start looks it up.
        """
        self.stop()
        if self._tasks:
            _, cut = await asyncio.wait(self._tasks, timeout=seconds)
            for task in cut:
                task.cancel()
            await asyncio.gather(*cut, return_exceptions=True)
            return not cut
        return True

    def start(self) -> asyncio.Task[None]:
        """Begin to carry out transfers as they fall due; again, after a drain."""
        self._stopping = False
        self._running = asyncio.create_task(self._run(), name=f"transfers with {self._gate.server}")
        return self._running

    async def finish(self) -> None:
        """Start nothing new; return once all that is under way has finished, and nobody runs."""
        self.stop()
        while self._tasks:
            await asyncio.wait(self._tasks)
        await self.ended()

    async def ended(self) -> None:
        """Wait for the end of what `start` began, after a `stop`; raises what it died of."""
        if self._running is not None:
            await self._running

    @property
    def task(self) -> asyncio.Task[None] | None:
        """What `start` began."""
        return self._running

    @property
    def died(self) -> bool:
        """Whether what `start` began has ended although nobody stopped it."""
        return self._running is not None and self._running.done() and not self._stopping

    async def _run(self) -> None:
        while not self._stopping:
            self._wake.clear()
            try:
                self._start_due()
                wait = self._seconds_to_next()
            except BoardsyncError as error:
                log.warning("the state cannot be read; it is tried again", error=str(error))
                wait = TROUBLE_SECONDS
            await self._clock.wait(self._wake, wait)

    async def until_idle(self, mirrors: Collection[int], patience: float) -> None:
        """Wait until some mirrors have nothing left to carry, or nothing soon enough.

        patience: seconds without any transfer getting through, after which we give up waiting.
        """
        until, fewest = self._clock.monotonic() + patience, None
        while not self._stopping:
            self._done.clear()
            if any(one.mirror in mirrors for one in self._under_way.values()):
                await self._clock.wait(self._done, 1.0)
                continue
            with self._state.read() as connection:
                left = transfers.count(connection, mirrors)
                due = self._next_due(connection, mirrors, ())
            if due is None:
                return
            if fewest is None or left < fewest:
                until, fewest = self._clock.monotonic() + patience, left
            wait = max((due - now_ms(self._clock)) / 1000, self._gate.wait_seconds())
            if self._clock.monotonic() + wait > until:
                return
            await self._clock.wait(self._done, max(0.05, min(wait, 1.0)))

    def _start_due(self) -> None:
        if self._gate.wait_seconds() > 0 or self._stopping or self._withdrawing:
            return
        if not self._numbers:
            return
        if self._brakes_changed() or now_ms(self._clock) >= self._next_due_ms:
            self._look_again()
        self._start_uploads()
        self._start_others(transfers.DOWNLOADS)
        self._start_others(transfers.STEPS)

    def _brakes_changed(self) -> bool:
        """See which mirrors' transfers may start; tell whether that is news."""
        moving: dict[Kinds, list[int]] = {kinds: self._moving_of(kinds) for kinds in GROUPS}
        changed, self._moving = moving != self._moving, moving
        return changed

    def _moving_of(self, kinds: Kinds) -> list[int]:
        """Return the mirrors whose transfers of some kinds may start now."""
        brakes = [(number, self._hands[number].mirror.brake) for number in self._numbers]
        downloads = kinds is transfers.DOWNLOADS
        return [
            number for number, brake in brakes
            if not (brake.stops_all() or (downloads and brake.stops_downloads()))
        ]  # fmt: skip

    def _next_due(
        self, connection: Connection, mirrors: Collection[int], besides: Collection[int]
    ) -> int | None:
        """Return when a transfer that may start is due, of some mirrors."""
        moving = [set(self._moving_of(kinds)).intersection(mirrors) for kinds in GROUPS]
        asked = (
            (moving[0], transfers.UPLOADS, self._seen_boards()),
            (moving[1], (*transfers.DOWNLOADS, *transfers.STEPS), None),
            (moving[2] - moving[1], transfers.STEPS, None),
        )
        moments = [
            transfers.next_due_ms(connection, numbers, kinds, besides, boards)
            for numbers, kinds, boards in asked
        ]
        return min((one for one in moments if one is not None), default=None)

    def _seconds_to_release(self) -> float:
        """Return how long until a brake may let go by itself."""
        waits = []
        for hands in self._hands.values():
            brake = hands.mirror.brake
            if brake.stops_all():
                waits.append(brake.seconds_to_release())
            elif brake.stops_downloads():
                waits.append(brake.full_until - self._clock.monotonic())
        return max(0.01, min((one for one in waits if one is not None), default=IDLE_SECONDS))

    def _look_again(self) -> None:
        self._next_due_ms = math.inf
        for due in self._due.values():
            due.look_again()

    def _room(self, kinds: Kinds) -> int:
        busy = sum(1 for one in self._under_way.values() if one.kind in kinds)
        if kinds is transfers.UPLOADS:
            return (self._at_once.uploads + AHEAD) * self._batch - busy
        most = self._at_once.downloads if kinds is transfers.DOWNLOADS else self._at_once.steps
        return most - busy

    @property
    def _batch(self) -> int:
        return next(iter(self._hands.values())).mirror.server.capabilities.batch

    def _least_room(self, kinds: Kinds) -> int:
        """Return from how much room on it is worth asking: what is on the wire stays busy."""
        return AHEAD * self._batch if kinds is transfers.UPLOADS else 1

    @property
    def _numbers(self) -> list[int]:
        """The mirrors whose transfers may begin."""
        return [number for number in self._hands if number not in self._leaving]

    def _seen_boards(self) -> list[int]:
        """Return the boards that uploads may go to."""
        return [
            board for number in self._numbers for board in self._hands[number].mirror.seen_boards
        ]

    def _take(self, kinds: Kinds) -> list[TransferRecord]:
        """Take as many transfers that may go as there is room for."""
        room, due = self._room(kinds), self._due[kinds]
        if room < self._least_room(kinds):
            return []
        if due.more and len(due.waiting) < room:
            limit = max(room, READ_AT_ONCE)
            due.waiting.clear()
            due.waiting.extend(self._read_due(kinds, limit))
            due.more = len(due.waiting) == limit
        return [due.waiting.popleft() for _ in range(min(room, len(due.waiting)))]

    def _read_due(self, kinds: Kinds, limit: int) -> list[TransferRecord]:
        boards = self._seen_boards() if kinds is transfers.UPLOADS else None
        with self._state.read() as connection:
            return transfers.due(
                connection, self._moving[kinds], kinds, now_ms(self._clock),
                list(self._under_way), limit, boards,
            )  # fmt: skip

    def _start_uploads(self) -> None:
        """Start uploads in batches of one board; one upload of a token at a time."""
        tokens = {one.token for one in self._under_way.values()}
        groups: dict[tuple[int, int], list[TransferRecord]] = {}
        for transfer in self._take(transfers.UPLOADS):
            if transfer.token in tokens:
                self._due[transfers.UPLOADS].more = True
                continue
            tokens.add(transfer.token)
            groups.setdefault((transfer.mirror, transfer.board), []).append(transfer)
        for (mirror, _), group in groups.items():
            for start in range(0, len(group), self._batch):
                batch = group[start : start + self._batch]
                self._start(batch, self._hands[mirror].uploads(batch))

    def _start_others(self, kinds: Kinds) -> None:
        for transfer in self._take(kinds):
            self._start([transfer], self._hands[transfer.mirror].other(transfer))

    def _start(self, batch: list[TransferRecord], work: Work) -> None:
        self._under_way.update({one.id: one for one in batch})
        task = asyncio.create_task(self._guard(batch, work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guard(self, batch: list[TransferRecord], work: Work) -> None:
        """Run one batch. What escapes here is the state's trouble or a bug; the carrier goes on."""
        mirror = self._hands[batch[0].mirror].mirror
        try:
            with structlog.contextvars.bound_contextvars(mirror=mirror.name, run=batch[0].run):
                await work()
            self._count(mirror, batch)
        except BoardsyncError as error:
            log.warning("a transfer's outcome could not be recorded", error=str(error))
            await self._clock.sleep(TROUBLE_SECONDS)
        except Exception as error:
            log.exception("bug: a transfer failed in an unforeseen way", path=batch[0].path)
            await self._set_aside(mirror, batch, error)
            self._count(mirror, batch)
        finally:
            for one in batch:
                self._under_way.pop(one.id, None)
            self._wake.set()
            self._done.set()
        for one in batch:
            self.finished(one)

    def _count(self, mirror: Mirror, batch: list[TransferRecord]) -> None:
        """Count what became of transfers: the state says it, whoever carried them."""
        try:
            with self._state.read() as connection:
                left = transfers.outcomes(connection, [one.id for one in batch])
        except BoardsyncError:
            return  # who writes next to the state tells what is wrong with it
        for one in batch:
            outcome = left.get(one.id, "finished")
            counters.add(names.TRANSFERS, mirror=mirror.name, kind=one.kind.value, outcome=outcome)

    async def _set_aside(
        self, mirror: Mirror, batch: list[TransferRecord], error: Exception
    ) -> None:
        """Record an unforeseen error, so that `status` tells it and it is not tried in a loop."""
        try:
            for one in batch:
                # Whatever was sent or not, the next attempt looks it up.
                doubtful = one.kind is ActionKind.UPLOAD
                state = TransferState.UNKNOWN if doubtful else TransferState.READY
                await postpone(mirror, one, error, state)
        except BoardsyncError as problem:
            log.warning("a transfer's outcome could not be recorded", error=str(problem))
            await self._clock.sleep(TROUBLE_SECONDS)

    def _seconds_to_next(self) -> float:
        """Return how long until something may be due. Work under way wakes us by itself."""
        if self._tasks and any(due.waiting for due in self._due.values()):
            return IDLE_SECONDS  # the limits are reached: a finishing task wakes us
        with self._state.read() as connection:
            due = self._next_due(connection, self._numbers, list(self._under_way))
        if due is None:
            return min(IDLE_SECONDS, self._seconds_to_release())
        self._next_due_ms = due
        if self._tasks and due <= now_ms(self._clock):
            return IDLE_SECONDS
        wait = max((due - now_ms(self._clock)) / 1000, self._gate.wait_seconds(), 0.01)
        return min(wait, IDLE_SECONDS, self._seconds_to_release())
