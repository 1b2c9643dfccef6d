"""5. kill -9 or power cut anywhere: each picture exactly once, no litter, nothing to be mended.

First the process ends before or after every single step that changes anything; then real ones are
tortured for a moment. `make torture` is the long one.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import TypeVar

import pytest

from boardsync.engine.passes import Look
from boardsync.engine.worker import Worker
from boardsync.files.durable import TEMP_PREFIX
from engine.world import picture
from real.invokeai_server import RealInvokeAI
from real.tcp_proxy import FaultProxy
from sampling import one_in
from scenarios.ground import PASSING_ON, Ground, ground
from torture.boards import DirectoryBoard, InvokeAIBoard
from torture.rounds import Plan, Report, torture
from torture.table import findings, moments, table
from torture.world import World

T = TypeVar("T")
CHANGES = frozenset(
    {"create_board", "upload", "download", "move", "trash", "untrash", "delete_ghost"}
)
FILES = 4


class End:
    """The n-th step that changes something is the last: before it (odd) or after it (even)."""

    def __init__(self, number: int) -> None:
        self._left = number
        self.came = False

    async def around(self, step: Callable[[], Awaitable[T]]) -> T:
        self.take()
        result = await step()
        self.take()
        return result

    def take(self) -> None:
        """Take one step. Whoever is dead does nothing more: its tasks end wherever they are."""
        self._left -= 1
        if self._left < 0:
            self.came = True
            raise asyncio.CancelledError


def arm(here: Ground, end: End) -> None:
    """Let the life of this process end there."""
    write, write_now, call = here.state.write, here.state.write_now, here.server._call

    async def writing(work: Callable[..., T]) -> T:
        return await end.around(lambda: write(work))

    def writing_now(work: Callable[..., T]) -> T:
        end.take()
        return write_now(work)

    async def calling(operation: str, made: Callable[[], Awaitable[T]]) -> T:
        if operation not in CHANGES:
            return await call(operation, made)
        return await end.around(lambda: call(operation, made))

    here.state.write = writing
    here.state.write_now = writing_now
    here.server._call = calling


async def live_and_die(here: Ground, end: End) -> None:
    """Work until the end comes; then nothing of that process goes on."""
    arm(here, end)
    here.clock.skip(120.0)
    worker, carrier = here.assembly.workers["m"], here.assembly.carriers["server"]
    running = carrier.start()
    looking = asyncio.create_task(look_twice(worker))
    async with asyncio.timeout(20):
        while not (end.came or looking.done()):
            await asyncio.sleep(0.002)
    carrier.stop()
    tasks = [running, looking, *carrier._tasks]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    del here.server._call


async def look_twice(worker: Worker) -> None:
    for _ in range(2):
        await worker.pass_now(Look.everywhere("test"))
        await worker.settle(20.0)


def litter(here: Ground) -> list[Path]:
    return [path for path in here.base.rglob(f"{TEMP_PREFIX}*") if path.is_file()]


@pytest.mark.parametrize("kind", ["memory", "named", "invokeai"])
@pytest.mark.parametrize("start", one_in(2, range(2)))
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # files left open
async def test_a_picture_is_there_exactly_once_wherever_the_process_ended(
    tmp_path: Path, kind: str, start: int, chance: random.Random
) -> None:
    """Each life does a little more than the last one; between them, people go on working."""
    async with ground(tmp_path, kind, policies=PASSING_ON) as here:
        here.hands.put("foreign.png", picture(600))
        seeds = {600}
        for number in range(start, 24, 2):
            for _ in range(FILES):
                seed = len(seeds) + 100
                seeds.add(seed)
                here.write(f"{chance.choice('ab')}/{seed}.png", seed=seed)
            foreign = 600 + number + 1
            seeds.add(foreign)
            here.hands.put(f"foreign-{foreign}.png", picture(foreign))
            await live_and_die(here, End(number))
            await here.restart()
        await here.settled(6)

        assert here.shows(seeds)
        assert here.holds_files(seeds)
        assert here.told()["condition"] == "synced"
        assert litter(here) == []
        assert here.hands.trash() == []


SHORT = Plan(kills=1000, minutes=35 / 60)


def require_right(report: Report, server: str, seed: int) -> None:
    told = f"seed {seed}\n{table(server, report)}\n{moments(report)}\n{findings(report)}"
    assert not report.findings, told
    assert report.kills >= 5, told


@pytest.mark.real
def test_killed_at_work_again_and_again_a_directory_holds_every_picture_once(
    tmp_path: Path, seed: int
) -> None:
    world = World(tmp_path, DirectoryBoard(tmp_path / "boards"), seed)
    require_right(torture(world, SHORT, print), "directory", seed)


@pytest.mark.real
def test_killed_at_work_behind_a_bad_network_invokeai_holds_every_picture_once(
    tmp_path: Path, seed: int, invokeai: RealInvokeAI
) -> None:
    with FaultProxy(invokeai.port, seed=seed) as proxy:
        board = InvokeAIBoard(invokeai.url, proxy.url)
        with closing(board):
            world = World(tmp_path, board, seed, proxy)
            require_right(torture(world, SHORT, print), "invokeai", seed)
