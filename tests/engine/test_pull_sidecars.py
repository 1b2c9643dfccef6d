"""Sidecars of pulled pictures: written once they are here, and going where they go."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from boardsync.engine.passes import Look
from boardsync.engine.pull import Puller
from boardsync.engine.trash_can import list_trash, purge, restore
from boardsync.state import transfers
from engine.test_pull_names import generated
from engine.world import World, picture, world


@asynccontextmanager
async def sidecars(base: Path, kind: str = "json", **more: Any) -> AsyncIterator[World]:
    async with world(base, pull={"sidecar": kind}, **more) as made:
        made.server.add_board("board")
        yield made


def put(here: World, content: bytes, board: str = "board") -> str:
    item = here.server.put(here.board(board).board_id, "x.png", content, size=(24, 16))
    return f"outputs/{item.item_id}.png"


async def test_a_pulled_picture_has_its_sidecar_and_nothing_of_it_is_sent(tmp_path: Path) -> None:
    async with sidecars(tmp_path) as here:
        path = put(here, generated("a red fox", 42))
        assert (await here.look()).downloaded == 1
        assert list(here.local()) == [path, f"{path}.json"]
        told = json.loads(here.local()[f"{path}.json"])
        assert (told["prompt"]["value"], told["seed"]["value"]) == ("a red fox", 42)
        own, [item] = told["boardsync"], here.items()
        assert (own["board"], own["item"], own["server"]) == ("board", item.item_id, "server")
        assert own["created"].endswith("Z")
        assert await here.quiet()
        (here.folder / f"{path}.json").rename(here.folder / "a.json")
        assert (await here.look()).uploaded == 0


async def test_xmp_is_written_where_that_is_asked_for(tmp_path: Path) -> None:
    async with sidecars(tmp_path, "xmp") as here:
        path = put(here, generated("a red fox", 42))
        await here.look()
        assert b"a red fox" in here.local()[f"{path}.xmp"]


async def test_none_is_written_unless_it_is_asked_for(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        here.server.add_board("board")
        path = put(here, picture(1))
        await here.look()
        assert list(here.local()) == [path]


async def test_another_file_of_its_name_stays_and_the_picture_comes(tmp_path: Path) -> None:
    async with sidecars(tmp_path) as here:
        path = put(here, picture(1))
        here.write(f"{path}.json", b"mine")
        assert (await here.look()).downloaded == 1
        assert here.local() == {path: picture(1), f"{path}.json": b"mine"}


@pytest.mark.parametrize("step", ["_agree", "_put"])
async def test_a_kill_leaves_no_picture_without_its_sidecar(
    tmp_path: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with sidecars(tmp_path) as here:
        path = put(here, generated("a red fox", 42))
        worker = here.assembly.workers["m"]
        await worker.pass_now(Look.everywhere("test"))
        with here.state.read() as connection:
            [waiting] = transfers.waiting(connection, [worker.mirror.number])

        def killed(*_: object, **__: object) -> bool:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(Puller, step, killed)
            with pytest.raises(KeyboardInterrupt):
                await Puller(worker.mirror).carry(waiting)
        await here.restart()
        await here.look()
        assert list(here.local()) == [path, f"{path}.json"]
        told = json.loads(here.local()[f"{path}.json"])
        assert told["boardsync"]["created"]


async def test_a_lost_state_keeps_sidecars_as_they_are(tmp_path: Path) -> None:
    async with sidecars(tmp_path) as here:
        put(here, generated("a red fox", 42))
        await here.look()
        before = here.local()
        await here.restart(lose_state=True)
        assert (await here.look()).synced == 1
        assert here.local() == before


async def test_a_file_that_follows_its_item_takes_its_sidecar_along(tmp_path: Path) -> None:
    async with sidecars(tmp_path, boards="by-subfolder") as here:
        for name in ("one", "two"):
            (here.folder / name).mkdir()
            here.server.add_board(name)
        path = put(here, generated("a red fox", 42), "one")
        await here.look()
        [item] = here.items("one")
        here.server.relocate(item, here.board("two").board_id)
        for _ in range(3):
            await here.look(patience=90.0)
        assert list(here.local()) == [f"two/{path}", f"two/{path}.json"]


async def test_a_sidecar_goes_into_the_trash_with_its_picture_and_comes_back(
    tmp_path: Path,
) -> None:
    async with sidecars(tmp_path, policies={"item_deleted": "trash"}) as here:
        put(here, generated("a red fox", 42))
        await here.look()
        before = here.local()
        [item] = here.items()
        here.server.remove(item.item_id)

        assert (await here.look()).trashed == 1

        assert here.local() == {}
        in_trash = [one for one in tmp_path.glob(".boardsync-trash/**/*") if one.is_file()]
        assert sorted(one.suffix for one in in_trash) == [".json", ".png"]
        await restore(here.assembly, [newest(here)])
        assert here.local() == before


async def test_a_purge_leaves_no_sidecar_behind(tmp_path: Path) -> None:
    async with sidecars(tmp_path, policies={"item_deleted": "trash"}) as here:
        put(here, generated("a red fox", 42))
        await here.look()
        [item] = here.items()
        here.server.remove(item.item_id)
        await here.look()
        await purge(here.assembly, [newest(here)])
        assert [one for one in tmp_path.glob(".boardsync-trash/**/*") if one.is_file()] == []


def newest(here: World) -> int:
    return int(list_trash(here.assembly.settings, here.state)["trash"][0]["id"])
