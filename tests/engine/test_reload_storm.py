"""Reload after reload, at random moments of busy mirrors: every picture arrives exactly once."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from boardsync.engine.once import once
from boardsync.errors import TryAgain
from boardsync.model import Upload, UploadResult
from boardsync.servers.memory.server import MemoryServer
from boardsync.servers.port import BoardId
from engine.test_reload import Running, until
from engine.world import picture
from sampling import one_in

RELOADS = 15
PICTURES = 40
MIRRORS = ("a", "b", "c")


class LazyServer(MemoryServer):
    """A server in memory that takes its time, by chance, before and after it stores."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__("server")
        self.chance = chance
        self.sent: Counter[bytes] = Counter()

    async def upload(self, board_id: BoardId, uploads: Sequence[Upload]) -> list[UploadResult]:
        await asyncio.sleep(self.chance.random() * 0.05)
        self.sent.update(one.content for one in uploads)
        done = await super().upload(board_id, uploads)
        await asyncio.sleep(self.chance.random() * 0.05)
        return done


def shake(here: Running, chance: random.Random) -> None:
    """Change the settings: a mirror comes or goes, a rule changes, or the server does."""
    kept = [name for name in MIRRORS if chance.random() < 0.8] or [MIRRORS[0]]
    here.values["mirrors"] = [
        here.mirror(name, "s", ignore=[f"unused-{chance.randrange(3)}-*"]) for name in kept
    ]
    here.values["servers"]["s"]["uploads_at_once"] = chance.choice((1, 2, 2, 2, 3))


@pytest.mark.parametrize("seed", one_in(2, range(2)))
async def test_pictures_arrive_once_whatever_is_set_up_anew_meanwhile(
    tmp_path: Path, seed: int
) -> None:
    chance, here = random.Random(seed), Running(tmp_path)
    server = LazyServer(chance)
    here.given["s"] = server  # type: ignore[assignment]
    everything: list[dict[str, Any]] = [here.mirror(name, "s") for name in MIRRORS]
    here.values["servers"] = {"s": {"kind": "invokeai", "url": "http://127.0.0.1:9"}}
    here.values["mirrors"] = everything
    put = {name: set[int]() for name in MIRRORS}

    async def make_pictures() -> None:
        for number in range(PICTURES):
            name = chance.choice(MIRRORS)
            put[name].add(number)
            here.put(name, f"{number}.png", number)
            await asyncio.sleep(chance.random() * 0.05)

    async def ask() -> None:
        while True:
            try:
                await here.service.unless_stopped(once(here.service.assembly))
            except TryAgain:
                await asyncio.sleep(0.01)

    async with here.running() as service:
        making, asking = asyncio.create_task(make_pictures()), asyncio.create_task(ask())
        for _ in range(RELOADS):
            await asyncio.sleep(chance.random() * 0.1)
            shake(here, chance)
            await service.reload()
        asking.cancel()
        await asyncio.gather(making, asking, return_exceptions=True)
        assert making.exception() is None
        here.values["mirrors"] = everything
        await service.reload()
        await until(lambda: sum(here.agreed(name) for name in MIRRORS) == PICTURES)
        assert [one.name for one in service.assembly.mirrors] == list(MIRRORS)
        assert all(one.under_way == [] for one in service.assembly.carriers.values())
    boards = {board.name: board.board_id for board in server._boards.values()}
    for name in MIRRORS:
        held = sorted(one.content for one in server.on_board(boards[f"board-{name}"]))
        assert held == sorted(picture(number) for number in put[name])
    assert set(server.sent.values()) == {1}
