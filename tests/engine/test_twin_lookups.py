"""Two files of one picture, and an upload whose answer was lost: found by the kill torture."""

from __future__ import annotations

from pathlib import Path

from engine.searching import Searching
from engine.world import SkippingClock, world


async def test_a_lost_upload_is_not_sent_again_when_a_copy_was_linked_to_it_meanwhile(
    tmp_path: Path,
) -> None:
    clock = SkippingClock()
    server = Searching("server", clock_ms=lambda: clock.now_ns() // 1_000_000)
    async with world(tmp_path, server, clock) as here:
        here.write("first.png", seed=1)
        server.faults.lost_answers = 1
        await here.look(patience=0.0)
        server.busy = True
        here.write("copy.png", seed=1)
        await here.look(patience=0.0)
        server.busy = False

        result = await here.look(patience=600.0)

        assert (result.synced, result.left) == (2, 0)
        assert len(here.items()) == 1
