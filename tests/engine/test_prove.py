"""What a listing alone tells of is seen whole: a server may have been killed writing it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from boardsync.engine import prove
from boardsync.engine.lookup import GHOST_SECONDS
from boardsync.engine.report import status
from boardsync.errors import ServerUnreachable
from boardsync.servers.memory import NAMED
from boardsync.servers.memory.server import MemoryServer
from boardsync.state import summary
from engine.world import SkippingClock, World, picture, world


class Failing(MemoryServer):
    """Fails at some operations, once each."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.failures: dict[str, BaseException] = {}

    def _enter(self, operation: str) -> None:
        super()._enter(operation)
        if operation in self.failures:
            raise self.failures.pop(operation)


def unproven(here: World) -> int:
    mirror = here.assembly.mirrors[0]
    with mirror.state.read() as connection:
        return summary.tally(connection, mirror.number, mirror.layout).unproven


def condition(here: World) -> str:
    [told] = status(here.assembly.settings, here.state)["mirrors"]
    return str(told["condition"])


async def ghost_after_a_lost_state(here: World, others: int = 3) -> None:
    """Send some pictures, the last of which the server never finishes; then lose the state."""
    for seed in range(others):
        here.write(f"{seed}.png", seed=seed)
    await here.look()
    here.server.faults.ghosts = 1
    here.write("torn.png", seed=99)
    await here.look(patience=0.0)
    assert sum(not stored.whole for stored in here.server._stored.values()) == 1
    await here.restart(lose_state=True)


def wholes(here: World) -> list[bool]:
    return [here.server._stored[item.item_id].whole for item in here.items()]


async def test_what_the_server_never_finished_is_sent_again_although_the_state_was_lost(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as here:
        await ghost_after_a_lost_state(here)

        first = await here.look()
        assert (first.uploaded, unproven(here)) == (0, 1)
        here.clock.skip(GHOST_SECONDS)
        second = await here.look()

        assert (second.uploaded, second.trashed) == (1, 0)
        assert wholes(here) == [True] * 4
        assert sorted(here.contents()) == sorted(here.local().values())
        assert unproven(here) == 0
        assert await here.quiet()


async def test_until_it_is_known_the_mirror_does_not_say_synced(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        await ghost_after_a_lost_state(here)
        await here.look()
        assert condition(here) == "working"

        here.clock.skip(GHOST_SECONDS)
        await here.look()
        assert condition(here) == "synced"


async def test_what_becomes_whole_in_time_stays(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        await ghost_after_a_lost_state(here)
        await here.look()
        for stored in here.server._stored.values():
            stored.whole = True
        here.clock.skip(GHOST_SECONDS)

        result = await here.look()

        assert (result.uploaded, len(here.items()), unproven(here)) == (0, 4, 0)


async def test_items_that_were_sent_or_pulled_in_the_ordinary_way_are_not_asked_for(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as here:
        here.server.put(here.server.add_board("board").board_id, "theirs.png", picture(5))
        for seed in range(3):
            here.write(f"{seed}.png", seed=seed)
        for _ in range(3):
            await here.look()

        assert here.server.calls["complete"] == 0
        assert len(here.local()) == 4


async def test_many_are_looked_at_some_in_each_pass_the_newest_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prove, "AT_FIRST", 4)
    monkeypatch.setattr(prove, "AT_A_TIME", 4)
    async with world(tmp_path) as here:
        await ghost_after_a_lost_state(here, others=9)
        here.server.calls.clear()

        await here.look()
        assert (here.server.calls["complete"], unproven(here)) == (4, 7)
        for _ in range(3):
            await here.look()
        assert (unproven(here), wholes(here)) == (0, [True] * 10)
        assert here.server.calls["complete"] < 20


async def test_a_ghost_whose_file_is_gone_is_removed_as_well(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        await ghost_after_a_lost_state(here)
        (here.folder / "torn.png").unlink()
        await here.look()
        here.clock.skip(GHOST_SECONDS)

        result = await here.look()

        assert (result.uploaded, wholes(here)) == (0, [True] * 3)


async def test_a_server_that_does_not_answer_is_asked_again_later(tmp_path: Path) -> None:
    server = Failing("server")
    async with world(tmp_path, server) as here:
        await ghost_after_a_lost_state(here)
        server.failures["complete"] = ServerUnreachable("gone")
        await here.look()
        assert unproven(here) == 4

        here.clock.skip(GHOST_SECONDS)
        await here.look()
        await here.look()
        assert (unproven(here), wholes(here)) == (0, [True] * 4)


async def test_killed_between_parting_and_deleting_it_is_looked_at_again(tmp_path: Path) -> None:
    server = Failing("server")
    async with world(tmp_path, server) as here:
        await ghost_after_a_lost_state(here)
        await here.look()
        server.failures["delete_ghost"] = asyncio.CancelledError()
        with pytest.raises(asyncio.CancelledError):
            await here.look()
        await here.restart()

        result = await here.look()
        assert (result.uploaded, result.left) == (1, 0)

        assert wholes(here) == [True] * 4
        assert await here.quiet()


async def test_a_ghost_that_cannot_be_deleted_now_holds_up_uploads_and_goes_later(
    tmp_path: Path,
) -> None:
    server = Failing("server")
    async with world(tmp_path, server) as here:
        await ghost_after_a_lost_state(here)
        await here.look()
        server.failures["delete_ghost"] = ServerUnreachable("gone")
        for _ in range(3):
            await here.look()

        assert (wholes(here), unproven(here)) == ([True] * 4, 0)
        assert sorted(here.contents()) == sorted(here.local().values())


async def test_what_is_not_proven_stays_so_when_its_file_is_renamed(tmp_path: Path) -> None:
    clock = SkippingClock()
    server = MemoryServer("server", NAMED, clock_ms=lambda: clock.now_ns() // 1_000_000)
    async with world(tmp_path, server, clock) as here:
        await ghost_after_a_lost_state(here)
        await here.look(patience=0.0)
        assert unproven(here) == 1
        (here.folder / "torn.png").rename(here.folder / "renamed.png")

        await here.look(patience=GHOST_SECONDS)
        await here.look(patience=GHOST_SECONDS)

        assert unproven(here) == 0
        assert {item.item_id for item in here.items()} >= {"renamed.png"}
        assert all(stored.whole for stored in here.server._stored.values())
