"""New limits, patience and channels in a running daemon: they count at once, or not at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from boardsync.config.model import Settings
from boardsync.engine.changes import Change
from boardsync.errors import SettingsError
from engine.test_reload import Running, until


@pytest.fixture
def here(tmp_path: Path) -> Running:
    return Running(tmp_path)


ALWAYS = ["00:00-24:00"]


class TestLimits:
    async def test_quiet_hours_begin_and_end_with_a_reload(self, here: Running) -> None:
        async with here.running() as service:
            worker = service.assembly.workers["a"]
            here.values["limits"] = {"quiet": ALWAYS}
            told = await service.reload()
            assert (told.sections, told.changed) == (["limits"], [])
            here.put("a", "waits.png", 1)
            await until(lambda: _planned(here) == 1)
            assert here.on_board("a", "one") == set()
            assert worker.mirror.brake.words() == "quiet at all times: see `quiet` in the settings"

            here.values["limits"] = {}
            await service.reload()
            await until(lambda: here.on_board("a", "one") == {"waits.png"})
            assert service.assembly.workers["a"] is worker

    async def test_fewer_at_once_drop_nothing_and_more_let_those_go_that_wait(
        self, here: Running
    ) -> None:
        slots_of = {"limits": {"transfers_at_once": 1}}
        async with here.running() as service:
            slots = service.assembly.shared.at_once
            async with slots, slots:
                here.values |= slots_of
                await service.reload()
                here.put("a", "waits.png", 1)
                await until(lambda: len(slots._waiting) == 1)
                assert (slots.held, here.on_board("a", "one")) == (2, set())
                here.values["limits"] = {"transfers_at_once": 3}
                await service.reload()
                await until(lambda: here.on_board("a", "one") == {"waits.png"})

    async def test_a_rate_that_rises_lets_go_what_waits_for_the_old_one(
        self, here: Running
    ) -> None:
        here.values["limits"] = {"bandwidth_up": "1 B/s"}
        async with here.running() as service:
            here.put("a", "first.png", 1)
            await until(lambda: here.on_board("a", "one") == {"first.png"})
            here.put("a", "second.png", 2)
            carrier = service.assembly.carriers["one"]
            await until(lambda: len(carrier.under_way) == 1)
            here.values["limits"] = {"bandwidth_up": "100 MB/s"}
            await service.reload()
            # At the old rate it would wait for many minutes, and look again after one.
            await until(lambda: here.on_board("a", "one") == {"first.png", "second.png"})

    async def test_the_zone_and_the_floor_are_those_of_now(self, here: Running) -> None:
        here.values["limits"] = {"free_disk": None}
        async with here.running() as service:
            brake = service.assembly.workers["a"].mirror.brake
            brake.note_room("the disk is full")
            here.values["limits"] = {"timezone": "Asia/Tokyo", "free_disk": "3 MB"}
            await service.reload()
            assert brake.floor is not None
            assert brake.floor.amount == 3_000_000
            assert str(brake.wall.zone) == str(service.assembly.wall().zone) == "Asia/Tokyo"
            assert not brake.stops_downloads()


class TestHealth:
    async def test_what_is_stuck_clears_with_more_patience_and_comes_with_less(
        self, here: Running
    ) -> None:
        here.values["health"] = {"stuck_after": "1 s"}
        async with here.running() as service:
            (here.base / "folder-a").rename(here.base / "elsewhere")
            service.assembly.workers["a"].hint_everything("test")
            await until(lambda: bool(service.health.look()) and bool(service.health.stuck))
            here.values["health"] = {"stuck_after": "1 h"}
            assert (await service.reload()).sections == ["health"]
            assert [one.stuck for one in service.health.look()] == [False]
            here.values["health"] = {"stuck_after": "1 s"}
            await service.reload()
            assert [one.stuck for one in service.health.look()] == [True]


class TestAllOrNothing:
    async def test_a_part_that_cannot_follow_leaves_all_as_it_was(self, here: Running) -> None:
        seen: list[str] = []

        async def follows(_: Settings) -> Change:
            return Change("http", lambda: seen.append("made"), lambda: seen.append("dropped"))

        async def cannot(_: Settings) -> Change:
            raise SettingsError("the port is taken")

        async with here.running() as service:
            settings, worker = service.assembly.settings, service.assembly.workers["a"]
            service.followers += [follows, cannot]
            here.values["limits"] = {"quiet": ALWAYS}
            here.values["alarms"] = {"channels": [{"command": ["/bin/true"]}]}
            here.values["mirrors"][0]["ignore"] = ["*.gif"]
            here.values["mirrors"].append(here.mirror("b", "two"))
            with pytest.raises(SettingsError, match="the port is taken"):
                await service.reload()
            assert service.assembly.settings is settings
            assert service.assembly.workers == {"a": worker}
            assert await service.alarms.test() == []
            assert (seen, here.applied) == (["dropped"], [])

            service.followers.pop()
            told = await service.reload()
            assert told.sections == ["alarms", "http", "limits"]
            assert (told.changed, told.begun, seen) == (["a"], ["b"], ["dropped", "made"])

    async def test_a_mirror_that_is_refused_changes_no_limit_and_no_channel(
        self, here: Running
    ) -> None:
        async with here.running() as service:
            settings = service.assembly.settings
            here.values["limits"] = {"quiet": ALWAYS}
            here.values["servers"]["far"] = {
                "kind": "invokeai", "url": "http://127.0.0.1:9", "email": "me@example.org",
                "password": {"file": str(here.base / "missing")},
            }  # fmt: skip
            with pytest.raises(SettingsError, match="missing"):
                await service.reload()
            assert service.assembly.settings is settings
            assert not service.assembly.workers["a"].mirror.brake.is_quiet()

    async def test_a_secret_of_a_channel_that_is_missing_refuses_the_whole(
        self, here: Running
    ) -> None:
        async with here.running() as service:
            here.values["limits"] = {"quiet": ALWAYS}
            here.values["alarms"] = {"channels": [
                {"ntfy": "https://127.0.0.1:9/t", "token": {"file": str(here.base / "no")}}
            ]}  # fmt: skip
            with pytest.raises(SettingsError, match="cannot be read"):
                await service.reload()
            assert service.assembly.settings.limits.quiet == []

    async def test_what_is_not_in_force_is_told_in_the_answer_and_in_the_log(
        self, here: Running, capsys: pytest.CaptureFixture[str]
    ) -> None:
        async def follows(_: Settings) -> Change:
            return Change("process", lambda: ["process.nice stays at 15"])

        async with here.running() as service:
            service.followers.append(follows)
            here.values["limits"] = {"quiet": ALWAYS}
            told = await service.reload()
            assert told.remarks == ["process.nice stays at 15"]
            assert told.sections == ["limits", "process"]
            assert service.assembly.workers["a"].mirror.brake.is_quiet()
        assert "process.nice stays at 15" in capsys.readouterr().out


class TestChannels:
    async def test_one_that_is_added_works_and_one_that_is_removed_does_not(
        self, here: Running
    ) -> None:
        heard = here.base / "heard"
        async with here.running() as service:
            here.values["alarms"] = {"channels": [_noting(heard)]}
            assert (await service.reload()).sections == ["alarms"]
            assert [one.arrived for one in await service.alarms.test()] == [True]
            assert json.loads(heard.read_text())["event"] == "test"
            del here.values["alarms"]
            assert (await service.reload()).sections == ["alarms"]
            assert await service.alarms.test() == []

    async def test_a_secret_that_changed_in_its_file_is_read_again(self, here: Running) -> None:
        secret = here.base / "topic"
        secret.write_text("https://127.0.0.1:9/one")
        here.values["alarms"] = {"channels": [{"webhook_from": {"file": str(secret)}}]}
        async with here.running() as service:
            assert (await service.reload()).sections == []
            secret.write_text("https://127.0.0.2:9/two")
            assert (await service.reload()).sections == ["alarms"]
            assert [one.channel for one in await service.alarms.test()] == ["webhook at 127.0.0.2"]


def _noting(file: Path) -> dict[str, Any]:
    return {"command": ["/bin/sh", "-c", f"cat >> {file}"]}


def _planned(here: Running) -> int:
    from boardsync.state import places, transfers

    with here.service.assembly.state.read() as connection:
        number = places.find_mirror(connection, "a")
        return 0 if number is None else transfers.count(connection, [number])
