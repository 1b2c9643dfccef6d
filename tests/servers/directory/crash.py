"""A process that uploads to a directory and is killed while it does; see test_directory_crash.

`steps ROOT [no-renameat2]` forks one process for each file operation of an upload, and kills
it right before that operation: ROOT/0000 before the first, and so on until one is through.
`mirror ROOT COUNT` uploads what is not there yet, as the engine does, and prints a line for
each, until it is killed.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from itertools import count
from pathlib import Path

from boardsync.files import durable
from boardsync.model import Outcome
from boardsync.servers.directory import DirectoryServer
from servers.contract import picture, upload_of

BOARD = "board"
NAME = "sub/picture.png"

Work = Callable[[Path], Coroutine[None, None, None]]


def kill_before(operation: int, root: Path) -> None:
    """Kill this process when it is about to touch the board for the n-th time."""
    place = os.path.join(root, BOARD)
    seen = count()

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        if event != "open" and not event.startswith("os."):
            return
        paths = [os.fsdecode(path) for path in arguments if isinstance(path, str | bytes)]
        touches = any(path.startswith(place) for path in paths)
        if touches and next(seen) == operation:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)


async def upload_once(root: Path) -> None:
    [result] = await DirectoryServer("crash", root).upload(BOARD, [upload_of(picture(), NAME)])
    if result.outcome is not Outcome.STORED:
        raise SystemExit(f"not stored: {result.error}")


async def prepare(root: Path) -> None:
    root.mkdir()
    await DirectoryServer("crash", root).create_board(BOARD)


def run_forked(work: Work, root: Path, operation: int | None) -> int:
    """Run work on `root` in a fork; return its exit status as `waitpid` gives it."""
    child = os.fork()
    if child == 0:
        if operation is not None:
            kill_before(operation, root)
        asyncio.run(work(root))
        os._exit(0)
    return os.waitpid(child, 0)[1]


def steps(root: Path) -> None:
    for operation in count():
        place = root / f"{operation:04d}"
        if run_forked(prepare, place, None) != 0:
            raise SystemExit("the board could not be made")
        status = run_forked(upload_once, place, operation)
        if os.waitstatus_to_exitcode(status) == 0:
            return
        if not os.WIFSIGNALED(status):
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
        if "no-renameat2" in sys.argv:
            durable._LIBC_RENAMEAT2 = None
        steps(Path(sys.argv[2]))
