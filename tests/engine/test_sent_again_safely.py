"""Sending again: nothing makes room for what will not be sent, and nothing comes back beside it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from boardsync.engine.again import again_everywhere
from boardsync.engine.report import history
from boardsync.engine.trash_can import list_trash, restore
from boardsync.errors import ServerRefused
from boardsync.model import Download, Item
from boardsync.servers.memory import CAPABILITIES
from engine.test_adopt import LIKE_INVOKEAI
from engine.test_pull_names import generated, put
from engine.test_verify import Encoding, counts, item_of, spoil, status, verified
from engine.undo_kit import APART, take_back
from engine.world import World, picture, world

SMALLER = {"fit": "10x10"}


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[World]:
    server = Encoding("server", CAPABILITIES)
    async with world(tmp_path, server, prepare={"fit": "20x20"}) as made:
        made.server.add_board("board")
        made.clock.skip(APART)
        made.write("a.png", seed=1)
        made.write("b.png", seed=2)
        assert (await made.look()).uploaded == 2
        yield made


async def change(here: World, **mirror: Any) -> None:
    here.settings["mirrors"][0].update(mirror)
    for name in [name for name, value in mirror.items() if value is None]:
        del here.settings["mirrors"][0][name]
    await here.restart()


async def ask(here: World, path: str = "a.png") -> list[str]:
    return (await again_everywhere(here.assembly, str(here.folder / path))).get("m", [])


async def settle(here: World) -> None:
    for _ in range(3):
        await here.look()


async def test_a_mirror_that_only_pulls_by_now_takes_nothing_away(here: World) -> None:
    await change(here, prepare=SMALLER)
    await ask(here)
    before = here.contents()
    await change(here, direction="pull", prepare=None)
    await settle(here)
    assert (here.contents(), here.server.in_the_trash()) == (before, [])


async def test_what_a_rule_hides_by_now_keeps_its_item(here: World) -> None:
    await change(here, prepare=SMALLER)
    await ask(here)
    before = here.contents()
    await change(here, ignore=["a.png"])
    await settle(here)
    assert (here.contents(), here.server.in_the_trash()) == (before, [])


@pytest.mark.parametrize("content", [None, b"\x89PNG and no more"])
async def test_a_stray_stays_while_there_is_nothing_to_send_for_it(
    here: World, content: bytes | None
) -> None:
    spoil(here, "a.png", picture(9))
    await verified(here)
    await ask(here)
    path = here.folder / "a.png"
    path.unlink() if content is None else path.write_bytes(content)
    await settle(here)
    assert picture(9) in here.contents()
    assert here.server.in_the_trash() == []


async def test_the_earlier_item_does_not_come_back_beside_the_one_that_was_asked_for(
    here: World,
) -> None:
    await change(here, prepare=SMALLER)
    await ask(here)
    await settle(here)
    after = here.contents()
    [entry] = list_trash(here.assembly.settings, here.state)["trash"]
    (told,) = await restore(here.assembly, [entry["id"]])
    assert not told.done
    assert "its picture was sent again and is item" in told.words
    runs = history(here.assembly.settings, here.state)
    asked = next(one["id"] for one in runs if one["cause"] == "again")
    await take_back(here, asked)
    await settle(here)
    assert here.contents() == after

    sent = next(one["id"] for one in runs if one["uploaded"])
    assert f"run {sent}" in told.words
    await take_back(here, sent)
    await take_back(here, asked)
    await settle(here)
    assert len(here.contents()) == 2
    assert here.contents() != after


@pytest.mark.parametrize("capabilities", [CAPABILITIES, LIKE_INVOKEAI], ids=["bytes", "pixels"])
async def test_a_pulled_one_that_strayed_can_be_taken_as_it_is(
    tmp_path: Path, capabilities: Any
) -> None:
    async with world(tmp_path, Encoding("server", capabilities)) as here:
        here.server.add_board("board")
        here.server.put(here.board().board_id, "x.png", picture(4), size=(24, 16))
        await here.look()
        name = next(iter(here.local()))
        here.server._stock.one(item_of(here, name)).content = picture(9)
        assert counts(await verified(here)) == (1, 0, 1, 0, 0, 0)
        assert "is taken as it is" in (await ask(here, name))[-1]
        await here.look()
        assert counts(await verified(here)) == (1, 1, 0, 0, 0, 0)
        assert status(here)["condition"] == "synced"
        assert here.local()[name] == picture(4)


async def test_one_item_that_is_refused_keeps_no_other_from_being_verified(
    here: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, fetch = item_of(here, "a.png"), here.server.download

    async def download(item: Item, sink: Any) -> Download:
        if item.item_id == bad:
            raise ServerRefused("403: not yours")
        return await fetch(item, sink)

    monkeypatch.setattr(here.server, "download", download)
    told = await verified(here)
    assert (counts(told), told.trouble) == ((2, 1, 0, 0, 0, 1), None)
    assert told.unknown == {"403: not yours": 1}


async def test_a_limit_of_ours_makes_no_stray(tmp_path: Path) -> None:
    async with world(tmp_path, Encoding("server", LIKE_INVOKEAI)) as here:
        here.server.add_board("board")
        here.write("a.png", seed=1)
        await here.look()
        await change(here, max_pixels=100)
        assert (await verified(here)).strayed_count == 0


async def test_a_name_that_a_rule_leaves_alone_is_not_given(tmp_path: Path) -> None:
    settings = {"pull": {"name": "{prompt:3}"}, "ignore": ["*draft*"]}
    async with world(tmp_path, **settings) as here:
        here.server.add_board("board")
        here.clock.skip(APART)
        put(here, generated("a draft fox", 1))
        await here.look()
        files = here.local()
        assert [Path(name).stem.startswith("item-") for name in files] == [True]
        for _ in range(2):
            await here.restart(lose_state=True)
            await here.look()
        assert here.local() == files
        assert status(here)["condition"] == "synced"
