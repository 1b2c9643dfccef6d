"""Carries out downloads: whole, once, and never over a file that is there.

Bytes land in a hidden temporary file beside their place, are checked and made durable; then
item, final name and digest are recorded, and only then comes the rename, which never replaces.
"""

from __future__ import annotations

import asyncio
import os
import time
from functools import partial
from typing import Any

import structlog

from boardsync.engine.attempt import blame, postpone
from boardsync.engine.clock import now_ms
from boardsync.engine.context import Mirror
from boardsync.engine.landing import Landed, disk_error, finish_temporary, open_temporary
from boardsync.engine.pull_names import Namer, Names, Numbered
from boardsync.engine.pull_waits import is_overtaken, wait_instead
from boardsync.engine.pulled_before import file_pulled_before
from boardsync.engine.sweep import temporary_name
from boardsync.errors import (
    BoardsyncError,
    FileChanging,
    ItemMissing,
    Refused,
)
from boardsync.files.durable import (
    move_without_replacing,
    remove_if_there,
    settle_name,
)
from boardsync.files.snapshot import stat_of
from boardsync.local.trash import surely_holds
from boardsync.model import Download, FileStat, Item, LinkState, TransferState
from boardsync.state import links, observations, places, runs, transfers, trash
from boardsync.state.records import BoardRecord, TransferRecord

log = structlog.get_logger(__name__)

TORN_TRIES = 18
"""An item that is not whole after so many looks is broken. If nobody hurries: after 3 minutes."""
TORN_LONGEST_WAIT = 30.0


class Puller:
    """Carries out the downloads of one mirror."""

    def __init__(self, mirror: Mirror) -> None:
        self._mirror = mirror
        self._namer = Namer(mirror)

    async def carry(self, transfer: TransferRecord) -> None:
        """Carry out one transfer. Errors end in the state, never in the caller."""
        with self._mirror.state.read() as connection:
            board = places.board_by_id(connection, transfer.board)
        try:
            if await self._begin_or_resume(board, transfer):
                self._mirror.gate.worked()
        except ItemMissing:
            await self._mirror.state.write(lambda c: transfers.finish(c, transfer.id))
            log.info("gone from the board before it was fetched", item=transfer.item_id)
        except BoardsyncError as error:
            await self._failed(board, transfer, error)

    async def _begin_or_resume(self, board: BoardRecord, transfer: TransferRecord) -> bool:
        """Carry a transfer through. False: it waits or is overtaken; no server was asked."""
        if transfer.state is TransferState.PLACING and await self._resume(board, transfer):
            return True
        if transfer.path is None and is_overtaken(self._mirror, board, transfer):
            await self._mirror.state.write(lambda c: transfers.finish(c, transfer.id))
            return False
        directory = self._namer.directory(board, transfer)
        if await wait_instead(self._mirror, board, transfer, directory):
            return False
        await self._fetch_and_place(board, transfer)
        return True

    async def _fetch_and_place(self, board: BoardRecord, transfer: TransferRecord) -> None:
        item = await self._describe(board, transfer)
        directory = self._namer.directory(board, transfer)
        temporary = os.path.join(directory, temporary_name(self._mirror, item))
        self._mirror.fetching.add(temporary)
        try:
            await self._fetch_to(board, transfer, item, temporary)
        finally:
            self._mirror.fetching.discard(temporary)
            if not self._mirror.fetching:
                self._namer.rest()

    async def _fetch_to(
        self, board: BoardRecord, transfer: TransferRecord, item: Item, temporary: bytes
    ) -> None:
        landed = await self._fetch(item, temporary)
        if await self._is_here(board, transfer, item, landed.digest):
            # These bytes were here: there was nothing to write, only to record.
            await self._clear(landed.temporary)
            return
        names = await self._namer.names(board, transfer, item, landed)
        await self._place(board, transfer, item, names, landed)

    async def _is_here(
        self, board: BoardRecord, transfer: TransferRecord, item: Item, digest: str
    ) -> bool:
        """Record that an item's bytes are in a file already; False where they are in none."""
        known = self._known_version(board, transfer, digest)
        if known is not None or transfer.link is not None:
            return (
                known is not None
                and await self._is_there(transfer, known, digest)
                and await self._agree(board, transfer, item, known, digest, if_free=True)
            )
        while (known := file_pulled_before(self._mirror, board, item, digest)) is not None:
            if not await self._holds(known, digest):
                return False
            await asyncio.to_thread(self._settle, known)
            if not await self._is_there(transfer, known, digest):
                return False
            if await self._agree(board, transfer, item, known, digest, if_free=True):
                await self._write_sidecar(board, item, known, digest)
                return True
            # Another item with the same bytes has just been found to be this file: look for one
            # more. A file that has its item is not found again.
        return False

    async def _write_sidecar(
        self, board: BoardRecord, item: Item, path: bytes, digest: str
    ) -> None:  # fmt: skip
        if self._mirror.settings.pull.sidecar is None:
            return
        # Imported late, with all that reads generation data: few mirrors ask for it.
        from boardsync.engine.pull_sidecars import write_sidecar_of

        await write_sidecar_of(self._mirror, board, item, path, digest)

    async def _describe(self, board: BoardRecord, transfer: TransferRecord) -> Item:
        assert transfer.item_id is not None  # noqa: S101
        items = await self._mirror.server.items(board.server_id, [transfer.item_id])
        here = [one for one in items if one.board_id == board.server_id and not one.trashed]
        if not here:
            raise ItemMissing(f"item {transfer.item_id} is not on board {board.name!r} any more")
        return here[0]

    async def _fetch(self, item: Item, temporary: bytes) -> Landed:
        """Download into the temporary file; durable when this returns."""
        path = self._mirror.absolute(temporary)
        stream = await asyncio.to_thread(open_temporary, self._mirror, path)
        try:
            got: Download = await self._mirror.server.download(item, stream)
            await asyncio.to_thread(finish_temporary, self._mirror, stream, path, item, got.digest)
        except BaseException as error:
            stream.close()
            await asyncio.shield(self._clear(temporary))
            if isinstance(error, OSError):
                raise disk_error(error, path) from error
            raise
        return Landed(got.digest, temporary, got.width, got.height)

    async def _clear(self, temporary: bytes) -> None:
        """Remove a temporary file, if it is there."""
        path, disk = self._mirror.absolute(temporary), self._mirror.disk
        await asyncio.to_thread(remove_if_there, path, disk)

    async def _holds(self, path: bytes, digest: str) -> bool:
        """Tell whether a file below the folder holds this picture. Raises FolderAway."""
        mirror = self._mirror
        return await asyncio.to_thread(surely_holds, mirror.absolute(path), digest, mirror.disk)

    def _known_version(
        self, board: BoardRecord, transfer: TransferRecord, digest: str
    ) -> bytes | None:
        """Return the path of a link of this very item that already holds these bytes."""
        with self._mirror.state.read() as connection:
            for known in links.of_item(connection, board.id, str(transfer.item_id)):
                if known.digest == digest:
                    return known.path
        return None

    async def _is_there(self, transfer: TransferRecord, path: bytes, digest: str) -> bool:
        """Tell whether a linked file needs no writing. What was deleted on purpose stays so."""
        if transfer.path is None:
            return True
        return await self._holds(path, digest)

    async def _place(
        self, board: BoardRecord, transfer: TransferRecord, item: Item, names: Names,
        landed: Landed,
    ) -> None:  # fmt: skip
        """Move the bytes to their final name, or the next free one, recording it first.

        A name that was planned is not numbered: what is in its way is the old version of the
        same picture, which goes to the trash, or it is something new, and all is decided anew.
        """
        final = await names.next()
        while final is not None:
            await self._note_placing(transfer, item, final, landed)
            if await asyncio.to_thread(self._put, final, landed):
                await self._write_sidecar(board, item, final, landed.digest)
                await self._agree(board, transfer, item, final, landed.digest)
                log.info("downloaded", path=final, item=item.item_id, board=board.name)
                return
            if final != transfer.path:
                final = await names.next()
            elif not await self._make_way(transfer):
                await self._overtaken(transfer, landed)
                return
        raise Refused(f"no free name for item {item.item_id}: too many like it are taken")

    async def _make_way(self, transfer: TransferRecord) -> bool:
        """Put the file that is to be replaced into the trash. False: it is another one by now."""
        mirror, path, digest = self._mirror, transfer.path, transfer.digest
        if path is None or digest is None:
            return False
        if not await self._holds(path, digest):
            return False
        moment = now_ms(mirror.clock)
        with mirror.state.read() as connection:
            link = links.find(connection, transfer.link or 0)
        day = time.strftime("%Y-%m-%d", time.gmtime(moment / 1000))
        place = await asyncio.to_thread(mirror.trash.place_for, path, day)
        # Recorded first: a kill in between leaves a record of nothing, never a file of none.
        entry = await mirror.state.write(
            partial(
                trash.add, now_ms=moment, mirror=transfer.mirror, run=transfer.run,
                side=trash.FILE, reason="the board has newer content", guarded=False,
                link=transfer.link, path=path, digest=digest, board=transfer.board,
                item_id=transfer.item_id, version="" if link is None else link.version,
                place=place,
            )
        )  # fmt: skip
        try:
            await asyncio.to_thread(mirror.trash.put, path, digest, place)
        except FileChanging:
            await mirror.state.write(lambda c: trash.forget(c, entry))
            return False
        return True

    async def _overtaken(self, transfer: TransferRecord, landed: Landed) -> None:
        """Give up a download whose place is taken by something new."""
        log.info("overtaken: another file is there now", path=transfer.path)
        await self._clear(landed.temporary)
        await self._mirror.state.write(lambda c: transfers.finish(c, transfer.id))
        if transfer.path is not None:
            self._mirror.hints.path(transfer.path)

    def _put(self, final: bytes, landed: Landed) -> bool:
        """Rename into place. True also when these very bytes are there already."""
        temporary, path = self._mirror.absolute(landed.temporary), self._mirror.absolute(final)
        disk = self._mirror.disk
        try:
            if os.path.dirname(temporary) != os.path.dirname(path):
                self._mirror.make_directory_to_pull(path)
            move_without_replacing(temporary, path, disk)
        except FileExistsError:
            if not surely_holds(path, landed.digest, disk):
                return False
            self._settle(final)
            remove_if_there(temporary, disk)
        except OSError as error:
            raise disk_error(error, path) from error
        return True

    def _settle(self, final: bytes) -> None:
        """Make the name of a file durable that was found in place. Raises as `_put` does."""
        path, mirror = self._mirror.absolute(final), self._mirror
        try:
            settle_name(path, mirror.root, mirror.disk)
        except OSError as error:
            raise disk_error(error, path) from error

    async def _note_placing(
        self, transfer: TransferRecord, item: Item, final: bytes, landed: Landed
    ) -> None:  # fmt: skip
        moment = now_ms(self._mirror.clock)
        await self._mirror.state.write(
            lambda c: transfers.change(
                c, transfer.id, moment, state=TransferState.PLACING.value, final=final,
                temporary=landed.temporary, got=landed.digest, version=item.version,
            )
        )  # fmt: skip

    async def _resume(self, board: BoardRecord, transfer: TransferRecord) -> bool:
        """Go on where the last process ended, asking nobody. False: start over.

        Whatever became of the item since, what was fetched is the version that it was: its link
        lets that be decided.
        """
        if transfer.final is None or transfer.temporary is None or transfer.got is None:
            return False
        assert transfer.item_id is not None  # noqa: S101
        fetched = Item(transfer.item_id, board.server_id, transfer.version)
        if await self._holds(transfer.final, transfer.got):
            await asyncio.to_thread(self._settle, transfer.final)
            await self._clear(transfer.temporary)
            await self._write_sidecar(board, fetched, transfer.final, transfer.got)
            await self._agree(board, transfer, fetched, transfer.final, transfer.got)
            return True
        if not await self._holds(transfer.temporary, transfer.got):
            return False
        landed = Landed(transfer.got, transfer.temporary)
        await self._place(board, transfer, fetched, Numbered(transfer.final), landed)
        return True

    async def _agree(
        self, board: BoardRecord, transfer: TransferRecord, item: Item, path: bytes, digest: str,
        *, if_free: bool = False,
    ) -> bool:  # fmt: skip
        """Observation, link and transfer in one transaction.

        if_free: False is returned, and nothing recorded, when the file is another item's by now.
        """
        try:
            stat = await asyncio.to_thread(_stat, self._mirror, path)
        except OSError as error:
            raise FileChanging(f"{os.fsdecode(path)}: vanished while it was placed") from error
        now = self._mirror.clock.now_ns()
        moment = now // 1_000_000

        def write(c: Any) -> bool:
            if if_free and _is_another_items(c, board, item, path, digest):
                return False
            observations.put_file(c, transfer.mirror, path, stat, digest, now)
            new = links.NewLink(
                mirror=transfer.mirror, path=path, digest=digest, board=board.id,
                item_id=item.item_id, version=item.version, made="pull", run=transfer.run,
            )  # fmt: skip
            agreed = links.agree(c, new, moment).number
            if transfer.link is not None and transfer.link != agreed:
                links.part(c, transfer.link, LinkState.SUPERSEDED, moment)
            transfers.finish(c, transfer.id)
            runs.count(c, transfer.run, moment, downloaded=1)
            return True

        return await self._mirror.state.write(write)

    async def _failed(
        self, board: BoardRecord, transfer: TransferRecord, error: BoardsyncError
    ) -> None:
        """Record a failure and when to try again, or that this item is broken for good."""
        # Counted, not timed: neither a clock that is set nor a server's absence makes it broken.
        looks = transfer.lookups + isinstance(error, FileChanging)
        if isinstance(error, Refused) or looks >= TORN_TRIES:
            await self._refuse(transfer, str(error), now_ms(self._mirror.clock))
            return
        await blame(self._mirror, board.id, error)
        # Being written right now: seconds, not minutes.
        torn = min(TORN_LONGEST_WAIT, 0.1 * 1.5**looks)
        wait = torn if isinstance(error, FileChanging) else None
        await postpone(
            self._mirror, transfer, error, TransferState.READY, seconds=wait, lookups=looks
        )  # fmt: skip

    async def _refuse(self, transfer: TransferRecord, reason: str, moment: int) -> None:
        def write(c: Any) -> None:
            transfers.change(
                c, transfer.id, moment, state=TransferState.REFUSED.value, error=reason
            )
            runs.count(c, transfer.run, moment, refused=1)

        await self._mirror.state.write(write)
        log.warning("cannot be fetched", item=transfer.item_id, reason=reason)


def _is_another_items(
    c: Any, board: BoardRecord, item: Item, path: bytes, digest: str
) -> bool:  # fmt: skip
    """Tell whether a file that holds these bytes is linked to another item of the board."""
    return any(
        one.board == board.id and one.digest == digest and one.item_id != item.item_id
        and one.state == LinkState.AGREED.value
        for one in links.of_path(c, board.mirror, path)
    )  # fmt: skip


def _stat(mirror: Mirror, path: bytes) -> FileStat:
    return stat_of(mirror.disk.lstat(mirror.absolute(path)))
