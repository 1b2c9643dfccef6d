"""What people made, so that at the end it can be told what must be where, from history alone."""

from __future__ import annotations

from collections import Counter

from boardsync.files.durable import TEMP_PREFIX
from boardsync.servers.memory import MemoryServer
from sim.pictures import picture, plain
from sim.setup import SIM
from sim.tree import Tree


class Ledger:
    """Counts what people did, whoever encoded the pictures. kept: those that must not be lost.

    local, remote: how often people themselves put a content into the folder or on a board.
    local_touched, remote_touched: contents of which people removed, changed or moved a copy
    there, so that it may be missing on the other side. hidden: contents that a rule of theirs
    once hid. restored: how often they wanted its files again that were gone. edited: for
    contents that people gave to an item that was there, the one before.
    """

    def __init__(self, disk: Tree, server: MemoryServer) -> None:
        self._disk = disk
        self._server = server
        self._numbers: dict[bytes, int] = {}
        self.kept: set[bytes] = set()
        self.local: Counter[bytes] = Counter()
        self.remote: Counter[bytes] = Counter()
        self.local_touched: set[bytes] = set()
        self.remote_touched: set[bytes] = set()
        self.hidden: set[bytes] = set()
        self.restored: Counter[bytes] = Counter()
        self.edited: dict[bytes, bytes] = {}

    def new(self) -> bytes:
        """Make a picture that never was."""
        number = len(self._numbers) + 1
        content = picture(number)
        self._numbers[content] = number
        return content

    def knows(self, content: bytes) -> bool:
        """Tell whether a content is a whole picture that people made."""
        return plain(content) in self._numbers

    def word(self, content: bytes) -> str:
        """Return a short name for a content."""
        number = self._numbers.get(plain(content))
        return f"#{number}" if number is not None else f"?{len(content)}"

    def edited_on_both_sides(self, content: bytes) -> bool:
        """Tell whether people edited an item to this, and rewrote or moved a file of it, too."""
        content = plain(content)
        while content in self.edited:
            content = self.edited[content]
            if content in self.local_touched:
                return True
        return False

    def all(self) -> list[bytes]:
        """Return every picture there ever was."""
        return list(self._numbers)

    def everywhere(self) -> set[bytes]:
        """Return all contents that are somewhere now. What is still on its way there is not."""
        return self._among(self._disk.files(SIM))

    def _among(self, files: dict[bytes, bytes]) -> set[bytes]:
        """Return what these files and the server hold."""
        found = {one for path, one in files.items() if TEMP_PREFIX not in path}
        found.update(one.content for one in self._server._stored.values() if one.whole)
        return {plain(one) for one in found}

    def came(self, content: bytes, *, remote: bool = False) -> None:
        """People put a content somewhere."""
        content = plain(content)
        (self.remote if remote else self.local)[content] += 1
        if content in self._numbers:
            self.kept.add(content)

    def went(self, content: bytes, *, remote: bool = False) -> None:
        """People took a copy away: what is nowhere else for certain was theirs to lose."""
        self.touched(content, remote=remote)
        self.kept &= self._among(self._disk.durable_files())

    def touched(self, content: bytes, *, remote: bool = False) -> None:
        """People moved or changed a copy."""
        (self.remote_touched if remote else self.local_touched).add(plain(content))

    def lost(self) -> list[str]:
        """Return what must be somewhere and is not."""
        return sorted(self.word(one) for one in self.kept - self.everywhere())
