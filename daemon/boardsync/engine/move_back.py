"""Puts back what a run moved or renamed, as far as both sides still allow.

What the run itself moved goes back; what a person moved before it stays where the person put it.
Where file and item meet again on one board they agree again. Where they do not, the item's link
says that its file is gone, and another one, `undone`, keeps the file from being sent to the board
where it lies now. The link says so before anything moves, and every step can be repeated.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from functools import partial

import structlog
from sqlalchemy import Connection

from boardsync.engine.clock import now_ms
from boardsync.engine.context import Mirror
from boardsync.engine.report import show
from boardsync.engine.told import require_folder, require_server
from boardsync.errors import FolderAway, ItemMissing, Refused
from boardsync.files.durable import move_without_replacing
from boardsync.files.sidecars import follow
from boardsync.files.snapshot import stat_of
from boardsync.local.trash import holds
from boardsync.model import FileStat, Item, LinkState
from boardsync.state import items_seen, links, moves, observations, places, runs, subfolders
from boardsync.state.links import NewLink
from boardsync.state.moves import MoveRecord
from boardsync.state.records import BoardRecord, LinkRecord

log = structlog.get_logger(__name__)

AGREED, GONE, UNDONE = LinkState.AGREED.value, LinkState.FILE_GONE.value, LinkState.UNDONE.value


@dataclass(frozen=True, slots=True)
class Meeting:
    """Where a picture's two sides are, once its move is put back.

    elsewhere: the path that the item's board has for it, when the file lies on another board.
    away: the item's id on the file's own board, from which it is kept.
    """

    file: bytes
    board: int
    item_id: str
    version: str
    elsewhere: bytes
    away: str


class MoveBack:
    """Puts moves of one mirror back. run: the run that does it."""

    def __init__(self, mirror: Mirror, run: int) -> None:
        self._mirror = mirror
        self._run = run

    async def put_back(self, move: MoveRecord) -> str:
        """Put one move back. Returns in words what was done; raises BoardsyncError."""
        if move.what == moves.BOARD:
            return await self._board(move)
        return await (self._item(move) if move.what == moves.ITEM else self._file(move))

    async def _item(self, move: MoveRecord) -> str:
        """Take an item back to the board, and the name, that it had."""
        mirror = self._mirror
        link, source, target = self._link(move), self._place(move, True), self._place(move, False)
        file = self._file_of(move, link)
        require_server(mirror)
        item = await self._find_item(move, source)
        if move.state == moves.DONE:
            await self._demand_free(move, target)
            await self._begin(move, link)
        named = move.item_before if mirror.server.capabilities.names_kept else None
        try:
            back = await mirror.server.move(item, target.server_id, named)
        except ItemMissing:
            await self._call_off(move, link, file)
            raise
        mirror.gate.worked()
        meeting = Meeting(
            file, target.id, back.item_id, back.version, move.path_before, move.item_after
        )
        await mirror.state.write(
            partial(self._item_is_back, move=move, link=link, back=back, meeting=meeting)
        )
        log.info("item put back", item=back.item_id, board=target.name, path=file)
        called = f" as {show(back.item_id)!r}" if named is not None else ""
        return f"its item is on board {target.name!r} again{called}"

    async def _find_item(self, move: MoveRecord, source: BoardRecord) -> Item:
        found = await self._mirror.server.items(source.server_id, [move.item_after])
        there = [one for one in found if one.board_id == source.server_id and not one.trashed]
        if there and move.version in ("", there[0].version):
            return there[0]
        if move.state == moves.UNDOING:
            # Perhaps it is back already: the server knows what to make of a repeat.
            return Item(move.item_after, source.server_id, move.version)
        changed = "it was changed on the board" if there else "somebody moved or deleted its item"
        raise Refused(f"left as it is: {changed} since")

    async def _demand_free(self, move: MoveRecord, target: BoardRecord) -> None:
        """Raise Refused when another item has the name that the item had."""
        if not self._mirror.server.capabilities.names_kept:
            return
        if await self._mirror.server.items(target.server_id, [move.item_before]):
            name = show(move.item_before)
            raise Refused(f"left as it is: {name!r} on board {target.name!r} is another item now")

    def _item_is_back(
        self, c: Connection, *, move: MoveRecord, link: LinkRecord, back: Item, meeting: Meeting
    ) -> None:
        items_seen.carry_over(c, move.board_after, move.item_after, move.board_before, back)
        for board in {move.board_after, move.board_before}:
            places.forget_listing(c, board)
        self._finish(c, move, link, meeting)

    async def _file(self, move: MoveRecord) -> str:
        """Take a file back to the folder that it was in."""
        mirror = self._mirror
        link = self._link(move)
        await asyncio.to_thread(require_folder, mirror)
        source, target = mirror.absolute(move.path_after), mirror.absolute(move.path_before)
        begun = move.state == moves.UNDOING
        back = begun and await asyncio.to_thread(holds, target, link.digest, mirror.disk)
        if not back:
            if not await asyncio.to_thread(holds, source, link.digest, mirror.disk):
                raise Refused("left as it is: it was changed, moved or deleted since")
            await self._begin(move, link)
            try:
                await asyncio.to_thread(self._rename, source, target)
            except FileExistsError as error:
                await self._call_off(move, link, move.path_after)
                name = show(move.path_before)
                raise Refused(f"left as it is: {name!r} is another file now") from error
        stat = await asyncio.to_thread(lambda: stat_of(mirror.disk.lstat(target)))
        meeting = Meeting(
            move.path_before, link.board, link.item_id, link.version, move.path_after,
            move.item_before,
        )  # fmt: skip
        await mirror.state.write(
            partial(self._file_is_back, move=move, link=link, stat=stat, meeting=meeting)
        )
        log.info("file put back", path=move.path_before, before=move.path_after)
        return f"is {show(move.path_before)!r} again"

    def _rename(self, source: bytes, target: bytes) -> None:
        disk = self._mirror.disk
        try:
            self._mirror.make_directory_of(target)
            move_without_replacing(source, target, disk)
            follow(source, target, disk)
        except FileExistsError:
            raise
        except OSError as error:
            raise FolderAway(f"{os.fsdecode(target)}: {error.strerror}") from error

    def _file_is_back(
        self, c: Connection, *, move: MoveRecord, link: LinkRecord, stat: FileStat,
        meeting: Meeting,
    ) -> None:  # fmt: skip
        now = self._mirror.clock.now_ns()
        observations.forget_files(c, move.mirror, [move.path_after])
        observations.put_file(c, move.mirror, move.path_before, stat, link.digest, now)
        self._finish(c, move, link, meeting)

    async def _board(self, move: MoveRecord) -> str:
        """Give a board the name back that it had. Its folder keeps its own."""
        mirror = self._mirror
        require_server(mirror)
        board = self._place(move, True)
        named = mirror.server.capabilities.names_kept
        if board.name != move.item_after:
            raise Refused("left as it is: the board was renamed again since")
        there = await mirror.server.boards()
        if any(one.name == move.item_before for one in there) and move.state == moves.DONE:
            raise Refused(f"left as it is: there is another board {move.item_before!r} now")
        moment = now_ms(mirror.clock)
        await mirror.state.write(lambda c: moves.note(c, move.id, moves.UNDOING, moment))
        back = await mirror.server.rename_board(board.server_id, move.item_before)
        mirror.gate.worked()
        server_id = back.board_id if named else board.server_id

        def write(c: Connection) -> None:
            subfolders.call_board(c, board.id, move.item_before, server_id)
            self._note(c, move, link=None)

        await mirror.state.write(write)
        log.info("board renamed back", board=move.item_before, before=move.item_after)
        return f"the board is called {move.item_before!r} again; its folder keeps its name"

    def _place(self, move: MoveRecord, after: bool) -> BoardRecord:
        with self._mirror.state.read() as connection:
            return places.board_by_id(connection, move.board_after if after else move.board_before)

    def _link(self, move: MoveRecord) -> LinkRecord:
        """Return the move's link. Raises Refused when something else happened to it since."""
        with self._mirror.state.read() as connection:
            link = links.find(connection, move.link or 0)
            shared = links.others_of_item(connection, move.link or 0)
        if link is None or (move.state == moves.DONE and not _is_as_moved(move, link)):
            raise Refused("left as it is: something else has happened to it since")
        if shared:
            raise Refused(f"left as it is: {show(shared[0].path)} is the same item")
        return link

    def _kept_apart(self, c: Connection, move: MoveRecord, link: LinkRecord) -> list[LinkRecord]:
        """Return the links by which an earlier undo keeps the file from its board."""
        places_of_it = (
            (move.board_before, move.item_before), (move.board_after, move.item_after),
        )  # fmt: skip
        found = [links.kept_apart(c, move.mirror, link.digest, *one) for one in places_of_it]
        return [one for one in found if one is not None and one.id != link.id]

    def _file_of(self, move: MoveRecord, link: LinkRecord) -> bytes:
        """Return where a picture's file is: by its link, or by the one that keeps it apart."""
        with self._mirror.state.read() as connection:
            apart = self._kept_apart(connection, move, link)
        return apart[0].path if apart else link.path

    async def _begin(self, move: MoveRecord, link: LinkRecord) -> None:
        """Have nothing decided about the picture while it is on its way, wherever its file is."""
        moment = now_ms(self._mirror.clock)

        def write(c: Connection) -> None:
            moves.note(c, move.id, moves.UNDOING, moment)
            links.change(c, link.id, moment, state=UNDONE)
            if move.what == moves.FILE:
                self._keep_apart(c, link, move.path_before, move.item_before, link.version)

        await self._mirror.state.write(write)

    async def _call_off(self, move: MoveRecord, link: LinkRecord, file: bytes) -> None:
        """Let the link be as it was: nothing was moved. file: where the picture's file is."""
        moment = now_ms(self._mirror.clock)

        def write(c: Connection) -> None:
            home = self._home(c, file)
            together = home is None or home.id == link.board
            for apart in self._kept_apart(c, move, link) if together else ():
                links.forget(c, apart.id)
            moves.note(c, move.id, moves.DONE, moment)
            links.change(c, link.id, moment, state=AGREED if together else GONE)

        await self._mirror.state.write(write)

    def _home(self, c: Connection, path: bytes) -> BoardRecord | None:
        subfolder = self._mirror.layout.subfolder_of(path)
        return places.board_for(c, self._mirror.number, subfolder)

    def _keep_apart(
        self, c: Connection, link: LinkRecord, path: bytes, item_id: str, version: str
    ) -> None:
        """Keep a file from being sent to the board where it lies: its item is elsewhere."""
        home = self._home(c, path)
        if home is not None:
            kept = NewLink(
                self._mirror.number, path, link.digest, home.id, item_id, version, link.made
            )  # fmt: skip
            links.keep_apart(c, kept, now_ms(self._mirror.clock))

    def _finish(self, c: Connection, move: MoveRecord, link: LinkRecord, at: Meeting) -> None:
        """Record where both sides are now, and the move of this run."""
        moment = now_ms(self._mirror.clock)
        for apart in self._kept_apart(c, move, link):
            links.forget(c, apart.id)
        home = self._home(c, at.file)
        values = {"board": at.board, "item_id": at.item_id, "version": at.version}
        if home is None or home.id == at.board:
            links.change(c, link.id, moment, path=at.file, state=AGREED, **values)
        else:
            links.change(c, link.id, moment, path=at.elsewhere, state=GONE, **values)
            self._keep_apart(c, link, at.file, at.away, at.version)
        self._note(c, move, link=link.id, item=at.item_id)

    def _note(
        self, c: Connection, move: MoveRecord, *, link: int | None, item: str | None = None
    ) -> None:  # fmt: skip
        moment = now_ms(self._mirror.clock)
        moves.note(c, move.id, moves.UNDONE, moment)
        moves.add(
            c, moment, mirror=move.mirror, run=self._run, what=move.what, link=link,
            path_before=move.path_after, path_after=move.path_before,
            board_before=move.board_after, board_after=move.board_before,
            item_before=move.item_after, item_after=item or move.item_before,
            version=move.version,
        )  # fmt: skip
        runs.count(c, self._run, moment, moved=1)


def _is_as_moved(move: MoveRecord, link: LinkRecord) -> bool:
    """Tell whether a link is as its move, or an undo of another one, left it."""
    if move.what == moves.ITEM:
        there = (link.board, link.item_id) == (move.board_after, move.item_after)
        return there and link.state in (AGREED, GONE)
    if link.state == AGREED:
        return link.path == move.path_after
    return link.state == GONE and link.item_id == move.item_before
