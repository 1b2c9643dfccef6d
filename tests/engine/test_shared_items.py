"""Two files that are one item, where items keep names: found by the kill torture."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from boardsync.engine import report
from boardsync.engine.passes import Look
from boardsync.engine.service import carrying
from boardsync.model import LinkState
from boardsync.servers.memory.server import NAMED, MemoryServer
from boardsync.state import links
from engine.world import SkippingClock, World, picture, world


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[World]:
    """A picture and its copy, in step as one item."""
    clock = SkippingClock()
    server = MemoryServer("server", NAMED, lambda: clock.now_ns() // 1_000_000)
    async with world(tmp_path, server, clock) as made:
        made.write("a.png", seed=1)
        await made.look()
        made.write("copy.png", seed=1)
        await made.look()
        assert len(made.items()) == 1
        yield made


@pytest.mark.parametrize(("changed", "other"), [("copy.png", "a.png"), ("a.png", "copy.png")])
async def test_new_content_of_one_leaves_the_other_its_item(
    here: World, changed: str, other: str
) -> None:
    here.write(changed, seed=2)

    await here.look()
    result = await here.look()

    assert here.contents() == sorted([picture(1), picture(2)])
    assert (result.synced, result.left) == (2, 0)
    assert report.status(here.assembly.settings, here.state)["mirrors"][0]["condition"] == "synced"


async def test_one_that_is_changed_and_brought_back_is_the_other_again(here: World) -> None:
    here.write("copy.png", seed=2)
    await here.look()
    here.write("copy.png", seed=1)

    await here.look()
    result = await here.look()

    assert picture(1) in here.contents()
    assert (result.synced, result.left) == (2, 0)
    assert here.local() == {"a.png": picture(1), "copy.png": picture(1)}


@pytest.fixture
async def alone(tmp_path: Path) -> AsyncIterator[World]:
    """A picture in step whose new content is to go up, and a new copy of the old content."""
    clock = SkippingClock()
    server = MemoryServer("server", NAMED, lambda: clock.now_ns() // 1_000_000)
    async with world(tmp_path, server, clock) as made:
        made.write("a.png", seed=1)
        await made.look()
        made.write("a.png", seed=2)
        made.clock.skip(120.0)
        await made.assembly.workers["m"].pass_now(Look.everywhere("test"))
        made.write("copy.png", seed=1)
        made.clock.skip(120.0)
        yield made


async def require_both(here: World) -> None:
    for _ in range(3):
        result = await here.look()
    assert here.contents() == sorted([picture(1), picture(2)])
    assert (result.synced, result.left, result.good) == (2, 0, True)
    assert await here.quiet()


async def test_a_copy_that_is_linked_before_the_new_content_goes_keeps_the_item(
    alone: World,
) -> None:
    await alone.assembly.workers["m"].pass_now(Look.everywhere("test"))

    await require_both(alone)


async def test_a_copy_that_is_linked_while_the_new_content_goes_gets_an_item_of_its_own(
    alone: World,
) -> None:
    real = alone.server.upload

    async def linked_meanwhile(*arguments: object) -> object:
        alone.server.upload = real  # type: ignore[method-assign]
        await alone.assembly.workers["m"].pass_now(Look.everywhere("test"))
        return await real(*arguments)  # type: ignore[arg-type]

    alone.server.upload = linked_meanwhile  # type: ignore[method-assign, assignment]
    async with carrying(alone.assembly):
        while alone.server.upload is not real:
            alone.clock.skip(1.0)
            await asyncio.sleep(0.01)

    await require_both(alone)


async def test_the_item_of_a_file_that_a_rule_hides_stays_when_its_copy_is_deleted(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, policies={"file_deleted": "trash"}) as here:
        here.write("hidden/a.png", seed=1)
        await here.look()
        copy = here.write("copy.png", seed=1)
        await here.look()
        (here.folder / ".boardsyncignore").write_text("hidden/\n")
        await here.look()
        copy.unlink()

        await here.look()
        await here.look()
        (here.folder / ".boardsyncignore").unlink()
        await here.look()

        assert here.contents() == [picture(1)]
        assert await here.quiet()


@pytest.mark.parametrize("swapped", [False, True])
async def test_a_file_that_is_renamed_over_another_replaces_its_picture(
    tmp_path: Path, swapped: bool
) -> None:
    async with world(tmp_path) as here:
        first, second = here.write("a.png", seed=1), here.write("b.png", seed=2)
        await here.look()
        if swapped:
            first.rename(here.folder / "aside.txt")
            second.rename(first)
            (here.folder / "aside.txt").rename(second)
        else:
            first.rename(second)

        for _ in range(3):
            await here.look()

        both = sorted([picture(1), picture(2)])
        assert here.contents() == (both if swapped else [picture(1)])
        with here.state.read() as connection:
            number = here.assembly.mirrors[0].number
            found = [links.of_path(connection, number, path) for path in (b"a.png", b"b.png")]
        agreed = [[one.digest for one in each if one.state == LinkState.AGREED] for each in found]
        assert [len(each) for each in agreed] == ([1, 1] if swapped else [0, 1])
        assert await here.quiet()
