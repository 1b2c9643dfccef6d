"""Carries out moves: an item follows its file, a file follows its item, a conflict steps aside.

No bytes travel, and nothing is ever replaced.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable

import structlog
from sqlalchemy import Connection

from boardsync.engine.attempt import blame, postpone
from boardsync.engine.clock import now_ms
from boardsync.engine.context import Mirror
from boardsync.errors import (
    BoardsyncError,
    FileChanging,
    FolderAway,
    ItemChanged,
    Missing,
    OutcomeUnknown,
    Refused,
)
from boardsync.files.durable import make_directories, move_without_replacing
from boardsync.files.snapshot import digest_file, stat_of
from boardsync.local.trash import holds
from boardsync.model import Item, LinkState, TransferState
from boardsync.plan.names import conflict_name, numbered_path
from boardsync.state import absence, links, moves, observations, places, runs, transfers
from boardsync.state.records import BoardRecord, LinkRecord, TransferRecord

log = structlog.get_logger(__name__)

MOST_NUMBERS = 10_000


class Mover:
    """Carries out the moves of one mirror."""

    def __init__(self, mirror: Mirror) -> None:
        self._mirror = mirror

    async def move_item(self, transfer: TransferRecord) -> None:
        """Let an item follow its file. Errors end in the state, never in the caller."""
        await self._guarded(transfer, self._move_item(transfer))

    async def move_file(self, transfer: TransferRecord) -> None:
        """Let a file follow its item. Errors end in the state, never in the caller."""
        await self._guarded(transfer, self._move_file(transfer))

    async def set_aside(self, transfer: TransferRecord) -> None:
        """Give a file a conflict name. Errors end in the state, never in the caller."""
        await self._guarded(transfer, self._set_aside(transfer))

    async def _guarded(self, transfer: TransferRecord, work: Awaitable[None]) -> None:
        try:
            await work
            self._mirror.gate.worked()
        except (ItemChanged, FileChanging, Missing, Refused) as error:
            await self._overtaken(transfer, str(error))
        except BoardsyncError as error:
            await blame(self._mirror, transfer.board, error)
            # What may have happened is taken up where it stands, not begun anew.
            lost = isinstance(error, OutcomeUnknown)
            state = TransferState.SENDING if lost else transfer.state
            await postpone(self._mirror, transfer, error, state)

    async def _move_item(self, transfer: TransferRecord) -> None:
        """The transfer's board is where the item goes; its link knows where it is now."""
        mirror, link = self._mirror, self._link(transfer)
        target = _target(transfer)
        with mirror.state.read() as connection:
            source = places.board_by_id(connection, link.board)
            board = places.board_by_id(connection, transfer.board)
        if not await asyncio.to_thread(holds, mirror.absolute(target), link.digest, mirror.disk):
            raise FileChanging("the file was moved again meanwhile")
        item = await self._item(source, transfer)
        await self._change(transfer, state=TransferState.SENDING.value)
        moved = await mirror.server.move(item, board.server_id, mirror.remote_name(target))
        await self._item_moved(transfer, link, board, moved, target)

    async def _item(self, source: BoardRecord, transfer: TransferRecord) -> Item:
        found = await self._mirror.server.items(source.server_id, [str(transfer.item_id)])
        if not found or found[0].trashed:
            if transfer.state is not TransferState.SENDING:
                raise FileChanging("its item is gone")
            # Moved already, under its new id: the server knows what to make of a repeat.
            return Item(str(transfer.item_id), source.server_id, transfer.version)
        if found[0].version != transfer.version:
            raise ItemChanged("its item was changed")
        return found[0]

    async def _item_moved(
        self, transfer: TransferRecord, link: LinkRecord, board: BoardRecord, moved: Item,
        target: bytes,
    ) -> None:  # fmt: skip
        moment = now_ms(self._mirror.clock)
        edited = transfer.version != link.version

        def write(c: Connection) -> None:
            known = observations.find_item(c, link.board, link.item_id)
            observations.forget_items(c, link.board, [link.item_id])
            observations.describe_items(c, board.id, [(moved, known[1] if known else None)])
            links.change(
                c, link.id, moment, path=target, board=board.id, item_id=moved.item_id,
                version=link.version if edited else moved.version,
            )  # fmt: skip
            moves.add(
                c, moment, mirror=transfer.mirror, run=transfer.run, what=moves.ITEM,
                link=link.id, path_before=link.path, path_after=target,
                board_before=link.board, board_after=board.id, item_before=link.item_id,
                item_after=moved.item_id, version=moved.version,
            )  # fmt: skip
            for one in {link.board, board.id}:
                places.forget_listing(c, one)
            transfers.finish(c, transfer.id)
            runs.count(c, transfer.run, moment, moved=1)

        await self._mirror.state.write(write)
        log.info("item moved", path=target, item=moved.item_id, board=board.name)

    async def _move_file(self, transfer: TransferRecord) -> None:
        """The transfer's board is where the item is now."""
        mirror, link = self._mirror, self._link(transfer)
        with mirror.state.read() as connection:
            source = places.board_by_id(connection, link.board)
            board = places.board_by_id(connection, transfer.board)
        found = await mirror.server.items(board.server_id, [link.item_id])
        if not found or found[0].board_id != board.server_id:
            raise ItemChanged("its item was moved again meanwhile")
        below = link.path[len(source.subfolder) + 1 :] if source.subfolder else link.path
        wanted = board.subfolder + b"/" + below if board.subfolder else below
        final = await self._rename(transfer, link.path, link.digest, wanted)
        await self._file_moved(transfer, link, board, found[0], final)

    async def _file_moved(
        self, transfer: TransferRecord, link: LinkRecord, board: BoardRecord, item: Item,
        final: bytes,
    ) -> None:  # fmt: skip
        now = self._mirror.clock.now_ns()
        moment = now // 1_000_000
        path, disk = self._mirror.absolute(final), self._mirror.disk
        stat = await asyncio.to_thread(lambda: stat_of(disk.lstat(path)))

        def write(c: Connection) -> None:
            observations.forget_files(c, transfer.mirror, [link.path])
            observations.put_file(c, transfer.mirror, final, stat, link.digest, now)
            links.change(c, link.id, moment, path=final, board=board.id, version=item.version)
            moves.add(
                c, moment, mirror=transfer.mirror, run=transfer.run, what=moves.FILE,
                link=link.id, path_before=link.path, path_after=final,
                board_before=link.board, board_after=board.id, item_before=link.item_id,
                item_after=link.item_id, version=item.version,
            )  # fmt: skip
            transfers.finish(c, transfer.id)
            runs.count(c, transfer.run, moment, moved=1)

        await self._mirror.state.write(write)
        log.info("file moved", path=final, before=link.path, board=board.name)

    async def _set_aside(self, transfer: TransferRecord) -> None:
        link = self._link(transfer)
        day = time.strftime("%Y-%m-%d %H-%M-%S", time.gmtime(now_ms(self._mirror.clock) / 1000))
        directory, name = os.path.split(link.path)
        aside = conflict_name(name.decode("utf-8", "surrogateescape"), self._mirror.host, day)
        wanted = os.path.join(directory, aside.encode("utf-8", "surrogateescape"))
        final = await self._rename(transfer, link.path, str(transfer.digest), wanted)
        moment = now_ms(self._mirror.clock)

        def write(c: Connection) -> None:
            absence.note_files_gone(c, transfer.mirror, [link.path], moment)
            observations.forget_files(c, transfer.mirror, [link.path])
            transfers.finish(c, transfer.id)
            runs.count(c, transfer.run, moment, moved=1)

        await self._mirror.state.write(write)
        log.warning("conflict: both versions are kept", path=link.path, file=final)
        self._mirror.hints.path(final)
        self._mirror.hints.path(link.path)

    async def _rename(
        self, transfer: TransferRecord, path: bytes, digest: str, wanted: bytes
    ) -> bytes:
        """Rename a file to a name, or the next free one, recording it first. Returns the name."""
        for number in range(1, MOST_NUMBERS):
            final = numbered_path(wanted, number)
            if transfer.final is None or number > 1:
                await self._change(transfer, state=TransferState.PLACING.value, final=final)
            else:
                final = transfer.final
            if await asyncio.to_thread(self._put, path, digest, final):
                return final
        raise Refused(f"{os.fsdecode(wanted)}: no free name after {MOST_NUMBERS} tries")

    def _put(self, path: bytes, digest: str, final: bytes) -> bool:
        source, target = self._mirror.absolute(path), self._mirror.absolute(final)
        disk = self._mirror.disk
        if not disk.lexists(source) and holds(target, digest, disk):
            return True
        if digest_file(source, disk)[0] != digest:
            raise FileChanging(f"{os.fsdecode(source)}: changed meanwhile")
        try:
            make_directories(os.path.dirname(target), disk)
            move_without_replacing(source, target, disk)
        except FileExistsError:
            return False
        except OSError as error:
            raise FolderAway(f"{os.fsdecode(target)}: {error.strerror}") from error
        return True

    def _link(self, transfer: TransferRecord) -> LinkRecord:
        with self._mirror.state.read() as connection:
            found = links.find(connection, transfer.link or 0)
        if found is None or found.state != LinkState.AGREED.value:
            raise FileChanging("it was decided otherwise meanwhile")
        return found

    async def _change(self, transfer: TransferRecord, **values: object) -> None:
        moment = now_ms(self._mirror.clock)
        await self._mirror.state.write(lambda c: transfers.change(c, transfer.id, moment, **values))

    async def _overtaken(self, transfer: TransferRecord, reason: str) -> None:
        """Give up a move whose ground is gone; the next pass decides anew."""
        log.info("not moved", path=transfer.path, item=transfer.item_id, reason=reason)
        await self._mirror.state.write(lambda c: transfers.finish(c, transfer.id))
        for path in (transfer.path, transfer.target):
            if path is not None:
                self._mirror.hints.path(path)
        self._mirror.hints.boards("a move was overtaken")


def _target(transfer: TransferRecord) -> bytes:
    assert transfer.target is not None  # noqa: S101
    return transfer.target
