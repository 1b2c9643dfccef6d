"""How servers and mirrors are: what is wrong, since when, and when it counts as stuck."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from boardsync.engine.causes import Kind
from boardsync.engine.clock import now_ms
from boardsync.engine.health import FORGET_SECONDS, Health
from boardsync.engine.steering import pause
from boardsync.errors import NotAuthorised, ServerUnreachable
from boardsync.state import alarms, pauses, places
from engine.health_kit import DAY, STUCK, failed, kinds, only, planned
from engine.world import World, world


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path, policies={"file_deleted": "trash"}) as made:
        yield made


@pytest.fixture
def health(here: World) -> Health:
    return Health(here.assembly)


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
