"""Items that can change, as in a directory: new versions either way, and both at once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from boardsync.servers.memory.server import NAMED, MemoryServer
from engine.world import SkippingClock, World, picture, world


def named_server(clock: SkippingClock) -> MemoryServer:
    return MemoryServer("server", NAMED, lambda: clock.now_ns() // 1_000_000)


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[World]:
    """A mirror of a kind that keeps names, with one picture in step."""
    clock = SkippingClock()
    async with world(tmp_path, named_server(clock), clock) as made:
        made.write("a.png", seed=1)
        await made.look()
        yield made


def names(here: World) -> list[str]:
    return sorted(item.item_id.rpartition("/")[2] for item in here.items())


def trash_of(here: World) -> list[bytes]:
    root = here.base / ".boardsync-trash"
    return sorted(path.read_bytes() for path in root.rglob("*") if path.is_file())


async def test_new_content_of_a_file_takes_the_items_place(here: World) -> None:
    here.write("a.png", seed=2)

    result = await here.look()

    assert (result.uploaded, result.synced) == (1, 1)
    assert (names(here), here.contents()) == (["a.png"], [picture(2)])
    assert [stored.content for stored in here.server.in_the_trash()] == [picture(1)]
    assert await here.quiet()


async def test_new_content_of_an_item_comes_down_over_the_file(here: World) -> None:
    here.server.replace(here.items()[0].item_id, picture(2))

    result = await here.look()

    assert (result.downloaded, result.synced) == (1, 1)
    assert here.local() == {"a.png": picture(2)}
    assert trash_of(here) == [picture(1)]
    assert await here.quiet()


async def test_both_versions_of_a_conflict_are_kept(here: World) -> None:
    here.write("a.png", seed=2)
    here.server.replace(here.items()[0].item_id, picture(3))

    await here.look()
    await here.look()

    local = here.local()
    assert local.pop("a.png") == picture(3)
    ((aside, content),) = local.items()
    assert "conflict" in aside
    assert content == picture(2)
    assert here.contents() == sorted([picture(2), picture(3)])
    assert trash_of(here) == []
    assert await here.quiet()


async def test_the_same_change_on_both_sides_is_no_conflict(here: World) -> None:
    here.write("a.png", seed=2)
    here.server.replace(here.items()[0].item_id, picture(2))

    await here.look()

    assert here.local() == {"a.png": picture(2)}
    assert here.contents() == [picture(2)]
    assert await here.quiet()
    here.write("a.png", seed=3)
    await here.look()
    assert here.contents() == [picture(3)]


@pytest.mark.parametrize(("wins", "seed"), [("local", 2), ("server", 3)])
async def test_one_side_wins_a_conflict_when_the_settings_say_so(
    tmp_path: Path, wins: str, seed: int
) -> None:
    clock = SkippingClock()
    async with world(tmp_path, named_server(clock), clock, policies={"both_changed": wins}) as here:
        here.write("a.png", seed=1)
        await here.look()
        here.write("a.png", seed=2)
        here.server.replace(here.items()[0].item_id, picture(3))

        await here.look()
        await here.look()

        assert here.local() == {"a.png": picture(seed)}
        assert here.contents() == [picture(seed)]
        lost = trash_of(here) + [stored.content for stored in here.server.in_the_trash()]
        assert picture(5 - seed) in lost
        assert await here.quiet()


async def test_a_renamed_file_renames_its_item(here: World) -> None:
    (here.folder / "a.png").rename(here.folder / "b.png")

    result = await here.look()

    assert (result.uploaded, result.moved, names(here)) == (0, 1, ["b.png"])
    assert await here.quiet()


async def test_a_deleted_file_with_a_newer_item_comes_back_as_the_newer_version(
    here: World,
) -> None:
    (here.folder / "a.png").unlink()
    here.server.replace(here.items()[0].item_id, picture(2))

    await here.look()

    assert here.local() == {"a.png": picture(2)}
    assert await here.quiet()


async def test_a_deleted_item_whose_file_changed_is_sent_anew(here: World) -> None:
    here.server.remove(here.items()[0].item_id)
    here.write("a.png", seed=2)

    result = await here.look()

    assert (result.uploaded, here.contents()) == (1, [picture(2)])
    assert await here.quiet()
