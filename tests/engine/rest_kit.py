"""What tests of pauses, quiet hours and full disks share: a mirror at work, and what it tells."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from typing import Any

from boardsync.engine import report
from boardsync.engine.announce import standing
from boardsync.engine.health import Health
from boardsync.engine.service import carrying
from boardsync.model import Upload, UploadResult
from boardsync.servers.memory.server import CAPABILITIES, MemoryServer
from boardsync.servers.port import BoardId
from engine.world import World


def standing_of(here: World) -> str:
    """Look how the daemon is, and return the service manager's line."""
    health = Health(here.assembly)
    health.look()
    return standing(here.assembly, health)


class HeldServer(MemoryServer):
    """Uploads that last until `release`."""

    def __init__(self) -> None:
        super().__init__("server", replace(CAPABILITIES, batch=1))
        self.release = asyncio.Event()
        self.begun = 0

    async def upload(self, board_id: BoardId, uploads: Sequence[Upload]) -> list[UploadResult]:
        self.begun += 1
        await self.release.wait()
        return await super().upload(board_id, uploads)


def told(here: World) -> dict[str, Any]:
    mirrors = report.status(here.assembly.settings, here.state, here.clock)["mirrors"]
    mirror: dict[str, Any] = mirrors[0]
    return mirror


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def looking(here: World) -> AsyncIterator[None]:
    """Run the mirror's worker."""
    worker = here.assembly.workers["m"]
    task = asyncio.create_task(worker.run())
    try:
        yield
    finally:
        worker.stop()
        await task


@contextlib.asynccontextmanager
async def living(here: World) -> AsyncIterator[None]:
    """Let the mirror live as in the daemon, without its watcher."""
    async with carrying(here.assembly), looking(here):
        yield
