"""The hands that never rest: they write files into the folder and pictures onto the board.

All that they do follows from the seed and is written into the ledger before anybody looks.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Collection
from pathlib import Path

from torture.boards import Board
from torture.ledger import Ledger, digest_of
from torture.pictures import picture, pixels_of
from torture.writing import write

HABITS = {"rewrite": 0.6, "rename": 0.3, "copy": 0.3, "bring_back": 0.2}
"""What is done beside adding pictures on both sides, and in what share of the rounds."""
FOLDERS = ("", "a", "a/b", "c d", "\u00fcmlaut")


class Hands:
    """Changes both sides of one mirror.

    without: habits that they leave, by name. pixels: what the pictures that were written into
    the folder show, by their identity.
    """

    def __init__(
        self, folder: Path, board: Board, ledger: Ledger, chance: random.Random,
        without: Collection[str] = (),
    ) -> None:  # fmt: skip
        self.pixels: dict[str, str] = {}
        self._folder = folder
        self._board = board
        self._ledger = ledger
        self._chance = chance
        self._habits = {habit: share for habit, share in HABITS.items() if habit not in without}
        self._number = 0
        self._foreign: list[str] = []
        self._thread: threading.Thread | None = None
        self._failure: BaseException | None = None
        for below in FOLDERS:
            (folder / below).mkdir(parents=True, exist_ok=True)

    def work(self, seconds: float) -> None:
        """Begin some changes that take about so long, after those that are under way."""
        self.rest()
        changes: list[Callable[[], None]] = [self.add] * self._chance.randint(3, 8)
        changes += [self.put_foreign] * self._chance.randint(1, 3)
        for habit, share in self._habits.items():
            if self._chance.random() < share:
                changes.append(getattr(self, habit))
        self._chance.shuffle(changes)
        pauses = [self._chance.uniform(0, 2 * seconds / len(changes)) for _ in changes]
        self._thread = threading.Thread(target=self._carry_out, args=(changes, pauses))
        self._thread.start()

    def rest(self) -> None:
        """Wait until the changes are done. Raises, once, what went wrong with them."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    def add(self) -> None:
        """Write a new file; sometimes under a name that the board has for another picture."""
        if self._foreign and self._chance.random() < 0.1:
            path = self._foreign.pop()
            self._write(path, self._another(path))
        else:
            extension, content = self._picture()
            self._write(self._path(f"{self._number:05}{extension}"), content)

    def rewrite(self) -> None:
        """Write another picture over one that is there."""
        if self._ledger.files:
            path = self._any_file()
            self._write(path, self._another(path))

    def bring_back(self) -> None:
        """Write another picture over one that is there, and a little later the old one again."""
        if self._ledger.files:
            path = self._any_file()
            content = (self._folder / path).read_bytes()
            self._write(path, self._another(path))
            time.sleep(self._chance.uniform(0, 1))
            self._write(path, content)

    def copy(self) -> None:
        """Write a file's picture to a second path."""
        if self._ledger.files:
            path = self._any_file()
            target = self._path(f"copy-{self._next():05}{Path(path).suffix}")
            self._write(target, (self._folder / path).read_bytes())

    def rename(self) -> None:
        """Give a file another path."""
        if self._ledger.files:
            path = self._any_file()
            target = self._path(f"renamed-{self._next():05}{Path(path).suffix}")
            (self._folder / path).rename(self._folder / target)
            self._ledger.renamed(path, target)

    def put_foreign(self) -> None:
        """Put a picture on the board as somebody else does."""
        extension, content = self._picture()
        name = f"foreign-{self._number:05}{extension}"
        identity = self._board.put(name, content, slowly=self._chance.random() < 0.3)
        self._ledger.put(identity)
        self._foreign.append(name)

    def _write(self, path: str, content: bytes) -> None:
        digest = digest_of(content)
        self.pixels[digest] = pixels_of(content)
        write(self._folder / path, content, slowly=self._chance.random() < 0.3)
        self._ledger.wrote(path, digest)

    def _carry_out(self, changes: list[Callable[[], None]], pauses: list[float]) -> None:
        try:
            for change, pause in zip(changes, pauses, strict=True):
                time.sleep(pause)
                change()
        except BaseException as error:
            self._failure = error

    def _any_file(self) -> str:
        return self._chance.choice(sorted(self._ledger.files))

    def _path(self, name: str) -> str:
        below = self._chance.choice(FOLDERS)
        return f"{below}/{name}" if below else name

    def _next(self) -> int:
        self._number += 1
        return self._number

    def _picture(self) -> tuple[str, bytes]:
        return picture(self._next())

    def _another(self, path: str) -> bytes:
        """Return a new picture of the format that a file's name promises."""
        extension, content = self._picture()
        while extension != Path(path).suffix:
            extension, content = self._picture()
        return content
