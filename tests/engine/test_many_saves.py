"""A picture that is saved again and again: the board gets it when the saving is over."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from boardsync.engine.passes import Look
from boardsync.engine.service import carrying
from boardsync.model import Capabilities
from boardsync.servers.memory.server import CAPABILITIES, NAMED, MemoryServer
from engine.world import SkippingClock, World, picture, world
from sampling import one_in

SAVES = 40
SECONDS = 60.0
PATH = b"a.png"


def save(here: World, seed: int, *, by_renaming: bool) -> None:
    """Save the picture at the clock's time, in place or as editors do that rename."""
    name = "a.png.part" if by_renaming else "a.png"
    target = here.write(name, seed=seed)
    os.utime(target, ns=(here.clock.now_ns(), here.clock.now_ns()))
    if by_renaming:
        target.rename(here.folder / "a.png")


async def look_at(here: World) -> None:
    """Make the pass that an event of the watcher causes, and carry out what comes of it."""
    worker = here.assembly.workers["m"]
    await worker.pass_now(Look(cause="event", paths={PATH}, closed={PATH}))
    for carrier in here.assembly.carriers.values():
        await carrier.until_idle([worker.mirror.number], 5.0)


@pytest.mark.parametrize("by_renaming", one_in(2, [False, True]), ids=["in place", "by renaming"])
@pytest.mark.parametrize("capabilities", [CAPABILITIES, NAMED], ids=["ids", "names"])
async def test_forty_saves_within_a_minute_are_at_most_two_uploads(
    tmp_path: Path, capabilities: Capabilities, by_renaming: bool
) -> None:
    clock = SkippingClock()
    server = MemoryServer("server", capabilities, lambda: clock.now_ns() // 1_000_000)
    async with world(tmp_path, server, clock) as here:
        save(here, 0, by_renaming=by_renaming)
        result = await here.look()
        assert (result.uploaded, result.synced) == (1, 1)
        server.calls.clear()

        async with carrying(here.assembly):
            for number in range(1, SAVES + 1):
                save(here, number, by_renaming=by_renaming)
                await look_at(here)
                clock.skip(SECONDS / SAVES)
        await here.look()
        result = await here.look()

        assert server.calls["upload"] <= 2
        assert here.contents() == [picture(SAVES)]
        assert picture(0) in [stored.content for stored in server.in_the_trash()]
        assert len(server.in_the_trash()) == server.calls["upload"]
        assert (result.synced, result.left, here.local()) == (1, 0, {"a.png": picture(SAVES)})
        assert await here.quiet()
