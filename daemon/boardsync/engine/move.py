"""Carries out moves: an item follows its file, a file follows its item, a conflict steps aside.

No bytes travel, and nothing is ever replaced.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import Awaitable

import structlog
from sqlalchemy import Connection

from boardsync.engine.attempt import blame, postpone
from boardsync.engine.clock import now_ms
from boardsync.engine.context import Mirror
from boardsync.engine.preparing import fitting_name, is_converted, is_prepared
from boardsync.errors import (
    BoardsyncError,
    FileChanging,
    FolderAway,
    ItemChanged,
    Missing,
    OutcomeUnknown,
    Refused,
)
from boardsync.files.durable import move_without_replacing, settle_name
from boardsync.files.sidecars import follow
from boardsync.files.snapshot import digest_file, stat_of
from boardsync.formats import format_by_extension
from boardsync.local.trash import holds, settle, surely_holds
from boardsync.model import Item, LinkState, TransferState
from boardsync.plan.names import conflict_name, numbered_path
from boardsync.state import (
    absence,
    items_seen,
    links,
    moves,
    observations,
    places,
    runs,
    transfers,
    unproven,
)
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
        name = item_name(mirror, link, target)
        moved = await mirror.server.move(item, board.server_id, name)
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
            items_seen.carry_over(c, link.board, link.item_id, board.id, moved)
            unproven.follow(c, link.board, link.item_id, board.id, moved.item_id)
            if board.id == link.board:
                links.rename(c, links.earlier(c, link.id), target)
            links.change(
                c, link.id, moment, path=target, board=board.id, item_id=moved.item_id,
                version=link.version if edited else moved.version,
            )  # fmt: skip
            links.take_place(c, link.id, moment)
            if observations.find_file(c, transfer.mirror, target) is None:
                # Deleted while its item was moved, when no link was there to tell of it.
                absence.note_files_gone(c, transfer.mirror, [target], moment)
            _see_to_others(c, link, board, moved, edited=edited)
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
        if board.id != link.board:
            self._mirror.hints.boards("an item went to another board")

    async def _move_file(self, transfer: TransferRecord) -> None:
        """The transfer's board is where the item is now."""
        mirror, link = self._mirror, self._link(transfer)
        with mirror.state.read() as connection:
            board = places.board_by_id(connection, transfer.board)
        found = await mirror.server.items(board.server_id, [link.item_id])
        if not found or (found[0].board_id, found[0].version) != (board.server_id, link.version):
            raise ItemChanged("its item was moved again, or changed, meanwhile")
        wanted = mirror.layout.moved(link.path, board.subfolder)
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
            links.change(c, link.id, moment, path=final, board=board.id)
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
        if transfer.state is TransferState.READY and await self._is_one_change(transfer, link):
            return
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

    async def _is_one_change(self, transfer: TransferRecord, link: LinkRecord) -> bool:
        """Link a file and an item that changed to the same bytes: that is no conflict.

        It looks like one with a state file of yesterday, and where another program carried the
        change over.
        """
        mirror, digest = self._mirror, str(transfer.digest)
        with mirror.state.read() as connection:
            board = places.board_by_id(connection, link.board)
        found = await mirror.server.items(board.server_id, [link.item_id])
        if not found or found[0].trashed or found[0].board_id != board.server_id:
            raise ItemChanged("its item was moved, or removed, meanwhile")
        with tempfile.TemporaryFile() as sink:
            if (await mirror.server.download(found[0], sink)).digest != digest:
                return False
        path = mirror.absolute(link.path)
        if not await asyncio.to_thread(surely_holds, path, digest, mirror.disk):
            raise FileChanging("the file was changed meanwhile")
        await asyncio.to_thread(settle, path, mirror.root, mirror.disk)
        new = links.NewLink(
            mirror=transfer.mirror, path=link.path, digest=digest, board=board.id,
            item_id=link.item_id, version=found[0].version, made="found", run=transfer.run,
        )  # fmt: skip
        moment = now_ms(mirror.clock)

        def write(c: Connection) -> None:
            links.agree(c, new, moment)
            transfers.finish(c, transfer.id)
            runs.count(c, transfer.run, moment, linked=1)

        await mirror.state.write(write)
        log.info("the same change on both sides", path=link.path, item=link.item_id)
        return True

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
        try:
            if not disk.lexists(source) and holds(target, digest, disk):
                settle_name(target, self._mirror.root, disk)
                follow(source, target, disk)
                return True
            if digest_file(source, disk)[0] != digest:
                raise FileChanging(f"{os.fsdecode(source)}: changed meanwhile")
            self._mirror.make_directory_of(target)
            move_without_replacing(source, target, disk)
            follow(source, target, disk)
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


def item_name(mirror: Mirror, link: LinkRecord, target: bytes) -> str:
    """Return what an item is called whose file goes to a path: a converted one stays what it is."""
    name, known = mirror.remote_name(target), format_by_extension(link.item_id)
    converted = is_prepared(link.recipe) and is_converted(link.path, link.item_id)
    if known is None or not converted:
        return name
    return fitting_name(name, known)


def _see_to_others(
    c: Connection, link: LinkRecord, board: BoardRecord, moved: Item, *, edited: bool
) -> None:
    """Let links that were made to an item while it was moved go along, or be decided anew."""
    for other in links.of_item(c, link.board, link.item_id):
        if other.id == link.id or other.state != LinkState.AGREED.value:
            continue
        if board.id == link.board:
            version = other.version if edited else moved.version
            links.call_item(c, other.id, moved.item_id, version)
        else:
            links.forget(c, other.id)


def _target(transfer: TransferRecord) -> bytes:
    assert transfer.target is not None  # noqa: S101
    return transfer.target
