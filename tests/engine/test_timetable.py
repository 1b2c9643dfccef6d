"""What happens by the clock: backups are kept and thinned, and no failure of one is silent."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from boardsync.engine.schedule import back_up, make_scheduler
from boardsync.errors import NeedsPerson
from boardsync.state import places, runs
from boardsync.state.copies import check_integrity
from boardsync.state.database import open_state
from engine.world import World, world


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
        assert names == {"reconcile", "rescan", "prune", "check_database", "back_up"}

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
