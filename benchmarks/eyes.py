"""Looks at what others see on a server, all the time, from a thread of its own."""

from __future__ import annotations

import contextlib
import threading
import time
import urllib.error
import urllib.request
from abc import ABC, abstractmethod
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from real.invokeai_server import RealInvokeAI
from torture.pictures import pixels_of
from torture.writing import visible


class BoardEye(ABC):
    """Sees everything that ever lies on the boards, in our trash too.

    seen: what pictures show, and when that was seen first. names: of these pictures. torn: what
    cannot be decoded.
    """

    every = 0.05

    def __init__(self) -> None:
        self.seen: dict[str, float] = {}
        self.names: dict[str, str] = {}
        self.torn: list[str] = []
        self._ended = threading.Event()

    @contextmanager
    def open(self) -> Iterator[None]:
        """Look until the block ends, and once more then."""
        with ThreadPoolExecutor(1) as pool:
            looking = pool.submit(self._look_on)
            try:
                yield
            finally:
                self._ended.set()
                looking.result()  # why nothing was seen, where that is the trouble

    def _look_on(self) -> None:
        while not self._ended.wait(self.every):
            self._look()
        self._look()

    def _look(self) -> None:
        for name, content in self.new():
            try:
                shows = pixels_of(content)
            except OSError as error:
                self.torn.append(f"{name}: {error}")
            else:
                self.seen.setdefault(shows, time.monotonic())
                self.names.setdefault(shows, name)

    @abstractmethod
    def new(self) -> Iterator[tuple[str, bytes]]:
        """Yield names and contents of what was not there at the last look."""


class DirectoryEye(BoardEye):
    """Of boards in a directory."""

    def __init__(self, boards: Path) -> None:
        super().__init__()
        self._boards = boards
        self._known: set[tuple[str, int, int, int]] = set()

    def new(self) -> Iterator[tuple[str, bytes]]:
        for base in (self._boards, self._boards / ".boardsync" / "trash"):
            for path in visible(base):
                with contextlib.suppress(FileNotFoundError):
                    told = path.stat()
                    key = (str(path), told.st_ino, told.st_size, told.st_mtime_ns)
                    if key not in self._known:
                        content = path.read_bytes()
                        self._known.add(key)
                        yield path.name, content


class InvokeAIEye(BoardEye):
    """Of a real InvokeAI: what its API lists, of every board, and gives out."""

    every = 0.25

    def __init__(self, server: RealInvokeAI) -> None:
        super().__init__()
        self._server = server
        self._known: set[str] = set()

    def new(self) -> Iterator[tuple[str, bytes]]:
        told = self._server.request("GET", "/images/names?is_intermediate=false")
        for name in told["image_names"]:
            if name not in self._known:
                address = f"{self._server.url}/api/v1/images/i/{name}/full"
                # What was moved away or deleted since it was listed is looked at no more.
                with contextlib.suppress(urllib.error.HTTPError):
                    with urllib.request.urlopen(address, timeout=60) as answer:
                        content = answer.read()
                    self._known.add(name)
                    yield name, content
