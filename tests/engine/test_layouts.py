"""Boards by subfolder, two daemons on one board, and old plans that come true late."""

from __future__ import annotations

from pathlib import Path

import pytest

from boardsync.model import Direction
from engine.world import SkippingClock, World, picture, world

EVERYTHING = {"marked": True, "categories": ["general", "user"]}


@pytest.fixture
async def sorted_here(tmp_path: Path):
    async with world(tmp_path, boards="by-subfolder", default_board="Rest") as made:
        yield made


async def test_each_subfolder_has_its_board_and_the_root_has_the_default_one(
    sorted_here: World,
) -> None:
    here = sorted_here
    here.write("cats/a.png", seed=1)
    here.write("cats/deep/b.png", seed=2)
    here.write("dogs/c.png", seed=3)
    here.write("d.png", seed=4)

    result = await here.look()

    assert (result.uploaded, result.synced) == (4, 4)
    assert here.contents("cats") == sorted([picture(1), picture(2)])
    assert here.contents("dogs") == [picture(3)]
    assert here.contents("Rest") == [picture(4)]
    assert await here.quiet()


async def test_outputs_of_a_subfolders_board_land_below_that_subfolder(sorted_here: World) -> None:
    here = sorted_here
    here.write("cats/a.png", seed=1)
    await here.look()
    item = here.server.put(here.board("cats").board_id, "x.png", picture(9), size=(24, 16))

    result = await here.look()

    assert result.downloaded == 1
    assert here.local()[f"cats/outputs/{item.item_id}.png"] == picture(9)
    assert await here.quiet()


async def test_one_picture_in_two_subfolders_is_one_item_on_each_board(sorted_here: World) -> None:
    here = sorted_here
    here.write("cats/a.png", seed=1)
    here.write("dogs/a.png", seed=1)

    result = await here.look()

    assert (len(here.items("cats")), len(here.items("dogs"))) == (1, 1)
    assert result.synced == 2
    assert await here.quiet()


async def test_a_subfolder_named_like_the_pull_directory_makes_no_board(sorted_here: World) -> None:
    here = sorted_here
    here.write("outputs/a.png", seed=1)

    result = await here.look()

    assert result.uploaded == 0
    assert all(board.name != "outputs" for board in here.server._boards.values())


async def test_an_empty_subfolder_makes_no_board_until_it_holds_a_picture(
    sorted_here: World,
) -> None:
    here = sorted_here
    (here.folder / "New Folder").mkdir()
    result = await here.look()
    assert (result.good, here.server.calls["create_board"]) == (True, 0)

    (here.folder / "New Folder").rename(here.folder / "cats")
    here.write("cats/a.png")
    await here.look()

    assert len(here.items("cats")) == 1
    assert here.server.calls["create_board"] == 1


async def test_two_daemons_on_one_board_make_no_echo(tmp_path: Path) -> None:
    clock = SkippingClock()
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    async with (
        world(tmp_path / "one", clock=clock, id="one", pull=EVERYTHING) as one,
        world(tmp_path / "two", one.server, clock, id="two") as two,
    ):
        one.write("a.png", seed=1)
        two.write("b.png", seed=2)
        item = None
        for _ in range(2):
            await one.look()
            await two.look()
            item = item or one.server.put(one.board().board_id, "x.png", picture(3), size=(24, 16))

        assert await one.quiet()
        assert await two.quiet()
        assert len(one.items()) == 3
        assert f"outputs/{item.item_id}.png" in one.local()
        assert f"outputs/{item.item_id}.png" in two.local()


async def test_a_transfer_of_an_old_state_that_was_done_since_is_not_done_again(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as here:
        here.write("a.png")
        here.server.faults.unreachable = True
        await here.look(patience=0.0)
        here.server.faults.unreachable = False
        here.server.add_board("board")
        worker = here.assembly.workers["m"]
        from boardsync.engine.passes import Look

        here.clock.skip(120.0)
        await worker.pass_now(Look.everywhere("test"))
        await here.close()
        planned = (tmp_path / "state.db").read_bytes()
        await here.open()
        await here.look()
        assert len(here.items()) == 1

        await here.close()
        for path in tmp_path.glob("state.db*"):
            path.unlink()
        (tmp_path / "state.db").write_bytes(planned)
        await here.open()
        result = await here.look()

        assert len(here.items()) == 1
        assert result.synced == 1
        assert here.server.calls["upload"] == 1


@pytest.mark.parametrize(
    ("direction", "up", "down"),
    [(Direction.PUSH, 1, 0), (Direction.PULL, 0, 1), (Direction.BOTH, 1, 1)],
)
async def test_the_direction_says_what_travels(
    tmp_path: Path, direction: Direction, up: int, down: int
) -> None:
    async with world(tmp_path, direction=direction.value) as here:
        board = here.server.add_board("board")
        here.server.put(board.board_id, "x.png", picture(5), size=(24, 16))
        here.write("a.png")

        result = await here.look()

        assert (result.uploaded, result.downloaded) == (up, down)


async def test_what_was_refused_is_tried_again_when_somebody_asks(tmp_path: Path) -> None:
    from boardsync.engine.again import again

    async with world(tmp_path) as here:
        here.server.faults.refuses = lambda _: "too pretty"
        here.write("a.png")
        first = await here.look()
        here.server.faults.refuses = lambda _: None
        assert (await here.look()).uploaded == 0

        assert await again(here.assembly.mirrors[0], "a.png")
        result = await here.look()

        assert (first.refused, result.uploaded) == (1, 1)


async def test_uploads_begin_before_a_large_folder_is_hashed_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from boardsync.engine import observe_files

    monkeypatch.setattr(observe_files, "FIRST", observe_files.Pace(0.0, 1, 1))
    monkeypatch.setattr(observe_files, "LATER", observe_files.Pace(0.0, 5, 1 << 20))
    async with world(tmp_path) as here:
        for seed in range(23):
            here.write(f"p{seed:02}.png", seed=seed)
        result = await here.look()
        assert (result.uploaded, result.synced) == (23, 23)
        with here.state.read() as connection:
            from boardsync.state import runs

            assert len(runs.history(connection, None, 10)) == 1


async def test_another_board_in_the_settings_gets_the_pictures_and_the_old_one_keeps_its_own(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as here:
        here.write("a.png")
        await here.look()
        await here.close()
        here.settings["mirrors"][0]["board"] = "other"
        await here.open()

        result = await here.look()

        assert (result.uploaded, result.synced) == (1, 1)
        assert (len(here.items("board")), len(here.items("other"))) == (1, 1)
        await here.close()
        here.settings["mirrors"][0]["board"] = "board"
        await here.open()
        assert (await here.look()).uploaded == 0


async def test_a_board_that_is_renamed_on_the_server_stays_the_mirrors_board(
    tmp_path: Path,
) -> None:
    from dataclasses import replace

    async with world(tmp_path) as here:
        here.write("a.png")
        await here.look()
        board = here.board()
        here.server._boards[board.board_id] = replace(board, name="renamed")
        here.write("b.png", seed=2)
        await here.look()

        assert len(here.items("renamed")) == 2
