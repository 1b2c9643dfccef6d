"""Downloads that wait: for a file that stands in their way, and for an item that never rests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from boardsync.engine import report
from boardsync.model import Action, ActionKind, Item
from boardsync.servers.memory.server import CAPABILITIES, MemoryServer
from boardsync.state import transfers
from engine.world import SkippingClock, World, picture, world
from state.state_kit import logged


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path) as made:
        made.server.add_board("board")
        yield made


def put(here: World, item_id: str, seed: int = 1) -> Item:
    """Put a picture on the board under an id, as kinds do whose ids are names."""
    board_id = here.board().board_id
    made = here.server.put(board_id, item_id, picture(seed), size=(24, 16))
    stored = here.server._stored.pop(made.item_id)
    stored.item = replace(stored.item, item_id=item_id)
    here.server._stored[item_id] = stored
    return stored.item


def told(here: World) -> dict[str, Any]:
    mirror: dict[str, Any] = report.status(here.assembly.settings, here.state)["mirrors"][0]
    return mirror


@pytest.mark.parametrize("blocking", ["outputs/a", "outputs"])
async def test_a_file_where_a_folder_is_needed_is_named_and_the_server_is_left_alone(
    here: World, blocking: str
) -> None:
    put(here, "a/b.png")
    here.write(blocking, b"notes of mine")

    with logged() as lines:
        result = await here.look(patience=600.0)

    assert (result.downloaded, result.left, result.failed) == (0, 1, 1)
    [error] = told(here)["errors"]
    assert f"{here.folder / blocking}: a file" in error["error"]
    assert "move or rename it" in error["error"]
    assert told(here)["condition"] == "failing"
    assert here.local() == {blocking: b"notes of mine"}
    assert here.server.calls["download"] == 0
    # Asked about once by the pass that found it, not by each of many attempts.
    assert error["attempts"] > 5
    assert here.server.calls["items"] == 1
    assert len([one for one in lines if one["event"] == "not done, will try again"]) == 1


async def test_it_goes_on_by_itself_once_the_file_is_out_of_the_way(here: World) -> None:
    put(here, "a/b.png")
    blocking = here.write("outputs/a", b"notes of mine")
    await here.look(patience=600.0)
    blocking.unlink()

    result = await here.look(patience=61.0)

    assert (result.downloaded, result.left, result.failed) == (1, 0, 0)
    assert here.local() == {"outputs/a/b.png": picture(1)}


async def test_other_pictures_of_the_board_come_all_the_same(here: World) -> None:
    put(here, "a/b.png", 1)
    put(here, "c/d.png", 2)
    here.write("outputs/a", b"notes of mine")

    result = await here.look(patience=5.0)

    assert (result.downloaded, result.left) == (1, 1)
    assert here.local() == {"outputs/a": b"notes of mine", "outputs/c/d.png": picture(2)}


@pytest.fixture
async def restless(tmp_path: Path) -> AsyncIterator[World]:
    """A mirror of a kind whose items change."""
    clock = SkippingClock()
    capabilities = replace(CAPABILITIES, mutable=True)
    server = MemoryServer("server", capabilities, lambda: clock.now_ns() // 1_000_000)
    async with world(tmp_path, server, clock, settle={"rewrite": "10 min"}) as made:
        made.server.add_board("board")
        yield made


async def test_an_item_that_is_rewritten_all_the_time_is_pulled_now_and_then(
    restless: World,
) -> None:
    item = put(restless, "a.png")
    assert (await restless.look()).downloaded == 1

    began = restless.clock.ahead
    downloaded = 0
    for seed in range(2, 42):
        restless.server.replace(item.item_id, picture(seed))
        result = await restless.look(patience=1.0)
        downloaded += result.downloaded
        assert result.failed == 0
    minutes = (restless.clock.ahead - began) / 60

    assert minutes > 60
    assert minutes / 10 - 2 <= downloaded <= minutes / 10 + 1
    assert restless.server.calls["download"] == 1 + downloaded


async def test_its_last_version_comes_in_the_end(restless: World) -> None:
    item = put(restless, "a.png")
    await restless.look()
    for seed in (2, 3):
        restless.server.replace(item.item_id, picture(seed))
        assert (await restless.look(patience=1.0)).left == 1
    assert told(restless)["condition"] == "working"
    assert told(restless)["errors"] == []

    restless.clock.skip(600)
    result = await restless.look()

    assert (result.left, result.failed) == (0, 0)
    assert restless.local() == {"outputs/a.png": picture(3)}
    assert trash_of(restless) == {"a.png": picture(1)}
    assert await restless.quiet()


def trash_of(world: World) -> dict[str, bytes]:
    """Return what lies in the local trash, by name."""
    root = world.base / ".boardsync-trash"
    return {path.name: path.read_bytes() for path in root.rglob("*") if path.is_file()}


async def test_a_version_that_came_since_it_was_planned_is_not_fetched_again(
    restless: World,
) -> None:
    item = put(restless, "a.png")
    await restless.look()
    late = Action(ActionKind.DOWNLOAD, "m", "planned while it came", item_id="a.png", version="1")
    await restless.state.write(lambda c: transfers.plan_transfers(c, 1, [(1, late)], 1, 1))

    assert (await restless.look()).left == 0
    assert restless.server.calls["download"] == 1
    assert set(restless.local()) == {f"outputs/{item.item_id}"}


async def test_another_item_does_not_wait_for_it(restless: World) -> None:
    item = put(restless, "a.png")
    await restless.look()
    restless.server.replace(item.item_id, picture(2))
    put(restless, "b.png", 3)

    assert (await restless.look(patience=1.0)).downloaded == 1
    assert set(restless.local().values()) == {picture(1), picture(3)}


async def test_a_pull_in_the_future_does_not_hold_back_the_next_one(restless: World) -> None:
    item = put(restless, "a.png")
    restless.clock.skip(86_400.0)
    await restless.look()
    restless.clock.skip(-86_400.0)
    restless.server.replace(item.item_id, picture(2))

    assert (await restless.look(patience=1.0)).downloaded == 1
