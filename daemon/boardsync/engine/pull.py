"""Carries out downloads: whole, once, and never over a file that is there.

Bytes land in a hidden temporary file beside their place, are checked and made durable; then
item, final name and digest are recorded, and only then comes the rename, which never replaces.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
from dataclasses import dataclass
from typing import Any

import structlog

from boardsync.engine.attempt import blame, postpone
from boardsync.engine.clock import now_ms
from boardsync.engine.context import Mirror
from boardsync.errors import (
    BoardsyncError,
    FileChanging,
    FolderAway,
    ItemMissing,
    NoRoom,
    Refused,
)
from boardsync.files.durable import (
    TEMP_PREFIX,
    make_directories,
    move_without_replacing,
    remove_if_there,
    sync_and_close,
)
from boardsync.files.snapshot import digest_file, stat_of
from boardsync.local.root import open_root
from boardsync.model import Download, FileStat, Item, TransferState
from boardsync.plan.names import numbered, safe_name
from boardsync.state import links, observations, places, runs, transfers
from boardsync.state.records import BoardRecord, TransferRecord

log = structlog.get_logger(__name__)

MOST_NUMBERS = 10_000
TORN_TRIES = 10
TORN_SECONDS = 180.0
"""An item that is still not whole after so many tries and so long is broken on the server."""
TORN_LONGEST_WAIT = 30.0


@dataclass(frozen=True, slots=True)
class Landed:
    """Bytes that lie whole and durable in the temporary file."""

    digest: str
    temporary: bytes


class Puller:
    """Carries out the downloads of one mirror."""

    def __init__(self, mirror: Mirror) -> None:
        self._mirror = mirror

    async def carry(self, transfer: TransferRecord) -> None:
        """Carry out one transfer. Errors end in the state, never in the caller."""
        with self._mirror.state.read() as connection:
            board = places.board_by_id(connection, transfer.board)
        try:
            if transfer.state is not TransferState.PLACING or not await self._resume(
                board, transfer
            ):
                await self._fetch_and_place(board, transfer)
            self._mirror.gate.worked()
        except ItemMissing:
            await self._mirror.state.write(lambda c: transfers.finish(c, transfer.id))
            log.info("gone from the board before it was fetched", item=transfer.item_id)
        except BoardsyncError as error:
            await self._failed(board, transfer, error)

    async def _fetch_and_place(self, board: BoardRecord, transfer: TransferRecord) -> None:
        item = await self._describe(board, transfer)
        directory = self._mirror.layout.pull_directory(board.subfolder)
        target = directory + b"/" + local_name(item)
        landed = await self._fetch(item, os.path.dirname(target))
        known = self._known_version(board, transfer, landed.digest)
        if known is not None:
            # The same bytes under a new version: nothing to write, only to record.
            await asyncio.to_thread(remove_if_there, self._mirror.absolute(landed.temporary))
            await self._agree(board, transfer, item, known, landed.digest)
            return
        await self._place(board, transfer, item, target, landed)

    async def _describe(self, board: BoardRecord, transfer: TransferRecord) -> Item:
        assert transfer.item_id is not None  # noqa: S101
        items = await self._mirror.server.items(board.server_id, [transfer.item_id])
        if not items:
            raise ItemMissing(f"item {transfer.item_id} is not on the server any more")
        return items[0]

    async def _fetch(self, item: Item, directory: bytes) -> Landed:
        """Download into the temporary file; durable when this returns."""
        relative = directory + b"/" + _temporary_name(self._mirror, item)
        path = self._mirror.absolute(relative)
        stream = await asyncio.to_thread(_open_temporary, self._mirror.root, path)
        try:
            got: Download = await self._mirror.server.download(item, stream)
            await asyncio.to_thread(_finish_temporary, stream, path, item)
        except BaseException as error:
            stream.close()
            await asyncio.shield(asyncio.to_thread(remove_if_there, path))
            if isinstance(error, OSError):
                raise _disk_error(error, path) from error
            raise
        return Landed(got.digest, relative)

    def _known_version(
        self, board: BoardRecord, transfer: TransferRecord, digest: str
    ) -> bytes | None:
        """Return the path of a link of this very item that already holds these bytes."""
        with self._mirror.state.read() as connection:
            for known in links.of_item(connection, board.id, str(transfer.item_id)):
                if known.digest == digest:
                    return known.path
        return None

    async def _place(
        self, board: BoardRecord, transfer: TransferRecord, item: Item, target: bytes,
        landed: Landed,
    ) -> None:  # fmt: skip
        """Move the bytes to their final name, or the next free one, recording it first."""
        for number in range(1, MOST_NUMBERS):
            final = _numbered(target, number)
            await self._note_placing(transfer, final, landed)
            if await asyncio.to_thread(self._put, final, landed):
                await self._agree(board, transfer, item, final, landed.digest)
                log.info("downloaded", path=final, item=item.item_id, board=board.name)
                return
        raise Refused(f"no free name for {os.fsdecode(target)} after {MOST_NUMBERS} tries")

    def _put(self, final: bytes, landed: Landed) -> bool:
        """Rename into place. True also when these very bytes are there already."""
        temporary, path = self._mirror.absolute(landed.temporary), self._mirror.absolute(final)
        try:
            move_without_replacing(temporary, path)
        except FileExistsError:
            if not _holds(path, landed.digest):
                return False
            remove_if_there(temporary)
        except OSError as error:
            raise _disk_error(error, path) from error
        return True

    async def _note_placing(
        self, transfer: TransferRecord, final: bytes, landed: Landed
    ) -> None:  # fmt: skip
        moment = now_ms(self._mirror.clock)
        await self._mirror.state.write(
            lambda c: transfers.change(
                c, transfer.id, moment, state=TransferState.PLACING.value, final=final,
                temporary=landed.temporary, got=landed.digest,
            )
        )  # fmt: skip

    async def _resume(self, board: BoardRecord, transfer: TransferRecord) -> bool:
        """Go on where the last process ended. False: start over."""
        if transfer.final is None or transfer.temporary is None or transfer.got is None:
            return False
        item = await self._describe(board, transfer)
        if await asyncio.to_thread(_holds, self._mirror.absolute(transfer.final), transfer.got):
            await asyncio.to_thread(remove_if_there, self._mirror.absolute(transfer.temporary))
            await self._agree(board, transfer, item, transfer.final, transfer.got)
            return True
        temporary = self._mirror.absolute(transfer.temporary)
        if not await asyncio.to_thread(_holds, temporary, transfer.got):
            return False
        directory = self._mirror.layout.pull_directory(board.subfolder)
        landed = Landed(transfer.got, transfer.temporary)
        await self._place(board, transfer, item, directory + b"/" + local_name(item), landed)
        return True

    async def _agree(
        self, board: BoardRecord, transfer: TransferRecord, item: Item, path: bytes, digest: str
    ) -> None:
        """Observation, link and transfer in one transaction."""
        try:
            stat = await asyncio.to_thread(_stat, self._mirror.absolute(path))
        except OSError as error:
            raise FileChanging(f"{os.fsdecode(path)}: vanished while it was placed") from error
        now = self._mirror.clock.now_ns()
        moment = now // 1_000_000

        def write(c: Any) -> None:
            observations.put_file(c, transfer.mirror, path, stat, digest, now)
            new = links.NewLink(
                mirror=transfer.mirror, path=path, digest=digest, board=board.id,
                item_id=item.item_id, version=item.version, made="pull", run=transfer.run,
            )  # fmt: skip
            links.agree(c, new, moment)
            transfers.finish(c, transfer.id)
            runs.count(c, transfer.run, moment, downloaded=1)

        await self._mirror.state.write(write)

    async def _failed(
        self, board: BoardRecord, transfer: TransferRecord, error: BoardsyncError
    ) -> None:
        """Record a failure and when to try again, or that this item is broken for good."""
        moment = now_ms(self._mirror.clock)
        attempts = transfer.attempts + 1
        if isinstance(error, Refused) or _broken(transfer, error, attempts, moment):
            await self._refuse(transfer, str(error), moment)
            return
        await blame(self._mirror, board.id, error)
        # Being written right now: seconds, not minutes.
        torn = min(TORN_LONGEST_WAIT, 0.1 * 1.5**attempts)
        wait = torn if isinstance(error, FileChanging) else None
        await postpone(self._mirror, transfer, error, TransferState.READY, seconds=wait)

    async def _refuse(self, transfer: TransferRecord, reason: str, moment: int) -> None:
        def write(c: Any) -> None:
            transfers.change(
                c, transfer.id, moment, state=TransferState.REFUSED.value, error=reason
            )
            runs.count(c, transfer.run, moment, refused=1)

        await self._mirror.state.write(write)
        log.warning("cannot be fetched", item=transfer.item_id, reason=reason)


def local_name(item: Item) -> bytes:
    """Return the file name for an item: the server's name, made safe, with a fitting extension."""
    parts = [safe_name(part) for part in item.item_id.split("/") if part not in ("", ".", "..")]
    name = "/".join(parts) or "picture"
    if item.extension and not name.lower().endswith(item.extension):
        name += item.extension
    return name.encode("utf-8", "surrogateescape")


async def sweep(mirror: Mirror) -> int:
    """Remove temporary files of pulls that no transfer owns. Returns how many."""
    if mirror.layout.pull_into is None:
        return 0
    with mirror.state.read() as connection:
        kept = transfers.temporaries(connection, mirror.number)
        bound = places.boards(connection, mirror.number)
    directories = {mirror.layout.pull_directory(board.subfolder) for board in bound}
    try:
        return await asyncio.to_thread(_sweep, mirror, directories, kept)
    except OSError as error:
        log.warning("litter of an interrupted download could not be removed", error=str(error))
        return 0


def _sweep(mirror: Mirror, directories: set[bytes], kept: set[bytes]) -> int:
    removed = 0
    for directory in directories:
        for where, _, names in os.walk(mirror.absolute(directory)):
            for name in names:
                path = os.path.join(where, name)
                relative = os.path.relpath(path, mirror.root)
                if name.startswith(TEMP_PREFIX) and relative not in kept:
                    removed += remove_if_there(path)
    return removed


def _broken(
    transfer: TransferRecord, error: BoardsyncError, attempts: int, moment: int
) -> bool:  # fmt: skip
    first = transfer.first_sent_ms or moment
    return (
        isinstance(error, FileChanging)
        and attempts >= TORN_TRIES
        and moment - first >= TORN_SECONDS * 1000
    )


def _temporary_name(mirror: Mirror, item: Item) -> bytes:
    """Return the same name for the same item, so that a kill leaves at most one file behind."""
    text = f"{mirror.key}\0{item.item_id}".encode("utf-8", "surrogateescape")
    return TEMP_PREFIX + hashlib.sha256(text).hexdigest()[:24].encode()


def _open_temporary(root: bytes, path: bytes) -> Any:
    open_root(root)
    try:
        make_directories(os.path.dirname(path))
        flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
        return os.fdopen(os.open(path, flags, 0o666), "w+b")
    except OSError as error:
        raise _disk_error(error, path) from error


def _finish_temporary(stream: Any, path: bytes, item: Item) -> None:
    sync_and_close(stream)
    if item.created_ms is not None:
        os.utime(path, ns=(item.created_ms * 1_000_000, item.created_ms * 1_000_000))


def _disk_error(error: OSError, path: bytes) -> BoardsyncError:
    where = os.fsdecode(path)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return NoRoom(f"{where}: the disk is full; free some space")
    return FolderAway(f"{where}: cannot be written: {error.strerror}")


def _numbered(target: bytes, number: int) -> bytes:
    if number == 1:
        return target
    directory, name = os.path.split(target)
    text = numbered(name.decode("utf-8", "surrogateescape"), number)
    return os.path.join(directory, text.encode("utf-8", "surrogateescape"))


def _holds(path: bytes, digest: str) -> bool:
    try:
        return digest_file(path)[0] == digest
    except BoardsyncError:
        return False


def _stat(path: bytes) -> FileStat:
    return stat_of(os.lstat(path))
