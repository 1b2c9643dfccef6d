"""Puts pictures into the trash: the one place where anything complete is removed.

Each removal looks again before it acts, on both sides; records what it is about to do; does it
in a way that a repeat finds; and ends in one transaction. What is removed can come back.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable
from functools import partial

import structlog
from sqlalchemy import Connection

from boardsync.engine.attempt import blame, postpone
from boardsync.engine.clock import now_ms
from boardsync.engine.context import Mirror
from boardsync.errors import (
    BoardsyncError,
    FileChanging,
    ItemChanged,
    Missing,
    OutcomeUnknown,
    Refused,
)
from boardsync.local.listed import Listed
from boardsync.model import Item, LinkState, TransferState
from boardsync.plan.links import Consent
from boardsync.state import absence, items_seen, links, observations, places, runs, transfers, trash
from boardsync.state.records import BoardRecord, LinkRecord, TransferRecord

log = structlog.get_logger(__name__)


class Remover:
    """Carries out the removals of one mirror."""

    def __init__(self, mirror: Mirror) -> None:
        self._mirror = mirror

    async def trash_item(self, transfer: TransferRecord) -> None:
        """Put an item into the server's trash. Errors end in the state, never in the caller."""
        await self._guarded(transfer, self._trash_item(transfer))

    async def trash_file(self, transfer: TransferRecord) -> None:
        """Put a file into the local trash. Errors end in the state, never in the caller."""
        await self._guarded(transfer, self._trash_file(transfer))

    async def restore_item(self, transfer: TransferRecord) -> None:
        """Take an item out of the trash whose content came back. Errors end in the state."""
        await self._guarded(transfer, self._restore_item(transfer))

    async def _guarded(self, transfer: TransferRecord, work: Awaitable[None]) -> None:
        try:
            await work
            self._mirror.gate.worked()
        except (ItemChanged, FileChanging, Missing) as error:
            await self._overtaken(transfer, str(error))
        except Refused as error:
            await self._refused(transfer, str(error))
        except BoardsyncError as error:
            await blame(self._mirror, transfer.board, error)
            # What may have happened is taken up where it stands, not begun anew.
            lost = isinstance(error, OutcomeUnknown)
            state = TransferState.SENDING if lost else transfer.state
            await postpone(self._mirror, transfer, error, state)
        subject = (transfer.board, str(transfer.item_id))
        if subject in self._mirror.awaited:
            self._mirror.awaited.discard(subject)
            self._mirror.hints.boards("an item left that a file was to be linked to")

    async def _trash_item(self, transfer: TransferRecord) -> None:
        board, link = self._board(transfer), self._link(transfer)
        item = await self._item(board, transfer)
        if item is not None and not item.trashed:
            reason = await self._why_item_stays(board, transfer, link, item)
            if reason is not None:
                raise FileChanging(reason)
        elif transfer.state is not TransferState.SENDING:
            raise FileChanging("its item is gone already")
        await self._intend_removal(transfer, partial(_demand_unshared, link))
        # After a kill it may be in the trash already: the same key finds it there.
        found = item or Item(str(transfer.item_id), board.server_id, transfer.version)
        trashed_id = await self._mirror.server.trash(found, removal_key(transfer))
        await self._item_removed(transfer, board, link, found, trashed_id)

    async def _why_item_stays(
        self, board: BoardRecord, transfer: TransferRecord, link: LinkRecord, item: Item
    ) -> str | None:
        """Look again whether the item may go: what was planned can be overtaken by now."""
        mirror = self._mirror
        if item.board_id != board.server_id:
            return "its item is on another board"
        if item.version != transfer.version:
            return "its item was changed"
        marks = await mirror.server.marks(board.server_id, [item.item_id])
        mark = marks.get(item.item_id)
        if mark is not None and mark.mirror != mirror.key:
            return f"its item belongs to mirror {mark.mirror!r}"
        if link.state == LinkState.SUPERSEDED.value:
            return await self._why_replaced_stays(board, item)
        if await asyncio.to_thread(Listed(mirror.root, mirror.disk).holds, link.path):
            # What is there now may be no picture, or hidden by a rule: then nobody deleted it.
            await mirror.state.write(
                lambda c: absence.note_files_back(c, mirror.number, [link.path])
            )
            mirror.hints.path(link.path)
            return "its file is there again"
        return None

    async def _why_replaced_stays(self, board: BoardRecord, item: Item) -> str | None:
        """Look again at an item that newer content replaced. Listings do not tell of stars."""
        if not item.starred:
            return None
        # Unless it is remembered, the next pass would want the same again, and at once.
        await self._mirror.state.write(
            lambda c: items_seen.note_stars(c, board.id, {item.item_id: True})
        )
        return "its item is starred"

    async def _item_removed(
        self, transfer: TransferRecord, board: BoardRecord, link: LinkRecord, item: Item,
        trashed_id: str,
    ) -> None:  # fmt: skip
        moment = now_ms(self._mirror.clock)
        deleted = link.state == LinkState.AGREED.value

        def write(c: Connection) -> None:
            trash.add(
                c, moment, mirror=transfer.mirror, run=transfer.run, side=trash.ITEM,
                reason=transfer.reason, guarded=_counts(link),
                link=link.id, path=link.path, digest=link.digest, board=board.id,
                item_id=item.item_id, version=item.version, trashed_id=trashed_id,
                size=item.size,
            )  # fmt: skip
            if deleted:
                links.part(c, link.id, LinkState.FILE_GONE, moment)
            links.note_change(c, transfer.mirror)
            items_seen.forget_items(c, board.id, [item.item_id])
            places.forget_listing(c, board.id)
            transfers.finish(c, transfer.id)
            runs.count(c, transfer.run, moment, trashed=1)

        await self._mirror.state.write(write)
        log.info(
            "item put into the trash", path=link.path, item=item.item_id, board=board.name,
            reason=transfer.reason,
        )  # fmt: skip

    async def _restore_item(self, transfer: TransferRecord) -> None:
        mirror, board, path = self._mirror, self._board(transfer), transfer.path
        trashed_id, digest = str(transfer.item_id), transfer.digest
        assert path is not None and digest is not None  # noqa: S101, PT018
        with mirror.state.read() as connection:
            entry = trash.find_item(connection, board.id, trashed_id)
        moment = now_ms(mirror.clock)
        await self._intend(transfer)
        try:
            item = await mirror.server.untrash(
                trashed_id, board.server_id, mirror.remote_name(path)
            )
        except Missing:
            if entry is not None:  # somebody emptied the trash: it is sent anew
                await mirror.state.write(
                    lambda c: trash.change(c, entry.id, moment, state=trash.PURGED)
                )
            raise
        marks = await mirror.server.marks(board.server_id, [item.item_id])
        new = links.NewLink(
            mirror=transfer.mirror, path=path, digest=digest, board=board.id,
            item_id=item.item_id, version=item.version, made="push", run=transfer.run,
        )  # fmt: skip

        def write(c: Connection) -> None:
            items_seen.describe_items(c, board.id, [(item, marks.get(item.item_id))])
            links.agree(c, new, moment)
            if entry is not None:
                trash.change(c, entry.id, moment, state=trash.RESTORED, run=transfer.run)
            places.forget_listing(c, board.id)
            transfers.finish(c, transfer.id)
            runs.count(c, transfer.run, moment, linked=1)

        await mirror.state.write(write)
        log.info("item taken out of the trash", path=path, item=item.item_id, board=board.name)
        mirror.hints.boards("an earlier version came back")

    async def _trash_file(self, transfer: TransferRecord) -> None:
        mirror, board, link = self._mirror, self._board(transfer), self._link(transfer)
        item = await self._item(board, transfer)
        if item is not None and not item.trashed and item.board_id == board.server_id:
            mirror.hints.boards("an item is there again")
            raise ItemChanged("its item is there again")
        local = mirror.trash
        if transfer.final is not None:
            place = transfer.final
        else:
            day = time.strftime("%Y-%m-%d", time.gmtime(now_ms(mirror.clock) / 1000))
            place = await asyncio.to_thread(local.place_for, link.path, day)
            await self._intend(transfer, place)
        try:
            await asyncio.to_thread(local.put, link.path, link.digest, place)
        except FileExistsError:
            await self._change(transfer, state=TransferState.READY.value, final=None)
            return
        await self._file_removed(transfer, board, link, place)

    async def _file_removed(
        self, transfer: TransferRecord, board: BoardRecord, link: LinkRecord, place: bytes
    ) -> None:
        moment = now_ms(self._mirror.clock)

        def write(c: Connection) -> None:
            seen = observations.find_file(c, transfer.mirror, link.path)
            trash.add(
                c, moment, mirror=transfer.mirror, run=transfer.run, side=trash.FILE,
                reason=transfer.reason, guarded=_counts(link), link=link.id,
                path=link.path, digest=link.digest, board=board.id, item_id=link.item_id,
                version=link.version, place=place, size=None if seen is None else seen.size,
            )  # fmt: skip
            links.part(c, link.id, LinkState.ITEM_GONE, moment)
            observations.forget_files(c, transfer.mirror, [link.path])
            transfers.finish(c, transfer.id)
            runs.count(c, transfer.run, moment, trashed=1)

        await self._mirror.state.write(write)
        log.info("file put into the trash", path=link.path, reason=transfer.reason)

    def _board(self, transfer: TransferRecord) -> BoardRecord:
        with self._mirror.state.read() as connection:
            return places.board_by_id(connection, transfer.board)

    def _link(self, transfer: TransferRecord) -> LinkRecord:
        with self._mirror.state.read() as connection:
            found = links.find(connection, transfer.link or 0)
        if found is None or found.state not in (LinkState.AGREED, LinkState.SUPERSEDED):
            raise FileChanging("it was decided otherwise meanwhile")
        return found

    async def _item(self, board: BoardRecord, transfer: TransferRecord) -> Item | None:
        found = await self._mirror.server.items(board.server_id, [str(transfer.item_id)])
        return found[0] if found else None

    async def _intend(self, transfer: TransferRecord, final: bytes | None = None) -> None:
        """Make durable what is about to be done."""
        await self._change(
            transfer, state=TransferState.SENDING.value, attempts=transfer.attempts + 1, final=final
        )

    async def _intend_removal(
        self, transfer: TransferRecord, demand: Callable[[Connection], None]
    ) -> None:
        """Make durable that an item is about to go: from here on nobody links it.

        demand: raises unless it still may go. See `state.departures`.
        """
        moment = now_ms(self._mirror.clock)

        def write(c: Connection) -> None:
            demand(c)
            links.note_change(c, transfer.mirror)
            transfers.change(
                c, transfer.id, moment, state=TransferState.SENDING.value,
                attempts=transfer.attempts + 1,
            )  # fmt: skip

        await self._mirror.state.write(write)

    async def _change(self, transfer: TransferRecord, **values: object) -> None:
        moment = now_ms(self._mirror.clock)
        await self._mirror.state.write(lambda c: transfers.change(c, transfer.id, moment, **values))

    async def _overtaken(self, transfer: TransferRecord, reason: str) -> None:
        """Give up a removal whose ground is gone; the next pass decides anew."""
        log.info("not removed", path=transfer.path, item=transfer.item_id, reason=reason)
        await self._mirror.state.write(lambda c: transfers.finish(c, transfer.id))

    async def _refused(self, transfer: TransferRecord, reason: str) -> None:
        moment = now_ms(self._mirror.clock)

        def write(c: Connection) -> None:
            transfers.change(
                c, transfer.id, moment, state=TransferState.REFUSED.value, error=reason
            )
            runs.count(c, transfer.run, moment, refused=1)

        await self._mirror.state.write(write)
        log.warning("cannot be removed", path=transfer.path, item=transfer.item_id, reason=reason)


def removal_key(transfer: TransferRecord) -> str:
    """Return the key of one removal: the same when it is repeated, never another one's."""
    text = f"{transfer.mirror} {transfer.id} {transfer.created_ms} {transfer.item_id}"
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:32]


def _demand_unshared(link: LinkRecord, c: Connection) -> None:
    """Raise FileChanging where a link was decided otherwise, or its item is another file's, too."""
    now = links.find(c, link.id)
    if now is None or now.state != link.state:
        raise FileChanging("it was decided otherwise meanwhile")
    if links.is_shared(c, link.board, link.item_id, link.path):
        raise FileChanging("another file holds the same picture")


def _counts(link: LinkRecord) -> bool:
    """Tell whether a removal counts for the guard: not what a person said yes to."""
    return link.state == LinkState.AGREED.value and link.consent != Consent.APPROVED.value
