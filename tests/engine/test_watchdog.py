"""The watchdog is fed while every part of the daemon lives, and not a moment longer."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import structlog

from boardsync.engine.service import Service
from boardsync.engine.watchdog import Sign, feed, task_signs
from engine.world import SkippingClock, World, world

SECONDS = 8.0


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path) as made:
        yield made


class Manager:
    """Counts signs of life, and knows when each came."""

    def __init__(self) -> None:
        self.clock = SkippingClock()
        self.told: list[float] = []
        self.began = self.clock.monotonic()

    def hear(self) -> None:
        self.told.append(self.clock.monotonic() - self.began)

    async def watch(self, *signs: Sign, steps: int = 40) -> None:
        """Let the daemon live for a while of its own time."""
        feeding = asyncio.create_task(feed(self.clock, SECONDS, lambda: list(signs), self.hear))
        for _ in range(steps):
            await asyncio.sleep(0)
        feeding.cancel()
        await asyncio.gather(feeding, return_exceptions=True)


async def lives() -> None:
    """Give a sign of life."""


async def hangs() -> None:
    await asyncio.Event().wait()


async def test_it_is_fed_twice_in_the_time_it_waits() -> None:
    manager = Manager()
    await manager.watch(Sign("loop", lives))
    assert manager.told[0] <= SECONDS / 2
    gaps = [after - before for before, after in zip(manager.told, manager.told[1:], strict=False)]
    assert len(gaps) > 3
    assert all(gap == pytest.approx(SECONDS / 2, abs=0.5) for gap in gaps)


async def test_a_part_that_hangs_starves_it_and_is_named_once() -> None:
    manager = Manager()
    with structlog.testing.capture_logs() as logged:
        await manager.watch(Sign("loop", lives), Sign("writing the state", hangs), steps=200)
    assert manager.told == []
    [line] = logged
    assert (line["log_level"], line["part"]) == ("error", "writing the state")


async def test_a_part_that_ended_by_an_error_starves_it() -> None:
    async def fails() -> None:
        raise OSError("gone")

    task = asyncio.create_task(fails(), name="watching m")
    await asyncio.wait([task])
    manager = Manager()
    with structlog.testing.capture_logs() as logged:
        await manager.watch(*task_signs([task]))
    assert manager.told == []
    assert [line["part"] for line in logged] == ["watching m"]


async def test_what_was_ended_on_purpose_is_no_fault() -> None:
    cancelled = asyncio.create_task(hangs())
    finished = asyncio.create_task(lives())
    await asyncio.sleep(0)
    cancelled.cancel()
    await asyncio.wait([cancelled, finished])
    manager = Manager()
    await manager.watch(*task_signs([cancelled, finished]))
    assert manager.told


async def test_it_is_fed_again_when_a_part_comes_back() -> None:
    awake = asyncio.Event()

    async def sleeps() -> None:
        await awake.wait()

    manager = Manager()
    feeding = asyncio.create_task(
        feed(manager.clock, SECONDS, lambda: [Sign("writing the state", sleeps)], manager.hear)
    )
    with structlog.testing.capture_logs() as logged:
        for _ in range(40):
            await asyncio.sleep(0)
        assert manager.told == []
        awake.set()
        for _ in range(40):
            await asyncio.sleep(0)
    feeding.cancel()
    assert manager.told
    assert [line["log_level"] for line in logged] == ["error", "info"]


class TestTheDaemon:
    @contextmanager
    def writing(self, here: World) -> Iterator[threading.Event]:
        """Hold the thread that writes the state in the middle of a piece of work."""
        begun, end = threading.Event(), threading.Event()

        def hold(_: object) -> None:
            begun.set()
            assert end.wait(20)

        thread = threading.Thread(target=here.state.write_now, args=(hold,))
        thread.start()
        try:
            assert begun.wait(20)
            yield end
        finally:
            end.set()
            thread.join()

    def part(self, service: Service, name: str) -> Sign:
        return next(sign for sign in service.signs() if sign.part == name)

    async def test_a_thread_that_writes_and_hangs_gives_no_sign_until_it_goes_on(
        self, here: World
    ) -> None:
        sign = self.part(Service(here.assembly), "writing the state")
        await sign.ask()
        with self.writing(here) as end:
            asked = asyncio.ensure_future(sign.ask())
            assert not (await asyncio.wait([asked], timeout=0.1))[0]
            end.set()
            await asyncio.wait_for(asked, 20)

    async def test_each_of_its_tasks_is_a_part(self, here: World) -> None:
        service = Service(here.assembly)
        ready = asyncio.Event()

        async def tell() -> None:
            ready.set()

        running = asyncio.create_task(service.run(tell))
        await ready.wait()
        parts = {sign.part for sign in service.signs()}
        assert parts >= {
            "writing the state", "watching m", "mirror m", "transfers with server",
            "timetable", "alarms", "health",
        }  # fmt: skip
        service.stop()
        await running
