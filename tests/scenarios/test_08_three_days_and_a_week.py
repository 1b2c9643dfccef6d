"""8., told to somebody who is away: a server gone for three days, and a file stuck for a week."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from boardsync.alarms.web import Webhook
from boardsync.engine.alarms import OVER_SECONDS, Alarms
from boardsync.engine.announce import announce
from boardsync.engine.causes import Kind
from boardsync.engine.health import Health
from boardsync.engine.outbox import Outbox
from boardsync.files.disk import SystemDisk
from scenarios.ground import Ground, InvokeAIHands, ground, mirrored
from scenarios.test_08_gone_for_days_silently import ALWAYS, DrivenClock, fake_of
from servers.fake_http import HttpServer, Request, Response, json_response
from servers.fake_invokeai import DROPPED, FakeInvokeAI

FILES = 6
HOUR, DAY = 3600.0, 86_400.0
ALARM_SECONDS = 300.0
LOOK_SECONDS = 30.0
"""Between two looks at the health: thrice as seldom as in a daemon, to be quicker."""
IN_FULL = pytest.mark.skipif(
    os.environ.get("SCENARIO_SCALE") != "1", reason="takes minutes: make scenarios"
)
MOST_AN_HOUR = 250
"""Requests to a server that answers nothing: in each half minute one look, whose one request is
repeated once, since the connection might just have been too old."""


class Telephone:
    """A webhook's receiver: what was told, and when by the mirror's clock."""

    def __init__(self, here: Ground) -> None:
        self._clock = here.clock
        self.told: list[tuple[float, dict]] = []
        self.http = HttpServer(self._take)

    async def _take(self, request: Request) -> Response:
        self.told.append((self._clock.ahead, request.json()))
        return json_response({})

    @property
    def events(self) -> list[str]:
        return [told["event"] for _, told in self.told]


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Ground]:
    async with (
        FakeInvokeAI() as fake,
        mirrored(tmp_path, InvokeAIHands(fake), DrivenClock()) as made,
    ):
        made.settings["schedule"] = {"listing_poll_min": 30, "listing_poll_max": 60}
        await made.restart()
        await made.fill(FILES)
        yield made


@pytest.fixture
async def telephone(here: Ground) -> AsyncIterator[Telephone]:
    made = Telephone(here)
    await made.http.start()
    yield made
    await made.http.stop()


class Life:
    """A daemon's life on a virtual clock: its mirror, its health, its alarms."""

    def __init__(self, here: Ground, telephone: Telephone) -> None:
        self.here = here
        self.clock = here.clock
        self.health = Health(here.assembly)
        hook = Webhook(f"http://127.0.0.1:{telephone.http.port}/hook")
        self.outbox = Outbox(hook, 1, 30.0, here.clock)
        self.alarms = Alarms(here.assembly, [self.outbox])
        self.lines: list[str] = []
        self._waiters = 0

    async def passes(self, seconds: float, until: Callable[[], bool] = lambda: False) -> None:
        """Let time pass: on from one moment that somebody waits for to the next."""
        carrier, end = self.here.assembly.carriers["server"], self.clock.ahead + seconds
        while self.clock.ahead < end and not until():
            await asyncio.sleep(0.0005)
            idle = len(self.clock.waiting) >= self._waiters and not self.outbox._waiting
            if idle and not carrier.under_way:
                self.clock.go_on()

    @contextlib.asynccontextmanager
    async def lived(self) -> AsyncIterator[None]:
        worker = self.here.assembly.workers["m"]
        carrier = self.here.assembly.carriers["server"]
        self.clock.driven = True
        self.health.remember()
        self.alarms.remember()
        work: list[Awaitable[None]] = [
            worker.run(),
            announce(self.here.assembly, self.health, self.alarms, self.lines.append, LOOK_SECONDS),
        ]
        tasks = [*(asyncio.ensure_future(one) for one in work), carrier.start()]
        self._waiters = len(tasks)
        telling = asyncio.create_task(self.alarms.run())
        worker.hint_everything("start")
        try:
            yield
        finally:
            self.clock.driven = False
            worker.stop()
            carrier.stop()
            for task in (tasks[1], telling):
                task.cancel()
            await asyncio.gather(*tasks, telling, return_exceptions=True)


@pytest.mark.parametrize("hours_away", [2, pytest.param(72, marks=[pytest.mark.real, IN_FULL])])
async def test_a_server_that_is_away_for_three_days(
    here: Ground, telephone: Telephone, hours_away: int
) -> None:
    """It takes connections and answers nothing, so that every request can be counted."""
    fake, life = fake_of(here), Life(here, telephone)
    async with life.lived():
        await life.passes(HOUR)
        assert telephone.told == []

        fake.inject("any", DROPPED, times=ALWAYS)
        gone = here.clock.ahead
        here.write("later.png", seed=50)
        await life.passes(2 * ALARM_SECONDS, lambda: bool(telephone.told))
        [(moment, told)] = telephone.told
        assert ALARM_SECONDS <= moment - gone <= ALARM_SECONDS + 60 + 2 * LOOK_SECONDS
        assert [one["cause"] for one in told["begun"]] == ["server:server"]
        assert life.health.stuck

        before = sum(fake.requests.values())
        await life.passes(hours_away * HOUR)
        assert telephone.events == ["alarm"]
        requests = sum(fake.requests.values()) - before
        print(f"{requests} requests in {hours_away} hours: {requests / hours_away:.0f} in an hour")
        assert hours_away * 60 <= requests <= hours_away * MOST_AN_HOUR

        fake._faults.clear()
        back, count = here.clock.ahead, FILES + 1
        await life.passes(HOUR, lambda: here.told()["synced"] == count)
        assert here.clock.ahead - back <= 120
        await life.passes(HOUR)
    assert telephone.events == ["alarm", "over"]
    moment, told = telephone.told[1]
    assert [one["cause"] for one in told["over"]] == ["server:server"]
    assert moment - back <= OVER_SECONDS + 120 + 3 * LOOK_SECONDS
    assert not life.health.causes
    assert (here.told()["condition"], here.told()["synced"]) == ("synced", count)
    assert here.shows([*range(FILES), 50])
    assert life.lines[0] == life.lines[-1] == "watching m"


@pytest.mark.real
async def test_a_daemon_that_is_restarted_each_hour_meanwhile(
    here: Ground, telephone: Telephone
) -> None:
    fake = fake_of(here)
    await fake.stop()
    here.write("later.png", seed=50)
    for _ in range(6):
        life = Life(here, telephone)
        async with life.lived():
            await life.passes(HOUR / 3)
        await here.restart()
    assert telephone.events == ["alarm"]
    await fake.start()
    life = Life(here, telephone)
    async with life.lived():
        await life.passes(HOUR, lambda: "over" in telephone.events)
        await life.passes(600)
    assert telephone.events == ["alarm", "over"]
    assert here.shows([*range(FILES), 50])


class Guarded(SystemDisk):
    """A disk with files that may not be opened, or that lie on a bad sector."""

    locked = b"locked.png"
    broken = b"broken.png"
    healed = False

    def open(self, path, flags, mode=0o777, /):  # type: ignore[no-untyped-def, override]
        name = os.path.basename(os.fsencode(path))
        if not self.healed and name in (self.locked, self.broken):
            code = errno.EACCES if name == self.locked else errno.EIO
            raise OSError(code, os.strerror(code))
        return os.open(path, flags, mode)

    def access(self, path, mode, /):  # type: ignore[no-untyped-def, override]
        return self.healed or os.path.basename(os.fsencode(path)) != self.locked


async def hours(here: Ground, life: Life, count: int, write: Callable[[], object]) -> None:
    """Let hours pass, with a pass and some looks in each."""
    telling = asyncio.create_task(life.alarms.run())
    for _ in range(count):
        write()
        await here.look(patience=0.0)
        here.clock.skip(HOUR)
        await life.health.count_and_keep()
        for _ in range(4):
            life.alarms.hear(life.health.look(), looked=life.health.looked)
            here.clock.skip(LOOK_SECONDS)
        async with asyncio.timeout(20):
            while life.outbox._waiting:
                await asyncio.sleep(0.001)
    telling.cancel()
    await asyncio.wait({telling})


@pytest.mark.real
async def test_files_that_are_stuck_for_a_week(tmp_path: Path) -> None:
    """One grows without end, one may not be read, one lies on a bad sector: none is unseen."""
    async with ground(
        tmp_path, "memory", settle={"quiet": "3 h", "quiet_uncertain": "3 h"}
    ) as here:
        telephone = Telephone(here)
        await telephone.http.start()
        here.disk = disk = Guarded()
        await here.restart()
        for seed, name in enumerate(("locked.png", "broken.png", "well.png")):
            here.write(name, seed=seed)

        def grow() -> None:
            with (here.folder / "growing.png").open("ab") as stream:
                stream.write(b"more of it")
            moment = here.clock.now_ns()
            os.utime(here.folder / "growing.png", ns=(moment, moment))

        grow()
        life = Life(here, telephone)
        await hours(here, life, 20, grow)
        assert telephone.told == []
        for _day in range(7):
            await hours(here, life, 24, grow)
            await here.restart()
            life = Life(here, telephone)
            life.health.remember()
            life.alarms.remember()

        told = {line["cause"]: line["words"] for _, one in telephone.told for line in one["begun"]}
        assert telephone.events == ["alarm"] * len(telephone.told)
        assert sorted(told) == ["changing:m", "unreadable:m"]
        assert told["unreadable:m"] == "m: locked.png may not be read"
        assert " and 1 more never stopped changing, or cannot be read whole" in told["changing:m"]
        await hours(here, life, 1, grow)
        assert {one.kind for one in life.health.stuck} == {Kind.CHANGING, Kind.UNREADABLE}
        assert here.shows([2])

        disk.healed = True
        (here.folder / "growing.png").unlink()
        await hours(here, life, 8, lambda: None)
        assert here.shows([0, 1, 2])
        over = {line["cause"] for _, one in telephone.told for line in one["over"]}
        assert over == {"changing:m", "unreadable:m"}
        assert life.health.causes == []
        await telephone.http.stop()
