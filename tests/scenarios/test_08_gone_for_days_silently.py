"""8. Credentials or server gone for days, silently: told within five minutes, asked seldom, and it
resumes alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from boardsync.engine.announce import standing
from boardsync.engine.health import Health
from engine.world import SkippingClock
from sampling import one_in
from scenarios.ground import Ground, InvokeAIHands, mirrored
from servers.fake_invokeai import DROPPED, HANGING, FakeInvokeAI, proxy_page, status

FILES = 6
ALARM_SECONDS = 300.0
LONG = 1200.0
MOST_REQUESTS = 100
"""In twenty minutes: two looks a minute, and what they ask for."""
ALWAYS = 1_000_000

EVERYTHING = {
    "401": status(401, "Missing authentication credentials"),
    "403": status(403, "Not authorized"),
    "429": status(429, "Too many requests", retry_after="40"),
    "500": status(500),
    "502": proxy_page(502),
    "503": proxy_page(503),
    "no answer": DROPPED,
    "hang": HANGING,
}
UPLOADS = {
    "403": status(403, "Not authorized to upload to this board"),
    "413": proxy_page(413),
    "429": status(429, "Too many requests", retry_after="40"),
    "500": status(500),
    "503": proxy_page(503),
}
REFUSALS = frozenset({"413"})
"""What a server will never take stays refused until it changes, or somebody says `again`."""


class DrivenClock(SkippingClock):
    """Stands still while anybody works; once driven, it goes on to whatever is waited for next."""

    def __init__(self) -> None:
        super().__init__()
        self.driven = False
        self.waiting: dict[asyncio.Event, float] = {}

    async def sleep(self, seconds: float) -> None:
        await self.wait(asyncio.Event(), seconds)

    async def wait(self, event: asyncio.Event, seconds: float | None) -> None:
        if not self.driven:
            await super().wait(event, seconds)
            return
        come = asyncio.Event()
        self.waiting[come] = math.inf if seconds is None else self.ahead + seconds
        waits = [asyncio.ensure_future(one.wait()) for one in (event, come)]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            del self.waiting[come]
            for one in waits:
                one.cancel()

    def go_on(self) -> None:
        """Let the time come that is waited for next, at most a minute later."""
        self.ahead = min(self.ahead + 60.0, max(self.ahead, min(self.waiting.values())))
        for come, moment in self.waiting.items():
            if moment <= self.ahead:
                come.set()


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Ground]:
    """A mirror in step on the fake InvokeAI."""
    async with FakeInvokeAI() as fake:
        hands = InvokeAIHands(fake)
        async with mirrored(tmp_path, hands, DrivenClock()) as made:
            made.settings["schedule"] = {"listing_poll_min": 30, "listing_poll_max": 60}
            await made.restart()
            await made.fill(FILES)
            yield made


@contextlib.asynccontextmanager
async def living(here: Ground) -> AsyncIterator[Callable[[float], object]]:
    """Run the mirror as the daemon does, without its watcher; gives a way to let time pass."""
    worker, carrier = here.assembly.workers["m"], here.assembly.carriers["server"]
    clock = here.clock
    clock.driven = True
    tasks = [asyncio.create_task(worker.run()), carrier.start()]
    worker.hint_everything("start")

    async def for_seconds(seconds: float, until: Callable[[], bool] = lambda: False) -> None:
        end = clock.ahead + seconds
        async with asyncio.timeout(60):
            while clock.ahead < end and not until():
                await asyncio.sleep(0.001)
                if len(clock.waiting) == len(tasks) and not carrier.under_way:
                    clock.go_on()

    try:
        yield for_seconds
    finally:
        clock.driven = False
        worker.stop()
        carrier.stop()
        await asyncio.gather(*tasks)


def fake_of(here: Ground) -> FakeInvokeAI:
    assert isinstance(here.hands, InvokeAIHands)
    return here.hands.fake


def is_told(here: Ground) -> bool:
    """Everywhere where somebody may look: status, and the service manager's line."""
    told = here.told()
    somewhere = told["trouble"] or told["errors"] or told["refusals"]
    return told["condition"] not in ("synced", "working") and bool(somewhere)


def line(here: Ground) -> str:
    """Return what the service manager shows."""
    health = Health(here.assembly)
    health.look()
    return standing(here.assembly, health)


async def require_told_and_seldom_asked(here: Ground, passing: Callable) -> None:
    await passing(ALARM_SECONDS, lambda: is_told(here))
    assert is_told(here), here.told()
    fake = fake_of(here)
    before = sum(fake.requests.values())
    await passing(LONG)
    assert is_told(here)
    assert sum(fake.requests.values()) - before <= MOST_REQUESTS, fake.requests


async def require_resumed(here: Ground, passing: Callable) -> None:
    count = FILES + 1
    await passing(LONG, lambda: here.told()["synced"] == count)
    await passing(120.0)
    assert (here.told()["condition"], here.told()["synced"]) == ("synced", count)
    assert here.shows([*range(FILES), 50])
    assert line(here) == "watching m"


@pytest.mark.parametrize("answer", one_in(3, EVERYTHING))
async def test_a_server_that_answers_nothing_useful(here: Ground, answer: str) -> None:
    fake = fake_of(here)
    if EVERYTHING[answer] is HANGING:
        here.hands.options = {"read_timeout": 0.05}
        await here.restart()
    fake.inject("any", EVERYTHING[answer], times=ALWAYS)
    here.write("later.png", seed=50)
    async with living(here) as passing:
        await require_told_and_seldom_asked(here, passing)
        assert line(here).startswith("m ")

        fake._faults.clear()
        await require_resumed(here, passing)


@pytest.mark.parametrize("answer", one_in(3, UPLOADS))
async def test_a_server_that_takes_no_picture(here: Ground, answer: str) -> None:
    fake = fake_of(here)
    fake.inject("upload", UPLOADS[answer], times=ALWAYS)
    here.write("later.png", seed=50)
    async with living(here) as passing:
        await require_told_and_seldom_asked(here, passing)
        assert fake.requests["upload"] - FILES <= 50

        fake._faults.clear()
        if answer not in REFUSALS:
            await require_resumed(here, passing)


async def test_a_server_that_is_not_there(here: Ground) -> None:
    fake = fake_of(here)
    await fake.stop()
    here.write("later.png", seed=50)
    async with living(here) as passing:
        await require_told_and_seldom_asked(here, passing)

        await fake.start()
        await require_resumed(here, passing)


async def test_a_name_that_nobody_knows(here: Ground) -> None:
    hands = here.hands
    assert isinstance(hands, InvokeAIHands)
    hands.url = "http://boardsync.invalid"
    await here.restart()
    here.write("later.png", seed=50)
    async with living(here) as passing:
        await passing(ALARM_SECONDS, lambda: is_told(here))
        assert is_told(here), here.told()
    hands.url = None
    await here.restart()
    async with living(here) as passing:
        await require_resumed(here, passing)


async def test_a_refused_account_is_no_storm_of_logins(tmp_path: Path) -> None:
    """A password that was changed: one login a minute at most, until it is right again."""
    accounts = {"a@b.c": "right"}
    async with FakeInvokeAI(accounts=accounts) as fake:
        hands = InvokeAIHands(fake)
        hands.options = {"email": "a@b.c", "password": "right"}
        async with mirrored(tmp_path, hands, DrivenClock()) as here:
            await here.fill(FILES)
            fake.accounts["a@b.c"] = "changed"
            fake.revoke_tokens()
            here.write("later.png", seed=50)
            async with living(here) as passing:
                before = fake.requests["login"]
                await require_told_and_seldom_asked(here, passing)
                assert fake.requests["login"] - before <= 27

                fake.accounts["a@b.c"] = "right"
                await require_resumed(here, passing)
