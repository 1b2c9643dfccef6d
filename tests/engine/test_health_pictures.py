"""What health finds of single pictures: transfers that fail or idle, files that never go."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import Connection

from boardsync.engine.causes import Kind, Level
from boardsync.engine.clock import now_ms
from boardsync.engine.health import Health
from boardsync.errors import ServerUnreachable
from boardsync.files.snapshot import NOT_ALLOWED
from boardsync.state import alarms, observations, transfers
from engine.health_kit import DAY, STUCK, kinds, only, planned
from engine.world import World, world


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path, policies={"file_deleted": "trash"}) as made:
        yield made


@pytest.fixture
def health(here: World) -> Health:
    return Health(here.assembly)


class TestTransfers:
    async def test_one_that_fails_again_and_again_is_stuck(
        self, here: World, health: Health
    ) -> None:
        here.server.faults.lost_uploads = 99
        here.write("a.png")
        await here.look(patience=0.0)
        cause = only(health.look())
        assert (cause.kind, cause.stuck) == (Kind.FAILING, False)
        here.clock.skip(STUCK)
        assert only(health.look()).stuck
        here.server.faults.lost_uploads = 0
        await here.look()
        assert health.look() == []

    async def test_many_that_go_one_after_the_other_are_not_stuck(
        self, here: World, health: Health
    ) -> None:
        await planned(here, "slow but sure", count=20)
        for number in range(1, 20):
            assert health.look() == []
            here.clock.skip(STUCK - 1)
            assert health.look() == []
            await here.state.write(partial(transfers.finish, number=number))

    async def test_those_that_nobody_carries_out_are_stuck(
        self, here: World, health: Health
    ) -> None:
        await planned(here, "forgotten", count=3)
        assert health.look() == []
        here.clock.skip(STUCK)
        cause = only(health.look())
        assert (cause.key, cause.stuck) == ("idle:m", True)

    async def test_those_to_a_board_that_is_still_being_read_are_not_stuck(
        self, here: World, health: Health
    ) -> None:
        await planned(here, "as soon as the board was read")
        here.assembly.mirrors[0].seen_boards.clear()
        health.look()
        here.clock.skip(DAY)
        assert health.look() == []

    async def test_one_that_is_under_way_for_long_is_not_stuck(
        self, here: World, health: Health
    ) -> None:
        await planned(here, "a large one")
        carrier = here.assembly.carriers["server"]
        with here.state.read() as connection:
            [one] = transfers.waiting(connection, [here.assembly.mirrors[0].number])
        carrier._under_way[one.id] = one
        health.look()
        here.clock.skip(DAY)
        assert health.look() == []

    async def test_those_whose_turn_comes_after_many_others_are_not_stuck(
        self, here: World, health: Health
    ) -> None:
        await planned(here, "later", count=2)
        carrier = here.assembly.carriers["server"]
        with here.state.read() as connection:
            another, _ = transfers.waiting(connection, [here.assembly.mirrors[0].number])
        for number in range(100, 110):
            carrier._under_way = {number: replace(another, id=number, mirror=99)}
            assert health.look() == []
            here.clock.skip(STUCK - 1)
        carrier._under_way = {}
        health.look()
        here.clock.skip(STUCK)
        assert only(health.look()).kind is Kind.IDLE

    async def test_time_with_the_server_away_does_not_count_afterwards(
        self, here: World, health: Health
    ) -> None:
        await planned(here, "as soon as it is back")
        gate = here.assembly.gates["server"]
        health.look()
        gate.failed(ServerUnreachable("away"))
        here.clock.skip(DAY)
        health.look()
        gate.worked()
        assert health.look() == []


class TestFiles:
    async def grows(self, here: World, health: Health, hours: int, seconds: float = 900) -> None:
        """Let one file be written to without end, and another one that settles."""
        for step in range(int(hours * 3600 / seconds)):
            here.write("growing.png", b"x" * (step + 1))
            mirror = here.assembly.mirrors[0]
            stat = os.stat(here.folder / "growing.png")
            found = observations.FileStat(
                step + 1, now_ms(here.clock) * 10**6, now_ms(here.clock) * 10**6, stat.st_ino
            )
            await here.state.write(
                lambda c, found=found, mirror=mirror: observations.see_files(
                    c, mirror.number, [(b"growing.png", found)], here.clock.now_ns()
                )
            )
            health.look()
            await health.count_and_keep()
            here.clock.skip(seconds)

    async def test_one_that_grows_for_a_day_is_stuck_and_in_time(
        self, here: World, health: Health
    ) -> None:
        await self.grows(here, health, hours=23)
        assert health.look() == []
        await self.grows(here, health, hours=2)
        cause = only(health.look())
        assert (cause.key, cause.stuck) == ("changing:m", True)
        assert "growing.png never stopped changing" in cause.words

        number = here.assembly.mirrors[0].number
        await here.state.write(lambda c: observations.forget_files(c, number, [b"growing.png"]))
        assert health.look() == []

    async def test_its_day_goes_on_over_restarts(self, here: World, health: Health) -> None:
        await self.grows(here, health, hours=13)
        await here.restart()
        second = Health(here.assembly)
        second.remember()
        await self.grows(here, second, hours=10)
        assert second.look() == []
        await here.restart()
        third = Health(here.assembly)
        third.remember()
        await self.grows(here, third, hours=2)
        assert only(third.look()).stuck

    async def test_what_has_settled_is_not_remembered_for_ever(
        self, here: World, health: Health
    ) -> None:
        await self.grows(here, health, hours=5)
        with here.state.read() as connection:
            [kept] = alarms.kept(connection)
        assert (kept.cause, kept.words, kept.told_ms) == ("file:m:growing.png", "growing.png", None)
        number = here.assembly.mirrors[0].number
        await here.state.write(lambda c: observations.forget_files(c, number, [b"growing.png"]))
        health.look()
        await health.count_and_keep()
        with here.state.read() as connection:
            assert alarms.kept(connection) == []

    async def test_a_million_files_that_wait_are_followed_a_window_at_a_time(
        self, here: World, health: Health
    ) -> None:
        number, count = here.assembly.mirrors[0].number, 2500
        found = [(b"%06d.png" % n, observations.FileStat(1, 1, 1, n)) for n in range(count)]
        see = partial(
            observations.see_files, mirror=number, found=found, now_ns=here.clock.now_ns()
        )
        await here.state.write(see)
        for _ in range(3):
            assert health.look() == []
            here.clock.skip(10)
        here.clock.skip(DAY)
        assert "and 2499 more" in only(health.look()).words

        settled = [path for path, _ in found if path != b"001500.png"]
        await here.state.write(lambda c: observations.forget_files(c, number, settled))
        for _ in range(3):
            causes = health.look()
        assert only(causes).words.startswith("m: 001500.png never stopped")

    async def test_one_that_may_not_be_read_is_stuck_after_a_day(
        self, here: World, health: Health
    ) -> None:
        number = here.assembly.mirrors[0].number

        def write(c: Connection) -> None:
            stat = observations.FileStat(1, 1, 1, 1)
            observations.see_files(c, number, [(b"a.png", stat), (b"b.png", stat)], 1)
            now = here.clock.now_ns()
            observations.refuse_file(c, number, b"a.png", NOT_ALLOWED, now)
            observations.refuse_file(c, number, b"b.png", "no picture", now)

        await here.state.write(write)
        await health.count_and_keep()
        cause = only(health.look())
        assert (cause.key, cause.stuck) == ("unreadable:m", False)
        here.clock.skip(DAY)
        causes = health.look()
        assert only(causes).stuck
        assert only(causes).words == "m: a.png may not be read"
        [refused] = [one for one in causes if one.kind is Kind.REFUSED]
        assert (refused.level, refused.stuck) == (Level.INFORMATION, False)
        assert refused.words == "m: 2 pictures refused; see `boardsync status`"

    async def test_refused_pictures_are_counted_anew_after_each_walk(
        self, here: World, health: Health
    ) -> None:
        here.write("a.png", b"no picture")
        await here.look()
        await health.count_and_keep()
        assert kinds(health.look()) == {Kind.REFUSED}
        here.write("a.png")
        await here.look()
        await health.count_and_keep()
        assert health.look() == []
