"""What people do meanwhile, on both sides, each act drawn from one seeded source."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatch

from boardsync.model import Category
from boardsync.servers.memory import MemoryServer, Stored
from sim.ledger import Ledger
from sim.loop import SimLoop
from sim.pictures import SIZE, plain
from sim.setup import AWAY, BENEATH, FOLDER, SUBFOLDERS, Setup
from sim.tree import Tree

IGNORE = FOLDER + b"/.boardsyncignore"
DIRECTORIES = (b"", *SUBFOLDERS, b"one/deep", b"two/outputs", b"outputs")
Hint = Callable[[bytes, bool], None]
"""Tells the process of a path; True when its writer closed it."""


@dataclass(slots=True)
class People:
    """Everybody but the daemon. hint: where the kernel tells of changes, when it does."""

    setup: Setup
    disk: Tree
    server: MemoryServer
    ledger: Ledger
    loop: SimLoop
    source: random.Random
    journal: Callable[[str], None]
    hint: Hint
    made: int = 0
    away: bool = False
    unmounted: bool = False

    def act(self) -> None:
        """Do something, if there is anything to do it to."""
        if self.away:
            self.source.choice(self._acts_on_the_server())()
            return
        acts = [self._add, self._add, self._add, self._rewrite, self._rename, self._move,
                self._delete, self._copy, self._back_again, self._slowly, self._rename_directory,
                self._delete_directory, self._ignore]  # fmt: skip
        self.source.choice([*acts, *self._acts_on_the_server()])()
        self._note_hidden()

    def _acts_on_the_server(self) -> list[Callable[[], None]]:
        return [self._put_item, self._put_item, self._put_item, self._edit_item,
                self._remove_item, self._move_item, self._star_item, *self._rarely()]  # fmt: skip

    def _rarely(self) -> list[Callable[[], None]]:
        return [self._delete_board] if self.setup.wide else []

    def unmount(self) -> None:
        """Take the folder's disk away: an empty directory is left."""
        self.journal("person: unmounts the disk")
        self.away = self.unmounted = True
        self.disk.rename(FOLDER, AWAY)
        self.disk.make(FOLDER)
        self.loop.call_later(self.source.choice((3.0, 30.0, 200.0)), self.mount)

    def mount(self) -> None:
        """Bring the disk back, over what was written beneath it."""
        if not self.away:
            return
        self.journal("person: mounts the disk")
        self.away = False
        self.disk.rename(FOLDER, BENEATH + b"/%d" % self._number())
        self.disk.rename(AWAY, FOLDER)
        self.hint(b"", False)

    def put_back(self) -> None:
        """Do what the daemon asks for where a disk is empty: put back what lies beneath it."""
        for path, content in self.disk.files(BENEATH).items():
            if _is_picture(path):
                relative = path[len(BENEATH) + 1 :].partition(b"/")[2]
                self.journal(f"person: puts {relative!r} back onto the disk")
                self.disk.put(FOLDER + b"/" + relative, content)

    # --- in the folder --------------------------------------------------------------------

    def _add(self) -> None:
        self._write(self._new_path(), self.ledger.new(), "add")

    def _rewrite(self) -> None:
        path = self._a_file()
        if path is not None:
            self._write(path, self.ledger.new(), "rewrite")

    def _back_again(self) -> None:
        """An old content comes back, to where it was or anywhere."""
        known = self.ledger.all()
        path = self._a_file()
        if known and path is not None:
            self._write(path, self.source.choice(known), "write old content")

    def _copy(self) -> None:
        path = self._a_file()
        if path is not None:
            self._write(self._new_path(), self._content(path), "copy")

    def _slowly(self) -> None:
        """Somebody writes half, pauses, and goes on: no matter what happens meanwhile."""
        path, content = self._new_path(), self.ledger.new()
        before = self.disk.find(path)
        old = None if before is None else before.data
        self.journal(f"person: begins to write {path!r}")
        self.disk.put(path, content[: len(content) // 2])
        if old is not None:
            self.ledger.went(old)
        self._tell(path, closed=False)

        def go_on() -> None:
            if self.disk.find(path) is not None and not self.away:
                self._write(path, content, "finish")

        self.loop.call_later(self.source.choice((0.5, 3.0, 15.0)), go_on)

    def _write(self, path: bytes, content: bytes, word: str) -> None:
        before = self.disk.find(path)
        old = None if before is None else before.data
        self.journal(f"person: {word} {path!r} {self.ledger.word(content)}")
        self.disk.put(path, content)
        self.ledger.came(content)
        if old is not None and old != content:
            self.ledger.went(old)
        self._tell(path, closed=True)

    def _rename(self) -> None:
        path = self._a_file()
        if path is not None:
            self._rename_to(path, os.path.dirname(path) + b"/" + self._new_name())

    def _move(self) -> None:
        path = self._a_file()
        if path is not None:
            self._rename_to(path, self._new_path())

    def _rename_to(self, path: bytes, target: bytes) -> None:
        there = self.disk.find(target)
        if there is not None and (there.directory or there is self.disk.find(path)):
            return
        content, old = self._content(path), None if there is None else there.data
        self.journal(f"person: rename {path!r} to {target!r} {self.ledger.word(content)}")
        self.disk.rename(path, target)
        self.ledger.touched(content)
        if old is not None:
            self.ledger.went(old)
        self._tell(path, closed=False)
        self._tell(target, closed=True)

    def _delete(self) -> None:
        path = self._a_file()
        if path is not None:
            content = self._content(path)
            self.journal(f"person: delete {path!r} {self.ledger.word(content)}")
            self.disk.drop(path)
            self.ledger.went(content)
            self._tell(path, closed=False)

    def _rename_directory(self) -> None:
        path = self._a_directory()
        if path is not None:
            self.rename_directory(path)

    def rename_directory(self, path: bytes) -> None:
        """Give a directory another name."""
        target = os.path.dirname(path) + b"/d%d" % self._number()
        if self.disk.find(target) is not None:
            return
        self.journal(f"person: rename directory {path!r} to {target!r}")
        for content in self.disk.files(path).values():
            self.ledger.touched(content)
        self.disk.rename(path, target)
        self._tell(path, closed=False)
        self._tell(target, closed=False)

    def _delete_directory(self) -> None:
        path = self._a_directory()
        if path is None:
            return
        contents = self.disk.files(path).values()
        self.journal(f"person: delete directory {path!r}")
        self.disk.drop(path)
        for content in contents:
            self.ledger.went(content)
        self._tell(path, closed=False)

    def _ignore(self) -> None:
        rules = self.source.choice((b"", b"", b"*7.png\n", b"two/\n", b"deep/\n*3.png\n"))
        self.journal(f"person: ignores {rules!r}")
        if rules:
            self.disk.put(IGNORE, rules)
            # What was moved away from there before: nobody may have looked since.
            self.ledger.hidden |= self.ledger.local_touched
        elif self.disk.find(IGNORE) is not None:
            self.disk.drop(IGNORE)
        self._tell(IGNORE, closed=True)

    def _note_hidden(self) -> None:
        """Tell the ledger what a rule hides now: nobody sees what becomes of it meanwhile."""
        if self.disk.find(IGNORE) is None:
            return
        rules = self._content(IGNORE).splitlines()
        for path, content in self.disk.files(FOLDER).items():
            if any(_hides(rule, path[len(FOLDER) + 1 :]) for rule in rules):
                self.ledger.hidden.add(plain(content))

    # --- on the server --------------------------------------------------------------------

    def _put_item(self) -> None:
        boards = [one for one in self.server._boards.values() if one.name in self._board_names()]
        if not boards:
            return
        board, content = self.source.choice(boards), self.ledger.new()
        whole = self.source.random() < 0.8
        name = f"o{self._number()}.png"
        category = self.source.choice((Category.GENERAL, Category.GENERAL, Category.USER))
        item = self.server.put(
            board.board_id, name, content, category=category, whole=whole, size=SIZE
        )
        self.journal(f"person: puts {self.ledger.word(content)} on {board.name}: {item.item_id}")
        self.ledger.came(content, remote=True)
        if not whole:
            self.ledger.kept.discard(content)
            stored = self.server._stock.one(item)
            wait = self.source.choice((0.5, 5.0, 40.0))
            self.loop.call_later(wait, self._finish, stored)

    def _finish(self, stored: Stored) -> None:
        stored.whole = True
        if any(one is stored for one in self.server._stored.values()):
            self.ledger.kept.add(plain(stored.content))

    def _edit_item(self) -> None:
        stored = self._an_item()
        if stored is None or not self.server.capabilities.mutable:
            return
        content = self.ledger.new()
        self.journal(f"person: edits {stored.item.item_id} {self.ledger.word(content)}")
        self.server.replace(stored.item, content)
        self.ledger.edited[content] = plain(stored.content)
        self.ledger.came(content, remote=True)
        self.ledger.went(stored.content, remote=True)

    def _remove_item(self) -> None:
        stored = self._an_item()
        if stored is not None:
            word = self.ledger.word(stored.content)
            self.journal(f"person: removes {stored.item.item_id} {word}")
            self.server.remove(stored.item)
            self.ledger.went(stored.content, remote=True)

    def _move_item(self) -> None:
        stored = self._an_item()
        if stored is None:
            return
        board = self.source.choice([*self.server._boards.values()])
        word = self.ledger.word(stored.content)
        self.journal(f"person: moves {stored.item.item_id} {word} to {board.name}")
        self.ledger.touched(stored.content, remote=True)
        self.server.relocate(stored.item, board.board_id)

    def _star_item(self) -> None:
        stored = self._an_item()
        if stored is not None:
            self.journal(f"person: stars {stored.item.item_id}")
            self.server.star(stored.item, starred=self.source.random() < 0.7)

    def _delete_board(self) -> None:
        """Delete a board with all that lies on it; at times one of that name is made anew."""
        boards = [one for one in self.server._boards.values() if one.board_id is not None]
        if not boards or self.source.random() < 0.5:
            return
        board = self.source.choice(boards)
        contents = [one.content for one in self.server.on_board(board.board_id)]
        self.journal(f"person: deletes board {board.name} with {len(contents)} items")
        self.server.drop_board(board.board_id)
        for content in contents:
            self.ledger.went(content, remote=True)
        if self.source.random() < 0.5:
            self.make_board(board.name)

    def make_board(self, name: str) -> None:
        """Make a board, as a server's user does."""
        self.journal(f"person: makes board {name}")
        self.server.add_board(name)

    # --- choosing -------------------------------------------------------------------------

    def _board_names(self) -> list[str]:
        return [*self.setup.board_names, "elsewhere"]

    def _an_item(self) -> Stored | None:
        there = [one for one in self.server._stored.values() if not one.item.trashed]
        return self.source.choice(there) if there else None

    def _a_file(self) -> bytes | None:
        there = [one for one in self.disk.files(FOLDER) if _is_picture(one)]
        return self.source.choice(there) if there else None

    def _a_directory(self) -> bytes | None:
        there = self.disk.directories(FOLDER)
        return self.source.choice(there) if there else None

    def _content(self, path: bytes) -> bytes:
        return self.disk.need(path).data

    def _new_path(self) -> bytes:
        directory = self.source.choice(DIRECTORIES)
        return b"/".join(part for part in (FOLDER, directory, self._new_name()) if part)

    def _new_name(self) -> bytes:
        """Return a name that is new, or one that differs from another only in case."""
        number = self._number()
        if number > 2 and self.source.random() < 0.2:
            number -= self.source.randrange(1, 3)
        return self.source.choice((b"p%d.png", b"p%d.png", b"P%d.PNG")) % number

    def _number(self) -> int:
        self.made += 1
        return self.made

    def _tell(self, path: bytes, *, closed: bool) -> None:
        """Hint, as the kernel does; at times it does not."""
        if self.source.random() < 0.8:
            self.hint(path[len(FOLDER) + 1 :], closed)


def _is_picture(path: bytes) -> bool:
    name = os.path.basename(path)
    return name.lower().endswith(b".png") and not name.startswith(b".")


def _hides(rule: bytes, path: bytes) -> bool:
    *directories, name = path.split(b"/")
    return rule.rstrip(b"/") in directories if rule.endswith(b"/") else fnmatch(name, rule)
