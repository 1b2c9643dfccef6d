"""Decides who is told of what is wrong, and when: once for each cause, and once when it is over.

What was told is kept in the state, so that a restart repeats nothing. But nothing here waits for
the state: its disk being full is one of the things that are told. Nothing waits for a channel
either.
"""

from __future__ import annotations

import asyncio
import contextlib
import platform
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

import structlog
from sqlalchemy import Connection

from boardsync.alarms.message import LEVELS, Event, Line, Message
from boardsync.config.model import Settings
from boardsync.engine.assembly import Assembly
from boardsync.engine.causes import Cause, Level, kind_of, level_of
from boardsync.engine.changes import Change
from boardsync.engine.channels import make_outboxes
from boardsync.engine.clock import Clock, now_ms
from boardsync.engine.outbox import Outbox, attempt_to_tell
from boardsync.engine.outboxes import Outboxes
from boardsync.errors import BoardsyncError
from boardsync.state import alarms
from boardsync.state.alarms import AlarmRecord
from boardsync.state.database import State

log = structlog.get_logger(__name__)

OVER_SECONDS = 60.0
"""What is gone for so long is over. Sooner, a cause that comes and goes would be told each time."""
LOOKS = 2
"""A cause is told when it was found in so many looks: what heals at this moment is not told."""
HOUR_SECONDS = 3600.0
LAST_WRITE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Tried:
    """How a test of a channel went."""

    channel: str
    arrived: bool
    words: str

    def as_dict(self) -> dict[str, object]:
        return asdict(self)


class Pace:
    """How many messages may be sent in an hour. most: tells that number as it is now."""

    def __init__(self, most: Callable[[], int], clock: Clock) -> None:
        self._most = most
        self._clock = clock
        self._sent: deque[float] = deque()

    def remember(self, ago_seconds: Iterable[float]) -> None:
        """Count what an earlier process has sent."""
        now = self._clock.monotonic()
        self._sent.extend(now - ago for ago in sorted(ago_seconds, reverse=True))

    @property
    def seconds_until_room(self) -> float:
        """How long to wait with the next message; 0.0 when it may be sent."""
        now = self._clock.monotonic()
        while self._sent and now - self._sent[0] >= HOUR_SECONDS:
            self._sent.popleft()
        surplus = len(self._sent) - self._most()
        if surplus < 0:
            return 0.0
        return HOUR_SECONDS - (now - self._sent[surplus])

    def count(self) -> None:
        """Note that a message is sent."""
        self._sent.append(self._clock.monotonic())


class Alarms:
    """The alarms of one daemon."""

    def __init__(self, assembly: Assembly, outboxes: Sequence[Outbox]) -> None:
        self._state: State = assembly.state
        self._clock = assembly.clock
        self._outboxes = Outboxes(outboxes, self._delivered)
        self._pace = Pace(lambda: assembly.settings.alarms.most_an_hour, assembly.clock)
        self._told: dict[str, Line] = {}
        self._looks: dict[str, int] = {}
        self._alarming_at: dict[str, float] = {}
        self._gathered: set[str] = set()
        self._writes: asyncio.Queue[Callable[[Connection], None]] = asyncio.Queue()

    def remember(self) -> None:
        """Take up what an earlier process has told. Raises the state's errors."""
        with self._state.read() as connection:
            records = alarms.kept(connection)
        wall, moment = now_ms(self._clock), self._clock.monotonic()
        told = {one.told_ms for one in records if one.told_ms is not None}
        ages = [(wall - one) / 1000 for one in told]
        self._pace.remember(age for age in ages if 0 <= age < HOUR_SECONDS)
        untold = []
        for one in records:
            kind = kind_of(one.cause)
            if kind is None:
                continue
            if one.told_ms is None:
                untold.append(one.cause)
                continue
            self._told[one.cause] = Line(one.cause, level_of(kind), one.words, one.since_ms)
            self._alarming_at[one.cause] = moment
        if untold:  # what still lasts of it is told, and kept, anew
            self._writes.put_nowait(lambda c: alarms.forget(c, untold))

    def hear(self, causes: Iterable[Cause], *, looked: bool = True) -> None:
        """Take what is wrong now, and have told what is to be told.

        looked: every mirror was looked at since the start; before, nothing can be over.
        """
        now, least = self._clock.monotonic(), self._outboxes.least(int(Level.WARNING))
        alarming = {one.key: one for one in causes if one.alarming and one.level >= least}
        self._looks = {key: self._looks.get(key, 0) + 1 for key in alarming}
        self._alarming_at.update(dict.fromkeys(alarming, now))
        begun = [
            one for key, one in alarming.items()
            if key not in self._told and self._looks[key] >= LOOKS
        ]  # fmt: skip
        over = [
            line for key, line in self._told.items()
            if looked and now - self._alarming_at.get(key, now) >= OVER_SECONDS
        ]  # fmt: skip
        known = {one.key for one in begun}
        passed = len(self._gathered - known - self._told.keys())
        if not (begun or over or passed):
            self._gathered.clear()
        elif self._pace.seconds_until_room > 0:
            self._gathered |= known
        else:
            self._tell(begun, over, passed)

    async def run(self) -> None:
        """Send what is to be told and keep what was, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._outboxes.run())
            group.create_task(self._write())

    async def follow(self, settings: Settings) -> Change | None:
        """Prepare the channels of other settings; secrets are read again. Raises SettingsError.

        What was told stays told: a channel that comes hears of what begins or ends from then on.
        """
        made = await asyncio.to_thread(make_outboxes, settings.alarms, self._clock)
        if self._outboxes.are_like(made):
            return None
        return Change("alarms", lambda: self._outboxes.replace(made))

    async def test(self) -> list[Tried]:
        """Send a test through every channel now."""
        return await send_test(self._outboxes.current, self._clock)

    def _tell(self, begun: Sequence[Cause], over: Sequence[Line], passed: int) -> None:
        event: Event = "alarm" if begun else "over"
        if self._gathered:
            event = "summary"
        self._gathered.clear()
        lines = [Line(one.key, one.level, one.words, one.since_ms) for one in begun]
        self._note(lines, over)
        self._pace.count()
        message = Message(
            event, _host(), now_ms(self._clock), lines, over, passed, self._remark()
        )  # fmt: skip
        fresh = [AlarmRecord(one.cause, one.words, one.since_ms, None) for one in lines]
        self._writes.put_nowait(lambda c: alarms.keep(c, fresh))
        self._outboxes.put(message)

    def _note(self, begun: Sequence[Line], over: Sequence[Line]) -> None:
        """Remember what is told now, and tell it to the log."""
        for line in begun:
            self._told[line.cause] = line
            log.warning("alarm", cause=line.cause, level=LEVELS[line.level], reason=line.words)
        for line in over:
            del self._told[line.cause]
            self._alarming_at.pop(line.cause, None)
            log.info("alarm is over", cause=line.cause, reason=line.words)

    def _remark(self) -> str:
        """Say until when further alarms wait, when they do."""
        seconds = self._pace.seconds_until_room
        if seconds == 0:
            return ""
        until = datetime.fromtimestamp(self._clock.now_ns() / 1e9 + seconds, UTC)
        return f"Further alarms are gathered until {until:%H:%M} UTC (alarms.most_an_hour)."

    def _delivered(self, message: Message) -> None:
        """Keep that somebody was told."""
        moment = now_ms(self._clock)
        begun = [line.cause for line in message.begun]
        over = [line.cause for line in message.over if line.cause not in self._told]

        def write(connection: Connection) -> None:
            alarms.note_told(connection, begun, moment)
            alarms.forget(connection, over)

        self._writes.put_nowait(write)

    async def _write(self) -> None:
        try:
            while True:
                await self._keep(await self._writes.get())
        finally:
            # A clean stop forgets nothing, unless the disk is full.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LAST_WRITE_SECONDS):
                    while not self._writes.empty():
                        await self._keep(self._writes.get_nowait())

    async def _keep(self, work: Callable[[Connection], None]) -> None:
        try:
            await self._state.write(work)
        except BoardsyncError as error:
            log.warning("it was not kept that an alarm was told", why=str(error))


async def send_test(outboxes: Sequence[Outbox], clock: Clock) -> list[Tried]:
    """Send a test through every channel; tell which arrived."""
    message = Message("test", _host(), now_ms(clock))

    async def one(outbox: Outbox) -> Tried:
        failure = await attempt_to_tell(outbox.channel, message, outbox.seconds)
        return Tried(outbox.channel.name, failure is None, failure or "arrived")

    return list(await asyncio.gather(*(one(outbox) for outbox in outboxes)))


def _host() -> str:
    return platform.node() or "this machine"
