"""How the daemon is: what is wrong, since when, and when it counts as stuck."""

from __future__ import annotations

import asyncio
import os
import shutil
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from boardsync.engine.causes import Cause, Kind, Level
from boardsync.engine.clock import now_ms
from boardsync.engine.health import FORGET_SECONDS, Health, Running
from boardsync.engine.service import carrying
from boardsync.engine.steering import pause
from boardsync.engine.watching import Watching
from boardsync.errors import NotAuthorised, ServerUnreachable
from boardsync.files.snapshot import NOT_ALLOWED
from boardsync.model import Action, ActionKind
from boardsync.state import alarms, observations, pauses, places, transfers
from engine.world import SteppingClock, World, world

STUCK = 300.0
DAY = 86_400.0


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path, policies={"file_deleted": "trash"}) as made:
        yield made


@pytest.fixture
def health(here: World) -> Health:
    return Health(here.assembly)


def only(causes: list[Cause]) -> Cause:
    """Return the only cause that is more than information."""
    [cause] = [one for one in causes if one.level > Level.INFORMATION]
    return cause


def kinds(causes: list[Cause]) -> set[Kind]:
    return {one.kind for one in causes}


class TestServer:
    async def test_one_that_is_away_is_stuck_after_a_while(
        self, here: World, health: Health
    ) -> None:
        here.server.faults.unreachable = True
        await here.look(patience=0.0)
        cause = only(health.look())
        assert (cause.key, cause.stuck, cause.alarming) == ("server:server", False, False)
        assert cause.words.startswith("m waits: server server: connection refused")

        here.clock.skip(STUCK)
        later = only(health.look())
        assert (later.key, later.stuck, later.alarming) == ("server:server", True, True)
        assert later.since_ms == cause.since_ms

        here.server.faults.unreachable = False
        await here.look()
        assert health.look() == []

    async def test_failures_whose_words_differ_each_time_are_one_that_lasts(
        self, here: World, health: Health
    ) -> None:
        await here.look()
        for number in range(20):
            here.server.faults.errors = [ServerUnreachable(f"no. {number}")] * 9
            await here.look(patience=0.0)
            cause = only(health.look())
        assert (cause.key, cause.stuck) == ("server:server", True)

    async def test_one_that_answers_now_and_then_begins_anew_each_time(
        self, here: World, health: Health
    ) -> None:
        """As one does that limits how often it may be asked: pictures get through."""
        gate = here.assembly.gates["server"]
        for _ in range(20):
            gate.failed(NotAuthorised("not now"))
            here.clock.skip(FORGET_SECONDS)
            assert not only(health.look()).stuck
            gate.worked()
            assert health.look() == []

    async def test_one_that_lists_and_takes_nothing_is_told_by_what_it_does_not_take(
        self, here: World, health: Health
    ) -> None:
        await planned(here, "uploading in vain")
        number, gate = here.assembly.mirrors[0].number, here.assembly.gates["server"]
        await here.state.write(partial(failed, mirror=number, error_class="NotAuthorised"))
        here.clock.skip(STUCK)
        gate.failed(NotAuthorised("no upload"))
        while_closed = health.look()
        gate.worked()
        while_open = health.look()
        for causes in (while_closed, while_open):
            assert [one.kind for one in causes if one.stuck] == [Kind.FAILING]

    async def test_how_long_it_lasts_counts_over_a_restart(self, here: World) -> None:
        began = now_ms(here.clock)
        await here.state.write(
            partial(
                alarms.keep,
                records=[alarms.AlarmRecord("server:server", "away", began, began)],
            )
        )
        here.clock.skip(STUCK)
        await here.restart()
        health = Health(here.assembly)
        health.remember()
        here.server.faults.unreachable = True
        await here.look(patience=0.0)
        cause = only(health.look())
        assert (cause.since_ms, cause.stuck) == (began, True)

    async def test_transfers_that_fail_because_of_it_are_not_told_beside_it(
        self, here: World, health: Health
    ) -> None:
        here.server.faults.errors = [ServerUnreachable("gone")] * 99
        await here.look(patience=0.0)
        await planned(here, "uploading to nobody")
        number = here.assembly.mirrors[0].number
        await here.state.write(partial(failed, mirror=number, error_class="ServerUnreachable"))
        assert only(health.look()).kind is Kind.SERVER
        await here.state.write(partial(failed, mirror=number, error_class="PictureRefused"))
        assert kinds(health.look()) == {Kind.SERVER, Kind.FAILING}


def failed(connection: Connection, mirror: int, error_class: str) -> None:
    """Let all transfers of a mirror have failed."""
    for one in transfers.waiting(connection, [mirror]):
        transfers.change(
            connection, one.id, 0, error="it failed", error_class=error_class,
            not_before_ms=2**50, first_sent_ms=one.created_ms,
        )  # fmt: skip


async def planned(here: World, reason: str, count: int = 1) -> None:
    """Plan uploads that nobody carries out."""
    mirror = here.assembly.mirrors[0]

    def write(c: Connection) -> None:
        board = places.bind_board(c, mirror.number, b"", "b", "board")
        actions = [
            (board.id, Action(ActionKind.UPLOAD, mirror.key, reason, path=b"%d" % n,
                              digest="aa" * 32, token=f"t{n}"))
            for n in range(count)
        ]  # fmt: skip
        transfers.plan_transfers(c, mirror.number, actions, now_ms(here.clock), 1)
        mirror.seen_boards.add(board.id)

    await here.state.write(write)


class TestMirror:
    async def test_a_folder_that_is_away_is_stuck_after_a_while(
        self, here: World, health: Health
    ) -> None:
        here.write("a.png")
        await here.look()
        away = here.folder.rename(here.base / "away")
        await here.look()
        cause = only(health.look())
        assert (cause.key, cause.stuck) == ("waiting:m", False)
        here.clock.skip(STUCK)
        assert only(health.look()).stuck
        away.rename(here.folder)
        await here.look()
        assert health.look() == []

    async def test_a_folder_and_its_server_that_are_away_are_two_things(
        self, here: World, health: Health
    ) -> None:
        here.server.faults.unreachable = True
        shutil.rmtree(here.folder)
        await here.look(patience=0.0)
        assert kinds(health.look()) == {Kind.SERVER, Kind.WAITING}

    async def test_what_an_earlier_process_waited_for_is_not_stuck_before_it_was_looked_at(
        self, here: World
    ) -> None:
        here.folder.rename(here.base / "away")
        await here.look()
        here.clock.skip(DAY)
        await here.restart()
        health = Health(here.assembly)
        health.remember()
        cause = only(health.look())
        assert (cause.kind, cause.stuck, health.looked) == (Kind.WAITING, False, False)
        await here.look()
        assert only(health.look()).stuck
        assert health.looked

    async def test_what_a_long_pass_has_found_healed_is_not_told_until_its_end(
        self, here: World, health: Health
    ) -> None:
        await here.look()
        number, began = here.assembly.mirrors[0].number, now_ms(here.clock)
        await here.state.write(lambda c: places.note_trouble(c, number, "it was away", began))
        here.clock.skip(DAY)
        assert health.look() == []

    async def test_removals_that_wait_for_consent_are_told_at_once_and_are_healthy(
        self, here: World, health: Health
    ) -> None:
        for seed in range(12):
            here.write(f"{seed}.png", seed=seed)
        await here.look()
        for path in here.folder.iterdir():
            path.unlink()
        await here.look()
        here.clock.skip(DAY)
        cause = only(health.look())
        assert (cause.key, cause.stuck, cause.alarming) == ("held:m", False, True)
        assert cause.words == "m: 12 removals wait for consent, see `boardsync holds`"

    @pytest.mark.parametrize("paused", [{}, {"server": "server"}, {"mirrors": ["m"]}])
    async def test_what_is_paused_waits_on_purpose(
        self, here: World, health: Health, paused: dict[str, Any]
    ) -> None:
        here.server.faults.unreachable = True
        here.folder.rename(here.base / "away")
        await here.look(patience=0.0)
        here.clock.skip(DAY)
        await pause(here.assembly, **paused, seconds=60)
        assert health.look() == []
        here.clock.skip(61)
        assert kinds(health.look()) == {Kind.SERVER, Kind.WAITING}

    async def test_a_pause_of_a_mirror_hides_nothing_of_another_that_is_called_like_its_id(
        self, tmp_path: Path
    ) -> None:
        async with world(tmp_path, name="called", id="known") as here:
            health = Health(here.assembly)
            here.folder.rename(here.base / "away")
            await here.look(patience=0.0)
            # As it is left by a mirror that was of this id, and is not in the settings now.
            await here.state.write(lambda c: pauses.begin(c, pauses.MIRROR, "called", 1, None))
            here.assembly.pauses.read()

            assert here.assembly.mirrors[0].brake.pause() is None
            assert kinds(health.look()) == {Kind.WAITING}


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


class running:  # noqa: N801 (used as a function)
    """Run something in the background of a block."""

    def __init__(self, work: Awaitable[None]) -> None:
        self.task = asyncio.ensure_future(work)

    async def __aenter__(self) -> None:
        return None

    async def __aexit__(self, *_: object) -> None:
        self.task.cancel()
        await asyncio.wait({self.task})


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


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

    async def test_one_that_cannot_be_read_is_told_and_stuck_if_it_lasts(
        self, here: World, health: Health
    ) -> None:
        here.state.path.rename(here.base / "elsewhere")
        here.state._reader.dispose()
        cause = only(health.look())
        assert (cause.kind, cause.stuck) == (Kind.STATE, False)
        here.clock.skip(STUCK)
        assert only(health.look()).stuck
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
