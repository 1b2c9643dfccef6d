"""Giving a board's directory another name, in a way that a repeat after a kill recognises."""

from __future__ import annotations

import errno
import json
import os

from boardsync.errors import BoardMissing, ServerRefused
from boardsync.files.durable import fsync_directory, move_without_replacing, write_atomically
from boardsync.model import Board
from boardsync.servers.directory.boards import DirectoryBoards
from boardsync.servers.directory.marks import make_marks_folder, marks_folder
from boardsync.servers.directory.names import require_board_name
from boardsync.servers.directory.trouble import classified
from boardsync.servers.port import BoardId

_FORMER = "former-names"
_MOST_NAMES = 100
_MAX_BYTES = 1 << 16
_TAKEN = frozenset({errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR})


def rename_board(boards: DirectoryBoards, board_id: BoardId, name: str) -> Board:
    """Rename a board. A directory's name is its id, so the answer has another one.

    The board remembers what it was called: asked again after a kill, the same question gets
    the same answer. Raises BoardMissing, ServerRefused when the name is taken or unusable.
    """
    target = os.path.join(boards.require(claim=True), require_board_name(name))
    with classified(f"board {board_id!r}: renaming it to {name!r}"):
        try:
            path = boards.open(board_id)
        except BoardMissing:
            if str(board_id) not in _former_names(target):
                raise
            return Board(name, name)
        if path != target:
            _remember(path)
            _rename(path, target)
    return Board(name, name)


def _rename(path: str, target: str) -> None:
    try:
        move_without_replacing(path, target)
    except OSError as error:
        if error.errno == errno.EOPNOTSUPP and not os.path.lexists(target):
            _rename_plainly(path, target)
        elif error.errno in _TAKEN:
            raise _taken(path, target) from error
        else:
            raise


def _rename_plainly(path: str, target: str) -> None:
    """Rename a directory where the kernel cannot promise not to replace.

    At worst that replaces an empty directory, made by somebody in this very moment.
    """
    try:
        os.rename(path, target)
    except OSError as error:
        if error.errno in _TAKEN:
            raise _taken(path, target) from error
        raise
    fsync_directory(os.path.dirname(target))


def _taken(path: str, target: str) -> ServerRefused:
    name = os.path.basename(target)
    return ServerRefused(
        f"board {os.path.basename(path)!r}: cannot be called {name!r}, because {target} is there "
        "already; choose another name"
    )


def _remember(path: str) -> None:
    """Write down what a board is called, before that changes."""
    names = [*_former_names(path), os.path.basename(path)][-_MOST_NAMES:]
    beside = make_marks_folder(path)
    body = json.dumps(list(dict.fromkeys(names))).encode()
    write_atomically(os.path.join(beside, _FORMER), body)


def _former_names(path: str) -> list[str]:
    """Read what a board was called before; nothing when it is not there, or never renamed."""
    try:
        with open(os.path.join(marks_folder(path), _FORMER), "rb") as stream:
            body = json.loads(stream.read(_MAX_BYTES))
    except (FileNotFoundError, NotADirectoryError, ValueError, RecursionError):
        return []
    return [name for name in body if isinstance(name, str)] if isinstance(body, list) else []
