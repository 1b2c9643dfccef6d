"""One mirror between a folder and a server of any kind: the engine is real, the clock is not.

`Hands` are those of another user of the server, who knows nothing of boardsync: they see what
lies on its boards, and change it. `Between` stands in front of the server, counts what it is
asked, and lies when it is told to. A picture's identity is what it shows: servers re-encode.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol, TypeVar

from boardsync.config.values import from_values
from boardsync.engine import report
from boardsync.engine.assembly import assemble
from boardsync.engine.clock import Clock
from boardsync.engine.once import MirrorResult
from boardsync.files.disk import SYSTEM, Disk
from boardsync.model import Listing, Upload, UploadResult
from boardsync.servers.directory import DirectoryServer
from boardsync.servers.invokeai import InvokeAIServer
from boardsync.servers.memory.server import CAPABILITIES, NAMED, MemoryServer
from boardsync.servers.port import BoardId, Server
from boardsync.servers.wrappers.wrapper import Wrapper
from boardsync.state.database import open_state
from engine.world import SkippingClock, World, picture
from servers.fake_invokeai import FakeInvokeAI
from state.empty import begin_state
from torture.pictures import pixels_of

T = TypeVar("T")

KINDS = ("memory", "named", "directory", "invokeai")
"""In memory as InvokeAI is and as a directory is; a directory; the fake InvokeAI."""
BOARD = "board"
PASSING_ON = {"file_deleted": "trash", "item_deleted": "trash"}
"""Policies with which deletions travel: where a wrong one would do harm."""
_TRASH = "boardsync trash"


class Hands(Protocol):
    """Another user of a server."""

    def server(self, *, used_before: bool) -> Server:
        """Connect to it, as a process of ours does at its start."""

    def contents(self, board: str = BOARD) -> dict[str, bytes]:
        """Return what lies on a board, by the items' ids; nothing when there is no such board."""

    def trash(self) -> list[bytes]:
        """Return what lies in our trash there."""

    def put(self, name: str, content: bytes, board: str = BOARD) -> str:
        """Put a picture on a board, which is made when it is missing; return its id."""

    def remove(self, item_id: str, board: str = BOARD) -> None:
        """Delete a picture for good."""

    def drop_board(self, board: str = BOARD) -> None:
        """Delete a board with all that is on it."""

    def keep(self) -> Callable[[], None]:
        """Make a backup of everything; the result puts it back."""


class MemoryHands:
    """Of the server in memory."""

    def __init__(self, kind: str, clock: Clock) -> None:
        capabilities = NAMED if kind == "named" else CAPABILITIES
        self.memory = MemoryServer("server", capabilities, lambda: clock.now_ns() // 1_000_000)

    def server(self, *, used_before: bool) -> Server:
        return self.memory

    def contents(self, board: str = BOARD) -> dict[str, bytes]:
        found = self._board(board)
        stored = [] if found is None else self.memory.on_board(found)
        return {one.item.item_id: one.content for one in stored}

    def trash(self) -> list[bytes]:
        return [one.content for one in self.memory.in_the_trash()]

    def put(self, name: str, content: bytes, board: str = BOARD) -> str:
        found = self._board(board) or self.memory.add_board(board).board_id
        return self.memory.put(found, name, content, size=(24, 16)).item_id

    def remove(self, item_id: str, board: str = BOARD) -> None:
        found = self._board(board)
        self.memory.remove(self.memory._stock.get(found, item_id).item)

    def drop_board(self, board: str = BOARD) -> None:
        self.memory.drop_board(self._board(board))

    def keep(self) -> Callable[[], None]:
        boards, stored = dict(self.memory._boards), dict(self.memory._stored)

        def put_back() -> None:
            for now, before in ((self.memory._boards, boards), (self.memory._stored, stored)):
                now.clear()
                now.update(before)

        return put_back

    def _board(self, name: str) -> BoardId:
        named = [one for one in self.memory._boards.values() if one.name == name]
        return named[0].board_id if named else None


class DirectoryHands:
    """Of a directory."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir()

    def server(self, *, used_before: bool) -> Server:
        return DirectoryServer("server", self.root, used_before=used_before)

    def contents(self, board: str = BOARD) -> dict[str, bytes]:
        return {
            str(path.relative_to(self.root / board)): path.read_bytes()
            for path in _visible(self.root / board)
        }

    def trash(self) -> list[bytes]:
        return [path.read_bytes() for path in _visible(self.root / ".boardsync" / "trash")]

    def put(self, name: str, content: bytes, board: str = BOARD) -> str:
        """Lay it there as something old: what is new on a directory may still be written."""
        path = self.root / board / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        os.utime(path, ns=(path.stat().st_mtime_ns - 10**12,) * 2)
        return name

    def remove(self, item_id: str, board: str = BOARD) -> None:
        (self.root / board / item_id).unlink()

    def drop_board(self, board: str = BOARD) -> None:
        shutil.rmtree(self.root / board)

    def keep(self) -> Callable[[], None]:
        copy = self.root.with_name(f"{self.root.name}-backup")
        shutil.copytree(self.root, copy)

        def put_back() -> None:
            shutil.rmtree(self.root)
            copy.rename(self.root)

        return put_back


class InvokeAIHands:
    """Of the fake InvokeAI. options: of our connection to it. url: None is the right one."""

    def __init__(self, fake: FakeInvokeAI) -> None:
        self.fake = fake
        self.options: dict[str, Any] = {}
        self.url: str | None = None

    def server(self, *, used_before: bool) -> Server:
        return InvokeAIServer("server", self.url or self.fake.url, **self.options)

    def contents(self, board: str = BOARD) -> dict[str, bytes]:
        found = self._board(board)
        images = [] if found is None else self.fake.store.on_board(found)
        return {image.name: image.content for image in images}

    def trash(self) -> list[bytes]:
        return list(self.contents(_TRASH).values())

    def put(self, name: str, content: bytes, board: str = BOARD) -> str:
        found = self._board(board) or self.fake.store.add_board(board).board_id
        return self.fake.store.add_image(content, found).name

    def remove(self, item_id: str, board: str = BOARD) -> None:
        assert self.fake.store.delete_image(item_id)

    def drop_board(self, board: str = BOARD) -> None:
        for item_id in self.contents(board):
            self.remove(item_id)
        self.fake.store.delete_board(str(self._board(board)))

    def keep(self) -> Callable[[], None]:
        store = self.fake.store
        boards, images = dict(store.boards), dict(store.images)
        names = {board_id: dict(board.names) for board_id, board in boards.items()}

        def put_back() -> None:
            store.boards, store.images = boards, images
            for board_id, board in boards.items():
                board.names = names[board_id]
                for name in board.names:
                    images[name].board_id = board_id

        return put_back

    def _board(self, name: str) -> str | None:
        boards = self.fake.store.boards.values()
        return next((board.board_id for board in boards if board.name == name), None)


class Between(Wrapper):
    """Between the engine and a server. calls: how often it was asked for what; sent: pictures.

    listed: what becomes of a listing on its way. fail: raises whatever an operation is to fail
    with.
    """

    def __init__(self, inner: Server) -> None:
        super().__init__(inner)
        self.calls: Counter[str] = Counter()
        self.sent = 0
        self.under_way = 0
        self.listed: Callable[[Listing], Listing] = lambda listing: listing
        self.fail: Callable[[str], None] = lambda operation: None

    def connect(self, inner: Server) -> None:
        """Go on with another connection to the same server."""
        self._inner = inner

    async def _call(self, operation: str, call: Callable[[], Awaitable[T]]) -> T:
        self.calls[operation] += 1
        self.fail(operation)
        self.under_way += 1
        try:
            return await call()
        finally:
            self.under_way -= 1

    async def listing(self, board_id: BoardId, known: str | None = None) -> Listing:
        return self.listed(await super().listing(board_id, known))

    async def upload(self, board_id: BoardId, uploads: Sequence[Upload]) -> list[UploadResult]:
        self.sent += len(uploads)
        return await super().upload(board_id, uploads)


class Ground(World):
    """One mirror. hands: of another user of its server. disk: where its folder lies."""

    def __init__(self, base: Path, hands: Hands, clock: Clock) -> None:
        between = Between(hands.server(used_before=False))
        super().__init__(base, between, clock)
        if isinstance(clock, SkippingClock):
            clock.busy = lambda: between.under_way > 0
        self.hands = hands
        self.disk: Disk = SYSTEM

    async def fill(self, count: int, *, folders: int = 4) -> list[str]:
        """Put pictures into the folder and mirror them; return their paths."""
        paths = [f"{seed % folders}/{seed:04}.png" for seed in range(count)]
        for seed, path in enumerate(paths):
            self.write(path, seed=seed)
        result = await self.look()
        assert (result.synced, result.good) == (count, True), result
        return paths

    async def fill_more(self, seeds: Iterable[int], folder: str = "in") -> None:
        """Put pictures into the folder and mirror them, with what waits on the board."""
        for seed in seeds:
            self.write(f"{folder}/{seed:04}.png", seed=seed)
        assert (await self.settled(3)).good

    def told(self) -> dict[str, Any]:
        """Return what the status says of the mirror."""
        return report.status(self.assembly.settings, self.state)["mirrors"][0]

    def shows(self, seeds: Iterable[int], board: str = BOARD) -> bool:
        """Tell whether a board holds exactly these pictures, each once and whole."""
        held = sorted(shown(content) for content in self.hands.contents(board).values())
        return held == sorted(shown(picture(seed)) for seed in seeds)

    def holds_files(self, seeds: Iterable[int]) -> bool:
        """Tell whether the folder holds exactly these pictures."""
        held = sorted(shown(content) for content in self.local().values())
        return held == sorted(shown(picture(seed)) for seed in seeds)

    async def settled(self, rounds: int = 2) -> MirrorResult:
        """Make passes until nothing is done any more: at most so many, and one that is idle."""
        for _ in range(rounds):
            result = await self.look()
            if idle(result):
                return result
        result = await self.look()
        assert idle(result), f"still at work after {rounds} rounds: {result}"
        return result

    @contextlib.contextmanager
    def aside(self, paths: Iterable[str]) -> Iterator[None]:
        """Take files away for the time of a block, as somebody does who moves them elsewhere."""
        away = self.base / "aside"
        moved = [(self.folder / path, away / path) for path in paths]
        for here, there in moved:
            there.parent.mkdir(parents=True, exist_ok=True)
            here.rename(there)
        try:
            yield
        finally:
            for here, there in moved:
                here.parent.mkdir(parents=True, exist_ok=True)
                there.rename(here)

    async def change(self, **mirror: Any) -> None:
        """Restart with other settings of the mirror."""
        self.settings["mirrors"][0] |= mirror
        self.settings["mirrors"][0] = {
            key: value for key, value in self.settings["mirrors"][0].items() if value is not None
        }
        await self.restart()

    async def open(self) -> None:
        settings = from_values(self.settings)
        used_before = settings.state.exists()
        begin_state(settings.state)
        self.state = open_state(settings.state)
        self.server.connect(self.hands.server(used_before=used_before))
        servers = {"server": self.server}
        self.assembly = await assemble(settings, self.state, self.clock, servers, self.disk)


@contextlib.asynccontextmanager
async def ground(
    base: Path, kind: str, clock: Clock | None = None, **mirror: Any
) -> AsyncIterator[Ground]:
    """Make one mirror on a server of a kind; `mirror` are settings of it.

    clock: by default one that skips what nobody wants to wait for.
    """
    clock = clock or SkippingClock()
    async with contextlib.AsyncExitStack() as stack:
        if kind == "invokeai":
            hands: Hands = InvokeAIHands(await stack.enter_async_context(FakeInvokeAI()))
        elif kind == "directory":
            hands = DirectoryHands(base / "server")
        else:
            hands = MemoryHands(kind, clock)
        yield await stack.enter_async_context(mirrored(base, hands, clock, **mirror))


@contextlib.asynccontextmanager
async def mirrored(base: Path, hands: Hands, clock: Clock, **mirror: Any) -> AsyncIterator[Ground]:
    """Make one mirror on a server that is there."""
    made = Ground(base, hands, clock)
    where = {} if "boards" in mirror else {"board": BOARD}
    folder = str(made.folder)
    made.settings = {
        "state": str(base / "state.db"),
        "socket": None,
        # Never used: that of the hands stands in for it.
        "servers": {"server": {"kind": "invokeai", "url": "http://127.0.0.1:9"}},
        "mirrors": [{"name": "m", "folder": folder, "server": "server", **where, **mirror}],
    }
    await made.open()
    try:
        yield made
    finally:
        await made.close()


def idle(result: MirrorResult) -> bool:
    """Tell whether a pass did nothing to a picture, on either side."""
    did = (result.uploaded, result.downloaded, result.linked, result.moved, result.trashed)
    return not any(did)


@lru_cache(maxsize=20_000)
def shown(content: bytes) -> str:
    """Return the identity of what a picture shows; raises OSError when it is not whole."""
    return pixels_of(content)


def _visible(base: Path) -> Iterator[Path]:
    for folder, below, names in os.walk(base):
        below[:] = sorted(name for name in below if not name.startswith("."))
        yield from (Path(folder, name) for name in sorted(names) if not name.startswith("."))
