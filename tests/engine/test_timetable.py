"""What happens by the clock: backups are kept and thinned, and no failure of one is silent."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from boardsync.engine.schedule import back_up, follow_clock, make_scheduler
from boardsync.errors import NeedsPerson, NoRoom
from boardsync.state import places, runs, transfers
from boardsync.state.copies import check_integrity
from boardsync.state.database import open_state
from engine.world import SteppingClock, World, world

DAY = 86_400.0
YEAR = 365 * DAY


@pytest.fixture
def state(tmp_path: Path) -> Path:
    path = tmp_path / "state.db"
    made = open_state(path)
    made.write_now(lambda c: places.mirror_id(c, "m"))
    made.close()
    return path


class TestBackups:
    def test_a_backup_is_a_whole_state_for_its_owner_alone(self, state: Path) -> None:
        kept = back_up(state, keep=3)
        assert kept.parent == state.parent / "backups"
        assert kept.parent.stat().st_mode & 0o777 == 0o700
        assert check_integrity(kept) is None
        restored = open_state(kept)
        with restored.read() as connection:
            assert places.find_mirror(connection, "m") is not None
        restored.close()

    def test_only_the_newest_are_kept_and_other_files_are_left_alone(self, state: Path) -> None:
        folder = state.parent / "backups"
        folder.mkdir()
        old = [f"state-2020010{day}-000000.db" for day in range(1, 6)]
        others = ["state-2-20200101-000000.db", "state-mine.db", "notes.txt"]
        for name in (*old, *others):
            (folder / name).write_bytes(b"")
        newest = back_up(state, keep=3)
        assert set(os.listdir(folder)) == {*others, *old[3:], newest.name}

    def test_a_name_with_wildcards_is_thinned_like_any_other(self, tmp_path: Path) -> None:
        path = tmp_path / "state[1]*.db"
        open_state(path).close()
        folder = tmp_path / "backups"
        folder.mkdir()
        (folder / "state[1]*-20200101-000000.db").write_bytes(b"")
        (folder / "state1-20200101-000000.db").write_bytes(b"")
        newest = back_up(path, keep=1)
        assert set(os.listdir(folder)) == {newest.name, "state1-20200101-000000.db"}

    def test_a_place_that_cannot_be_written_needs_a_person(self, state: Path) -> None:
        (state.parent / "backups").write_bytes(b"a file")
        with pytest.raises(NeedsPerson, match="backups"):
            back_up(state, keep=3)


class TestTimetable:
    @pytest.fixture
    async def here(self, tmp_path: Path):
        async with world(tmp_path) as made:
            yield made

    async def run(self, here: World, name: str) -> None:
        """Run a job as the scheduler would, now."""
        [job] = [job for job in make_scheduler(here.assembly).get_jobs() if job.id == name]
        result = job.func(*job.args)
        if result is not None:
            await result

    async def test_every_setting_of_the_schedule_has_its_job(self, here: World) -> None:
        names = {job.id for job in make_scheduler(here.assembly).get_jobs()}
        assert names == {
            "reconcile", "rescan", "prune", "check_database", "back_up", "purge_trash", "rehash",
            "verify",
        }  # fmt: skip

    async def test_jobs_only_give_hints(self, here: World) -> None:
        here.write("a.png")
        await self.run(here, "reconcile")
        await self.run(here, "rescan")
        assert sum(here.server.calls.values()) == 0

    async def test_a_rescan_trusts_no_remembered_listing(self, here: World) -> None:
        here.write("a.png")
        await here.look()
        await self.run(here, "rescan")
        with here.state.read() as connection:
            [board] = places.boards(connection, 1)
        assert board.listing_digest is None

    async def test_a_backup_that_fails_or_a_damaged_state_stops_nothing(
        self, here: World, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (here.base / "backups").write_bytes(b"a file")
        await self.run(here, "back_up")
        await self.run(here, "check_database")
        told = caplog.text + capsys.readouterr().out
        assert "no backup of the state file was made" in told
        assert "damaged" not in told

    async def test_old_runs_are_pruned(self, here: World) -> None:
        here.write("a.png")
        await here.look()
        here.clock.skip(40 * 86_400)
        await self.run(here, "prune")
        with here.state.read() as connection:
            assert runs.history(connection, None, 10) == []


class TestLongJobs:
    """A machine that is on for an hour a day makes its backups, too."""

    @pytest.fixture
    async def here(self, tmp_path: Path) -> AsyncIterator[World]:
        async with world(tmp_path) as made:
            yield made

    def due(self, here: World) -> dict[str, float]:
        """Return in how many seconds each job of a process that starts now is due."""
        jobs = make_scheduler(here.assembly).get_jobs()
        now = datetime.now(UTC)
        return {job.id: (job.next_run_time - now).total_seconds() for job in jobs}

    async def run(self, here: World, name: str) -> None:
        [job] = [job for job in make_scheduler(here.assembly).get_jobs() if job.id == name]
        await job.func(*job.args)

    async def test_what_was_never_done_or_is_overdue_comes_soon_after_the_start(
        self, here: World
    ) -> None:
        await self.run(here, "back_up")
        here.clock.skip(1.5 * DAY)
        due = self.due(here)
        for name in ("back_up", "rescan", "prune"):
            assert 0 < due[name] <= 60

    async def test_what_an_earlier_process_did_is_not_done_again_before_its_time(
        self, here: World
    ) -> None:
        for name in ("back_up", "rescan", "prune"):
            await self.run(here, name)
        here.clock.skip(DAY / 4)
        await here.restart()
        due = self.due(here)
        for name in ("back_up", "rescan", "prune"):
            assert due[name] == pytest.approx(DAY * 3 / 4, abs=30)

    async def test_what_the_start_does_anyway_counts_from_the_start(self, here: World) -> None:
        due = self.due(here)
        assert due["reconcile"] == pytest.approx(900, abs=30)
        assert due["check_database"] == pytest.approx(DAY, abs=30)

    async def test_a_backup_that_failed_is_still_overdue(self, here: World) -> None:
        (here.base / "backups").write_bytes(b"a file")
        await self.run(here, "back_up")
        assert self.due(here)["back_up"] <= 60

    async def test_what_was_done_in_the_future_is_overdue(self, here: World) -> None:
        here.clock.skip(100 * DAY)
        await self.run(here, "back_up")
        here.clock.skip(-100 * DAY)
        assert self.due(here)["back_up"] <= 60

    async def test_an_interval_shorter_than_the_wait_after_the_start_is_kept(
        self, here: World
    ) -> None:
        here.settings["schedule"] = {"backup_every": "20 s"}
        await here.restart()
        assert self.due(here)["back_up"] <= 20


@contextlib.asynccontextmanager
async def following(here: World) -> AsyncIterator[AsyncIOScheduler]:
    """Follow the clock with a timetable that starts nothing."""
    scheduler = make_scheduler(here.assembly)
    scheduler.start(paused=True)
    task = asyncio.create_task(follow_clock(scheduler, here.assembly))
    try:
        yield scheduler
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        scheduler.shutdown(wait=False)


async def comes_true(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0)


class TestFollowingTheClock:
    @pytest.fixture
    def clock(self) -> SteppingClock:
        return SteppingClock()

    @pytest.fixture
    async def here(self, tmp_path: Path, clock: SteppingClock) -> AsyncIterator[World]:
        async with world(tmp_path, clock=clock) as made:
            yield made

    async def test_jobs_are_planned_anew_once_the_clock_was_set_back(
        self, here: World, clock: SteppingClock
    ) -> None:
        async with following(here) as scheduler:
            await comes_true(lambda: clock.ahead > 100)
            for job in scheduler.get_jobs():
                # As a scheduler finds its jobs whose dates are from before the step.
                job.modify(next_run_time=datetime.now(UTC) + timedelta(days=3650))
            clock.off = -10 * YEAR
            soon = datetime.now(UTC) + timedelta(days=1, minutes=5)
            await comes_true(lambda: all(j.next_run_time < soon for j in scheduler.get_jobs()))

    async def test_a_transfer_does_not_wait_for_a_date_from_before_the_step(
        self, here: World, clock: SteppingClock
    ) -> None:
        here.server.faults.lost_uploads = 1
        here.write("a.png")
        clock.off = 10 * YEAR
        await here.look(patience=0.0)
        await here.restart()
        clock.off = 0.0

        def due() -> int:
            with here.state.read() as connection:
                return transfers.next_due_ms(connection, [here.assembly.mirrors[0].number]) or 0

        assert due() > clock.now_ns() // 1_000_000
        async with following(here):
            await comes_true(lambda: due() == 0)

    async def test_a_wait_that_was_meant_is_kept(self, here: World) -> None:
        here.server.faults.lost_uploads = 1
        here.write("a.png")
        await here.look(patience=0.0)
        with here.state.read() as connection:
            [before] = transfers.waiting(connection, [1])
        async with following(here):
            await comes_true(lambda: here.clock.ahead > 1000)
        with here.state.read() as connection:
            assert transfers.waiting(connection, [1]) == [before]

    async def test_a_state_that_cannot_be_written_is_tried_again(
        self, here: World, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
    ) -> None:
        work, failures = here.state.write, [NoRoom("the disk is full")]

        async def write(one: Callable[..., object]) -> object:
            if failures:
                raise failures.pop()
            return await work(one)

        here.state.write = write  # type: ignore[assignment, method-assign]
        async with following(here) as scheduler:
            await comes_true(lambda: not failures)
            for job in scheduler.get_jobs():
                job.modify(next_run_time=datetime.now(UTC) + timedelta(days=3650))
            soon = datetime.now(UTC) + timedelta(days=1, minutes=5)
            await comes_true(lambda: all(j.next_run_time < soon for j in scheduler.get_jobs()))
        assert "could not follow the clock yet" in caplog.text + capsys.readouterr().out
