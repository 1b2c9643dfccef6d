"""A world for the engine's tests: a real folder, a real state file, a server in memory.

The clock is the real one moved ahead, so that nobody waits for files to settle.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

from boardsync.config.values import from_values
from boardsync.engine.assembly import Assembly, assemble
from boardsync.engine.carrier import IDLE_SECONDS
from boardsync.engine.once import MirrorResult, once
from boardsync.engine.service import carrying
from boardsync.files.disk import SYSTEM
from boardsync.formats import PNG
from boardsync.model import Board, Item
from boardsync.servers.memory.server import MemoryServer
from boardsync.servers.port import Server
from boardsync.servers.wrappers.keeping import Keeping
from boardsync.servers.wrappers.kept import KeptPictures
from boardsync.state.database import State, open_state
from picture_samples import sample
from state.empty import begin_state


class SkippingClock:
    """The real clock, ahead by what tests skip.

    busy: tells whether somebody waits for a real server: time does not fly meanwhile.
    """

    def __init__(self) -> None:
        self.ahead = 0.0
        self.busy: Callable[[], bool] = lambda: False

    def skip(self, seconds: float) -> None:
        self.ahead += seconds

    def now_ns(self) -> int:
        return time.time_ns() + int(self.ahead * 1e9)

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead

    async def sleep(self, seconds: float) -> None:
        self.skip(seconds)
        await asyncio.sleep(0)

    async def wait(self, event: asyncio.Event, seconds: float | None) -> None:
        """Give the others a moment of real time; then a short wait has passed.

        Long waits are those of somebody with nothing to do: they may end early.
        """
        try:
            await asyncio.wait_for(event.wait(), 0.02)
        except TimeoutError:
            if seconds is not None and seconds < IDLE_SECONDS and not self.busy():
                self.skip(seconds)


class SteppingClock(SkippingClock):
    """Its wall time can be set, as a person or a time server does; waits do not notice."""

    def __init__(self) -> None:
        super().__init__()
        self.off = 0.0

    def now_ns(self) -> int:
        return super().now_ns() + int(self.off * 1e9)


class StillClock(SteppingClock):
    """Moves only when it is told to: what a busy machine takes meanwhile is no time at all."""

    def __init__(self) -> None:
        super().__init__()
        self._began_ns, self._began = time.time_ns(), time.monotonic()

    def now_ns(self) -> int:
        return self._began_ns + int((self.ahead + self.off) * 1e9)

    def monotonic(self) -> float:
        return self._began + self.ahead


class World:
    """One mirror between a folder and a server in memory."""

    def __init__(self, base: Path, server: MemoryServer, clock: SkippingClock) -> None:
        self.base = base
        self.folder = base / "pictures"
        self.folder.mkdir(exist_ok=True)
        self.server = server
        self.clock = clock
        self.kept = base / "kept"
        self.disk = SYSTEM
        self.settings: dict[str, Any] = {}
        self.state: State
        self.assembly: Assembly

    def write(self, path: str | bytes, content: bytes | None = None, seed: int = 1) -> Path:
        """Put a picture into the folder."""
        name = path if isinstance(path, str) else path.decode("utf-8", "surrogateescape")
        target = self.folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(picture(seed) if content is None else content)
        return target

    def board(self, name: str = "board") -> Board:
        """Return the oldest board of a name."""
        return next(b for b in self.server._boards.values() if b.name == name)

    def items(self, board: str = "board") -> list[Item]:
        """Return what lies on a board."""
        board_id = self.board(board).board_id
        return [s.item for s in self.server._stored.values() if s.item.board_id == board_id]

    def contents(self, board: str = "board") -> list[bytes]:
        """Return the bytes of a board's pictures, sorted."""
        return sorted(stored.content for stored in self.server.on_board(self.board(board).board_id))

    def local(self) -> dict[str, bytes]:
        """Return the folder's files by relative path, litter included."""
        return {
            str(path.relative_to(self.folder)): path.read_bytes()
            for path in sorted(self.folder.rglob("*"))
            if path.is_file()
        }

    async def look(self, patience: float = 20.0) -> MirrorResult:
        """Make one pass, late enough that every file has settled."""
        self.clock.skip(120.0)
        async with carrying(self.assembly):
            return (await once(self.assembly, patience=patience))[0]

    async def quiet(self) -> bool:
        """Tell whether a further pass asks the server for nothing but its listing."""
        self.server.calls.clear()
        result = await self.look()
        calls = set(self.server.calls) - {"listing"}
        return not calls and not (result.uploaded or result.downloaded or result.linked)

    async def restart(self, *, lose_state: bool = False) -> None:
        """Start anew as after a kill, with the same state file or without it."""
        await self.close()
        if lose_state:
            for path in self.base.glob("state.db*"):
                if path.is_file():
                    path.unlink()
        await self.open()

    async def open(self) -> None:
        settings = from_values(self.settings)
        begin_state(settings.state)
        self.state = open_state(settings.state)
        way: Server = self.server
        if self.server.capabilities.deletes:
            way = Keeping(self.server, KeptPictures(bytes(self.kept), self.disk))
        self.assembly = await assemble(settings, self.state, self.clock, {"server": way}, self.disk)

    async def close(self) -> None:
        await self.assembly.close()
        self.state.close()


@contextlib.asynccontextmanager
async def world(
    base: Path, server: MemoryServer | None = None, clock: SkippingClock | None = None,
    **mirror: Any,
) -> AsyncIterator[World]:  # fmt: skip
    """Make a world; `mirror` are settings of its mirror."""
    clock = clock or SkippingClock()
    server = server or MemoryServer("server", clock_ms=lambda: clock.now_ns() // 1_000_000)
    made = World(base, server, clock)
    where: Mapping[str, Any] = {} if "boards" in mirror else {"board": "board"}
    made.settings = {
        "state": str(base / "state.db"),
        # Never used: the memory server stands in for it. The settings want one all the same.
        "servers": {"server": {"kind": "invokeai", "url": "http://127.0.0.1:9"}},
        "mirrors": [
            {"name": "m", "folder": str(made.folder), "server": "server", **where, **mirror}
        ],
    }
    await made.open()
    try:
        yield made
    finally:
        await made.close()


def picture(seed: int) -> bytes:
    """Return a small picture of noise; another one for each seed."""
    return sample(PNG, "RGB", (24, 16), seed=seed)
