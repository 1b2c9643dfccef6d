"""What health finds of the daemon itself: watchers, tasks, the state file, its clock."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from boardsync.engine.causes import Kind, Level
from boardsync.engine.clock import now_ms
from boardsync.engine.health import Health, Running
from boardsync.engine.service import carrying
from boardsync.engine.watching import Watching
from engine.health_kit import DAY, STUCK, kinds, only, running, until
from engine.world import SteppingClock, World, world


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path, policies={"file_deleted": "trash"}) as made:
        yield made


@pytest.fixture
def health(here: World) -> Health:
    return Health(here.assembly)


class TestWatching:
    async def test_a_folder_that_does_not_answer_is_stuck_in_time(self, here: World) -> None:
        watching = Watching(here.assembly.workers["m"], here.clock)
        health = Health(here.assembly, Running({"m": watching}))
        assert health.look() == []
        here.clock.skip(STUCK)
        cause = only(health.look())
        assert (cause.key, cause.stuck) == ("watcher:m", True)
        assert "does its disk or share hang?" in cause.words

    async def test_a_folder_that_is_watched_answers_all_the_time(self, here: World) -> None:
        watching = Watching(here.assembly.workers["m"], here.clock)
        health = Health(here.assembly, Running({"m": watching}))
        async with running(watching.run()):
            await until(lambda: watching.stats()["watching"] == "native")
            answered = watching._answered
            here.clock.skip(STUCK)
            await until(lambda: watching._answered > answered)
            assert health.look() == []

    async def test_a_mistake_of_ours_at_it_is_told(self, here: World) -> None:
        watching = Watching(here.assembly.workers["m"], here.clock)
        health = Health(here.assembly, Running({"m": watching}))
        watching._hand_over = lambda _: 1 / 0  # type: ignore[method-assign,assignment]
        async with running(watching.run()):
            await until(lambda: watching.failed is not None)
            cause = only(health.look())
        assert cause.kind is Kind.WATCHER
        assert "its folder is not watched: ZeroDivisionError" in cause.words

    async def test_polling_is_information_unless_it_was_asked_for(self, here: World) -> None:
        watching = Watching(here.assembly.workers["m"], here.clock)
        watching.stats = lambda: {  # type: ignore[method-assign]
            "remark": "the limit is reached", "last_loss": None,
        }  # fmt: skip
        health = Health(here.assembly, Running({"m": watching}))
        [cause] = health.look()
        assert (cause.kind, cause.level, cause.stuck) == (Kind.POLLED, Level.INFORMATION, False)

    async def test_lost_events_are_information_for_an_hour(self, here: World) -> None:
        watching = Watching(here.assembly.workers["m"], here.clock)
        watching._last_loss = {"at_ms": now_ms(here.clock), "reason": "too many at once"}
        health = Health(here.assembly, Running({"m": watching}))
        [cause] = health.look()
        assert (cause.kind, cause.level) == (Kind.LOSSES, Level.INFORMATION)
        here.clock.skip(3600)
        assert Kind.LOSSES not in kinds(health.look())


class TestParts:
    async def test_a_part_that_ended_is_told_at_once(self, here: World) -> None:
        async def fails() -> None:
            raise RuntimeError

        async def lives() -> None:
            await asyncio.Event().wait()

        tasks = [
            asyncio.create_task(fails(), name="mirror m"),
            asyncio.create_task(lives(), name="timetable"),
        ]
        await asyncio.wait(tasks[:1])
        cause = only(Health(here.assembly, Running(tasks=lambda: tasks)).look())
        tasks[1].cancel()
        assert isinstance(tasks[0].exception(), RuntimeError)
        assert (cause.kind, cause.level, cause.stuck) == (Kind.ENDED, Level.CRITICAL, True)
        assert "has ended: mirror m" in cause.words

    async def test_a_carrier_that_ended_is_told_and_one_that_was_stopped_is_not(
        self, here: World, health: Health
    ) -> None:
        carrier = here.assembly.carriers["server"]
        async with carrying(here.assembly):
            assert health.look() == []
        assert health.look() == []
        task = carrier.start()
        task.cancel()
        await asyncio.wait({task})
        assert only(health.look()).words.startswith("a part of boardsync has ended: transfers of")


class TestState:
    async def test_one_that_is_damaged_is_told_at_once(self, here: World, health: Health) -> None:
        here.state.health.found("page 7 is not what it was")
        cause = only(health.look())
        assert (cause.kind, cause.level, cause.stuck) == (Kind.DAMAGED, Level.CRITICAL, True)

    async def test_one_that_was_set_aside_is_told_and_is_healthy(self, here: World) -> None:
        await here.close()
        here.state.path.write_bytes(b"no database at all" * 100)
        await here.open()
        cause = only(Health(here.assembly).look())
        assert (cause.kind, cause.stuck, cause.alarming) == (Kind.REBUILT, False, True)
        assert "state.db.corrupt-" in cause.words

    async def test_one_that_was_taken_away_is_told_at_once(
        self, here: World, health: Health
    ) -> None:
        here.state.path.rename(here.base / "elsewhere")
        cause = only(health.look())
        assert (cause.kind, cause.level, cause.stuck) == (Kind.DAMAGED, Level.CRITICAL, True)
        assert "taken away" in cause.words

    async def test_one_that_cannot_be_read_is_told_and_stuck_if_it_lasts(
        self, here: World, health: Health
    ) -> None:
        here.state.path.rename(here.base / "elsewhere")
        here.state.path.symlink_to(here.state.path)  # who looks there is led around for ever
        here.state._reader.dispose()
        cause = only(health.look())
        assert (cause.kind, cause.stuck) == (Kind.STATE, False)
        here.clock.skip(STUCK)
        assert only(health.look()).stuck
        here.state.path.unlink()
        (here.base / "elsewhere").rename(here.state.path)
        assert health.look() == []

    async def test_a_full_disk_is_stuck_if_it_lasts(self, here: World, health: Health) -> None:
        here.state._writer._full = True  # type: ignore[attr-defined]
        cause = only(health.look())
        assert (cause.kind, cause.stuck) == (Kind.FULL, False)
        here.clock.skip(STUCK)
        assert only(health.look()).stuck

        hold = threading.Event()
        blocking = asyncio.ensure_future(here.state.write(lambda _: hold.wait(20)))
        async with asyncio.timeout(2):
            assert await health.answers() is None, "no restart makes room"
        hold.set()
        await blocking

    async def test_a_writer_answers_or_not(self, here: World, health: Health) -> None:
        assert await health.answers() is None
        hold = threading.Event()
        blocking = asyncio.ensure_future(here.state.write(lambda _: hold.wait(20)))
        await asyncio.sleep(0.02)
        told = await health.answers(0.05)
        hold.set()
        await blocking
        assert told == "the state file could not be written within 0.05 s"
        assert await health.answers() is None

    async def test_a_writer_that_ended_is_told(self, here: World, health: Health) -> None:
        here.state._writer.close()
        assert await health.answers() == "the thread that writes the state file has ended"
        assert only(health.look()).stuck


async def test_a_clock_that_was_set_back_makes_nothing_stuck_for_ever(tmp_path: Path) -> None:
    clock = SteppingClock()
    async with world(tmp_path, clock=clock) as here:
        health = Health(here.assembly)
        here.folder.rename(here.base / "away")
        await here.look()
        health.look()
        clock.off = -DAY
        assert only(health.look()).since_ms <= now_ms(clock)
        clock.skip(STUCK)
        assert only(health.look()).stuck
