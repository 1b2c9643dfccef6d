"""Two files of one picture, and an upload whose answer was lost: found by the kill torture."""

from __future__ import annotations

from pathlib import Path

from boardsync.errors import ServerBusy
from boardsync.model import Item
from boardsync.servers.memory.server import MemoryServer
from engine.world import SkippingClock, world


class Searching(MemoryServer):
    """A server whose search can be too busy while its listings are not."""

    busy = False

    async def find(self, token: str) -> list[Item]:
        if self.busy:
            raise ServerBusy(f"server {self.name}: its search is busy")
        return await super().find(token)


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
