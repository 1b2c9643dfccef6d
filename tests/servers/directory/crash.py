"""Processes that work on a directory and are disturbed while they do; see test_directory_crash*.

`steps WORK ROOT [plain] [DISTURBANCE] [EVERY]` forks one process for each file operation of a
piece of work, or for one in EVERY, and disturbs it right before that operation: ROOT/0000
before the first, and so on until one is through undisturbed. By default it is killed; `edit`,
`rewrite` and `delete`: another program does that to the item. `plain`: as on a filesystem that
knows nothing but link and rename. `mirror ROOT COUNT` uploads what is not there yet, as the
engine does, and prints a line for each, until it is killed.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import traceback
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

from boardsync.errors import ItemChanged, ItemMissing, Missing
from boardsync.files import disk
from boardsync.model import Item, Outcome
from boardsync.servers.directory import DirectoryServer, renames
from servers.contract import picture, stored, upload_of

BOARD, OTHER = "board", "other"
NAME = "sub/picture.png"
KEY = "removal-1"
THEIRS = 7
"""The picture that another program saves."""
DISTURBED = 3

Work = Callable[[Path], Coroutine[None, None, None]]


@dataclass(frozen=True)
class Piece:
    """A piece of work, and what has to be there before it."""

    prepare: Work
    work: Work


def kill(root: Path) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def edit(root: Path) -> None:
    """Save the item as careful programs do: a new file that takes the name."""
    saved = root / "saving"
    saved.write_bytes(picture(THEIRS))
    if (root / BOARD / NAME).parent.is_dir():
        saved.rename(root / BOARD / NAME)


def rewrite(root: Path) -> None:
    """Save the item as careless programs do: over what is there."""
    if (root / BOARD / NAME).exists():
        (root / BOARD / NAME).write_bytes(picture(THEIRS))


def delete(root: Path) -> None:
    (root / BOARD / NAME).unlink(missing_ok=True)


DISTURBANCES: dict[str, Callable[[Path], None]] = {
    "kill": kill, "edit": edit, "rewrite": rewrite, "delete": delete,
}  # fmt: skip


def disturb_before(operation: int, root: Path, disturb: Callable[[Path], None]) -> list[int]:
    """Disturb this process when it is about to touch the root for the n-th time.

    The answer gets an element once that has happened.
    """
    place = str(root)
    seen = count()
    happened: list[int] = []

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        if happened or (event != "open" and not event.startswith("os.")):
            return
        paths = [os.fsdecode(path) for path in arguments if isinstance(path, str | bytes)]
        touches = any(path.startswith(place) for path in paths)
        if touches and next(seen) == operation:
            happened.append(operation)
            disturb(root)

    sys.addaudithook(watch)
    return happened


async def boards_made(root: Path) -> None:
    root.mkdir()
    server = DirectoryServer("crash", root)
    await server.create_board(BOARD)
    await server.create_board(OTHER)


async def one_stored(root: Path) -> None:
    """Store one picture of ours, where another lies at its name on the other board."""
    await boards_made(root)
    server = DirectoryServer("crash", root)
    await server.upload(BOARD, [upload_of(picture(1), NAME)])
    await server.upload(OTHER, [upload_of(picture(9), NAME)])


async def one_in_the_trash(root: Path) -> None:
    await one_stored(root)
    await trash_once(root)


async def upload_once(root: Path) -> None:
    stored((await DirectoryServer("crash", root).upload(BOARD, [upload_of(picture(), NAME)]))[0])


async def move_once(root: Path) -> None:
    server = DirectoryServer("crash", root)
    await server.move(await there(server), OTHER)


async def trash_once(root: Path) -> None:
    server = DirectoryServer("crash", root)
    await server.trash(await there(server), KEY)


async def untrash_once(root: Path) -> None:
    server = DirectoryServer("crash", root)
    [hit] = await server.find(upload_of(picture(1)).mark.token)
    await server.untrash(hit.item_id, OTHER)


async def purge_once(root: Path) -> None:
    server = DirectoryServer("crash", root)
    [hit] = await server.find(upload_of(picture(1)).mark.token)
    await server.purge(hit.item_id)


async def replace_once(root: Path) -> None:
    server = DirectoryServer("crash", root)
    new = replace(upload_of(picture(2)), replaces=await there(server), trash_key=KEY)
    [result] = await server.upload(BOARD, [new])
    if result.outcome is Outcome.CHANGED:
        raise ItemChanged(NAME)
    if result.outcome is not Outcome.STORED:
        raise SystemExit(f"not stored: {result.error}")


async def rename_once(root: Path) -> None:
    await DirectoryServer("crash", root).rename_board(BOARD, "renamed")


async def there(server: DirectoryServer) -> Item:
    items = await server.items(BOARD, [NAME])
    if not items:
        raise ItemMissing(NAME)
    return items[0]


PIECES = {
    "upload": Piece(boards_made, upload_once),
    "move": Piece(one_stored, move_once),
    "trash": Piece(one_stored, trash_once),
    "untrash": Piece(one_in_the_trash, untrash_once),
    "purge": Piece(one_in_the_trash, purge_once),
    "replace": Piece(one_stored, replace_once),
    "rename": Piece(one_stored, rename_once),
}


def forked(function: Callable[[], int]) -> int:
    """Call a function in a fork; return its answer, or less than 0 when it was killed."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = function()
        except BaseException:
            traceback.print_exc()
        os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def disturbed(piece: Piece, root: Path, operation: int, disturb: Callable[[Path], None]) -> int:
    """Do a piece of work on a fresh root, in a fork that is disturbed at an operation.

    Return 0 when it was done before that; what is not done because of it is no error.
    """

    def prepare() -> int:
        asyncio.run(piece.prepare(root))
        return 0

    def work() -> int:
        happened = disturb_before(operation, root, disturb)
        try:
            asyncio.run(piece.work(root))
        except (ItemChanged, Missing):
            return DISTURBED if happened else 1
        return DISTURBED if happened else 0

    if forked(prepare) != 0:
        raise SystemExit("what has to be there before could not be made")
    return forked(work)


def steps(piece: Piece, root: Path, disturb: Callable[[Path], None], every: int) -> None:
    for operation in count(step=every):
        status = disturbed(piece, root / f"{operation:04d}", operation, disturb)
        if status == 0:
            return
        if status not in (DISTURBED, -signal.SIGKILL):
            raise SystemExit(f"operation {operation}: status {status}")


async def mirror(root: Path, pictures: int) -> None:
    server = DirectoryServer("crash", root)
    await server.create_board(BOARD)
    for number in range(1, pictures + 1):
        upload = upload_of(picture(number), f"{number % 3}/same name.png")
        if not await server.find(upload.mark.token):
            await server.upload(BOARD, [upload])
            print(number, flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "mirror":
        asyncio.run(mirror(Path(sys.argv[2]), int(sys.argv[3])))
    else:
        if "plain" in sys.argv:
            disk._LIBC_RENAMEAT2 = None
            renames._LIBC_RENAMEAT2 = None
        chosen = [DISTURBANCES[word] for word in sys.argv[4:] if word in DISTURBANCES]
        every = [int(word) for word in sys.argv[4:] if word.isdigit()]
        steps(PIECES[sys.argv[2]], Path(sys.argv[3]), [*chosen, kill][0], [*every, 1][0])
