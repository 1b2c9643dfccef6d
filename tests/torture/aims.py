"""When a kill strikes: at random, or aimed at the moment after something happened.

The aims that matter lie between what the other side did and what the daemon's state says of
it. An aim whose moment does not come within its time becomes a kill at random.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event as Signal
from typing import Final, Protocol

from real.tcp_proxy import FaultProxy
from torture.boards import BOARD, MARKS, TEMPORARY
from torture.daemons import Daemon
from torture.inotify import Event, Happening, Inotify

PATIENCE: Final = 3.0
"""Seconds that an aim waits for its moment."""
LATEST: Final = 2.5
"""Seconds after the start at which kills at random end."""
OUTPUTS: Final = "outputs"
AT_RANDOM: Final = "at random"


class Aim(Protocol):
    """One kind of moment. name: for the table."""

    @property
    def name(self) -> str: ...

    def armed(self, strike: Callable[[], None]) -> AbstractContextManager[Callable[[float], bool]]:
        """Get ready before the daemon works; gives a wait that tells whether it struck."""


@dataclass(frozen=True, slots=True)
class Watched:
    """The moment after the n-th event of a kind in some directories.

    folders: asked when the aim is armed. Directories that are made later are not watched.
    """

    name: str
    folders: Callable[[], Collection[Path]]
    what: Happening
    fits: Callable[[Event], bool]
    after: int

    @contextmanager
    def armed(self, strike: Callable[[], None]) -> Iterator[Callable[[float], bool]]:
        with Inotify() as inotify:
            inotify.watch(filter(Path.is_dir, self.folders()), self.what)
            yield lambda seconds: self._wait(inotify, strike, seconds)

    def _wait(self, inotify: Inotify, strike: Callable[[], None], seconds: float) -> bool:
        end, seen = time.monotonic() + seconds, 0
        while (left := end - time.monotonic()) > 0:
            seen += sum(1 for event in inotify.wait(left) if self.fits(event))
            if seen >= self.after:
                strike()
                return True
        return False


@dataclass(frozen=True, slots=True)
class Answered:
    """The moment when the n-th answer to such a request has left the server, and not arrived."""

    name: str
    proxy: FaultProxy
    beginning: str
    after: int

    @contextmanager
    def armed(self, strike: Callable[[], None]) -> Iterator[Callable[[float], bool]]:
        struck = Signal()

        def callback() -> None:
            strike()
            struck.set()

        self.proxy.when_answered(self.beginning, callback, after=self.after)
        try:
            yield struck.wait
        finally:
            self.proxy.forget_rules()


@dataclass(frozen=True, slots=True)
class Whenever:
    """A moment at random. seconds: from now."""

    seconds: float
    name: str = AT_RANDOM

    @contextmanager
    def armed(self, strike: Callable[[], None]) -> Iterator[Callable[[float], bool]]:
        def wait(_: float) -> bool:
            time.sleep(self.seconds)
            strike()
            return True

        yield wait


class Aims:
    """Chooses aims for one mirror: half of them at random, half at what can be watched.

    boards: the directory of a directory server. proxy: in front of any other.
    """

    def __init__(
        self, chance: random.Random, folder: Path, state: Path, *,
        boards: Path | None = None, proxy: FaultProxy | None = None,
    ) -> None:  # fmt: skip
        self._chance = chance
        self._makers = [*_local(folder, state)]
        if boards is not None:
            self._makers += _at_directory(boards)
        if proxy is not None:
            self._makers += _at_answers(proxy)

    def choose(self) -> Aim:
        """Return the next aim."""
        if self._chance.random() < 0.4:
            return Whenever(self._chance.uniform(0.0, LATEST))
        return self._chance.choice(self._makers)(self._chance.randint(1, 4))


def aim_and_kill(daemon: Daemon, aim: Aim) -> str:
    """Start the daemon unless it runs, and kill it at the aim's moment; return whose it was."""
    with aim.armed(daemon.strike) as wait:
        if not daemon.running:
            daemon.start()
        struck = wait(PATIENCE)
    daemon.kill()
    return aim.name if struck else AT_RANDOM


Maker = Callable[[int], Aim]


def _local(folder: Path, state: Path) -> Iterator[Maker]:
    """Moments on this side: a download in the making, in its place, a commit."""
    pulled = folder / OUTPUTS

    def area() -> Collection[Path]:
        return _tree(pulled, hidden=False)

    yield lambda n: Watched("download begun", area, Happening.MADE, _is_temporary, n)
    yield lambda n: Watched("download in place", area, Happening.MOVED_IN, _is_picture, n)
    # Each commit writes the log several times.
    yield lambda n: Watched(
        "in a commit", lambda: [state.parent], Happening.WRITTEN,
        lambda event: event.name == f"{state.name}-wal", n * 7,
    )  # fmt: skip


def _at_directory(boards: Path) -> Iterator[Maker]:
    """Moments on a directory server: an upload in the making, its mark, the item itself."""

    def here() -> Collection[Path]:
        return _tree(boards / BOARD, hidden=False)

    def marks() -> Collection[Path]:
        return [path for path in _tree(boards / BOARD, hidden=True) if path.name == MARKS]

    yield lambda n: Watched("upload begun", marks, Happening.MADE, _is_temporary, n)
    yield lambda n: Watched("mark written", marks, Happening.MOVED_IN, _is_any, n)
    # Twice: it is the moment that this is all about.
    for _ in range(2):
        yield lambda n: Watched("upload stored", here, Happening.MOVED_IN, _is_ours, n)


def _at_answers(proxy: FaultProxy) -> Iterator[Maker]:
    """Moments on the way back from a server."""
    api = "/api/v1"
    for _ in range(3):
        yield lambda n: Answered("upload stored", proxy, f"POST {api}/images/upload", n)
    yield lambda n: Answered("picture fetched", proxy, f"GET {api}/images/i/", n)
    yield lambda n: Answered("board listed", proxy, f"GET {api}/boards/", n)


def _tree(base: Path, *, hidden: bool) -> list[Path]:
    if not base.is_dir():
        return []
    below = [path for path in sorted(base.rglob("*")) if path.is_dir()]
    return [base, *(path for path in below if hidden or not path.name.startswith("."))]


def _is_temporary(event: Event) -> bool:
    return event.name.startswith(TEMPORARY)


def _is_picture(event: Event) -> bool:
    return not event.name.startswith(".")


def _is_ours(event: Event) -> bool:
    return _is_picture(event) and not event.name.startswith("foreign")


def _is_any(event: Event) -> bool:
    return True
