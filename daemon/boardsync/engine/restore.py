"""Takes pictures out of the trash, back to where they were, and links them at once.

Linked to what is on the other side, if it still is; otherwise parted, so that nothing is sent,
fetched or removed again by itself. Every step can be repeated after a kill: the server and the
local trash both find what was taken out before, and the record comes last.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from functools import partial

import structlog
from sqlalchemy import Connection

from boardsync.engine.action_words import FOUND_SAVED, SENT_AGAIN
from boardsync.engine.clock import now_ms
from boardsync.engine.context import Mirror
from boardsync.engine.report import show
from boardsync.engine.told import require_folder, require_server
from boardsync.errors import FileChanging, Refused
from boardsync.files.snapshot import digest_file
from boardsync.local.trash import holds, settle
from boardsync.model import FileStat, Item, LinkState, Mark
from boardsync.plan.names import numbered_path
from boardsync.plan.tokens import token_for
from boardsync.servers.port import Server
from boardsync.state import items_seen, links, observations, places, runs, trash
from boardsync.state.records import BoardRecord, LinkRecord
from boardsync.state.trash import TrashRecord

log = structlog.get_logger(__name__)

MOST_NUMBERS = 10_000


class AskedMarks:
    """Asks for the marks of a board's items: while one question is open, others gather."""

    def __init__(self, server: Server, board_id: str | None) -> None:
        self._server = server
        self._board_id = board_id
        self._waiting: set[str] = set()
        self._marks: dict[str, Mark | None] = {}
        self._asking = asyncio.Lock()

    async def of(self, item_id: str) -> Mark | None:
        """Return an item's mark. Raises as asking does."""
        self._waiting.add(item_id)
        async with self._asking:
            if item_id in self._waiting:
                asked = sorted(self._waiting)
                self._marks |= await self._server.marks(self._board_id, asked)
                self._waiting.difference_update(asked)
        return self._marks.pop(item_id, None)


class Restorer:
    """Takes pictures out of one mirror's trash. run: the run that does it."""

    def __init__(self, mirror: Mirror, run: int) -> None:
        self._mirror = mirror
        self._run = run
        self._marks: dict[int, AskedMarks] = {}

    async def restore(self, entry: TrashRecord) -> str:
        """Bring back what an entry holds. Returns in words where it is; raises BoardsyncError."""
        with self._mirror.state.read() as connection:
            now = trash.find(connection, entry.id)
        if now is None or now.state != trash.TRASHED:
            state = "unknown" if now is None else now.state
            raise Refused(f"not in the trash any more: {state} since")
        return await (self._item(now) if now.side == trash.ITEM else self._file(now))

    async def _item(self, entry: TrashRecord) -> str:
        mirror = self._mirror
        with mirror.state.read() as connection:
            board = places.board_by_id(connection, entry.board)
            known = _links_of_item(connection, entry)
            _demand_no_successor(connection, entry)
        there = await asyncio.to_thread(self._files_there, known)
        require_server(mirror)
        await self._demand_gone(board, entry)
        await self._release(known)
        item = await mirror.server.untrash(str(entry.trashed_id), board.server_id)
        mark = await self._mark(board, item)
        mirror.gate.worked()
        work = partial(
            self._item_restored, entry=entry, board=board, known=known, there=there, item=item,
            mark=mark,
        )  # fmt: skip
        agreed = await mirror.state.write(work)
        log.info("item restored", item=item.item_id, board=board.name, path=entry.path)
        called = "" if item.item_id == entry.item_id else f" as {show(item.item_id)!r}"
        alone = "; its file is gone, or holds something else by now"
        linked = ", and linked to its file" if agreed else alone
        return f"on board {board.name!r} again{called}{linked}"

    async def _demand_gone(self, board: BoardRecord, entry: TrashRecord) -> None:
        """Raise Refused where what was saved is on its board: two would be doubles.

        Its removal was called off, or it came back from another entry.
        """
        if entry.reason != FOUND_SAVED or entry.item_id is None:
            return
        server = self._mirror.server
        there = [
            one for one in await server.items(board.server_id, [entry.item_id])
            if one.version == entry.version
        ]  # fmt: skip
        if entry.digest is not None and self._mirror.policy().one_item:
            there += await server.find(token_for(self._mirror.key, entry.digest))
        for one in there:
            if one.board_id == board.server_id and not one.trashed:
                raise Refused(
                    f"kept in the trash: its picture is on board {board.name!r}, as item"
                    f" {show(one.item_id)!r}; nothing has to come back"
                )

    def _files_there(self, known: Sequence[LinkRecord]) -> dict[int, FileStat]:
        """Return, by link, the files that still hold the picture. Raises SettingsError."""
        found = {}
        rules = self._mirror.rules()
        for link in known:
            if rules.verdict(link.path, False) is None:
                stat = _stat_if_held(self._mirror, link.path, link.digest)
                if stat is not None:
                    found[link.id] = stat
        return found

    async def _release(self, known: Sequence[LinkRecord]) -> None:
        """Let nothing take the item for one that newer content replaced, once it is back."""
        old = [one.id for one in known if one.state == LinkState.SUPERSEDED.value]
        if not old:
            return
        moment = now_ms(self._mirror.clock)

        def write(c: Connection) -> None:
            for number in old:
                links.part(c, number, LinkState.FILE_GONE, moment)

        await self._mirror.state.write(write)

    async def _mark(self, board: BoardRecord, item: Item) -> Mark | None:
        asked = self._marks.setdefault(board.id, AskedMarks(self._mirror.server, board.server_id))
        mark = await asked.of(item.item_id)
        # Others may write marks, too: one is believed when its token follows from what it says.
        believed = mark is not None and mark.token == token_for(mark.mirror, mark.file)
        return mark if believed else None

    def _item_restored(
        self, c: Connection, *, entry: TrashRecord, board: BoardRecord,
        known: Sequence[LinkRecord], there: dict[int, FileStat], item: Item, mark: Mark | None,
    ) -> int:  # fmt: skip
        """Record where the item is; return how many of its links agree again."""
        now = self._mirror.clock.now_ns()
        moment, agreed = now // 1_000_000, 0
        trash.change(
            c, entry.id, moment, state=trash.RESTORED, run=self._run, item_id=item.item_id,
            version=item.version, error=None,
        )  # fmt: skip
        items_seen.describe_items(c, board.id, [(item, mark)])
        places.forget_listing(c, board.id)
        for link in known:
            stat = there.get(link.id)
            agrees = stat is not None and not _has_another(c, self._mirror.number, link)
            if stat is not None and agrees:
                observations.put_file(c, entry.mirror, link.path, stat, link.digest, now)
            state = LinkState.AGREED if agrees else LinkState.FILE_GONE
            links.change(
                c, link.id, moment, state=state.value, item_id=item.item_id, version=item.version
            )
            agreed += agrees
        runs.count(c, self._run, moment)
        return agreed

    async def _file(self, entry: TrashRecord) -> str:
        mirror = self._mirror
        await asyncio.to_thread(require_folder, mirror)
        final, stat = await asyncio.to_thread(self._take_out, entry)
        work = partial(self._file_restored, entry=entry, final=final, stat=stat)
        agreed = await mirror.state.write(work)
        log.info("file restored", path=final, linked=agreed)
        named = f" as {show(final)!r}, since its name is taken" if final != entry.path else ""
        if agreed:
            return f"in the folder again{named}, and linked to its item"
        return f"in the folder again{named}; its item is gone, and it is not sent by itself"

    def _take_out(self, entry: TrashRecord) -> tuple[bytes, FileStat]:
        path, digest = _path(entry), str(entry.digest)
        place = _place(entry)
        final = self._taken_out_before(place, path, digest)
        if final is None:
            final = self._mirror.trash.take_out(place, digest, path)
        stat = _stat_if_held(self._mirror, final, digest)
        if stat is None:
            raise FileChanging(f"{os.fsdecode(final)}: changed while it was brought back")
        return final, stat

    def _taken_out_before(self, place: bytes, path: bytes, digest: str) -> bytes | None:
        """Find a file that was taken out, perhaps under another name, before a kill."""
        disk = self._mirror.disk
        if disk.lexists(place):
            return None
        for number in range(1, MOST_NUMBERS):
            final = numbered_path(path, number)
            if not disk.lexists(self._mirror.absolute(final)):
                return None
            if holds(self._mirror.absolute(final), digest, disk):
                settle(self._mirror.absolute(final), self._mirror.root, disk)
                return final
        return None

    def _file_restored(
        self, c: Connection, *, entry: TrashRecord, final: bytes, stat: FileStat
    ) -> bool:
        """Record where the file is; tell whether it is linked to its item again."""
        now = self._mirror.clock.now_ns()
        moment, digest = now // 1_000_000, str(entry.digest)
        trash.change(
            c, entry.id, moment, state=trash.RESTORED, run=self._run, path=final, error=None
        )
        observations.put_file(c, entry.mirror, final, stat, digest, now)
        known = _link_of_file(c, entry)
        agreed = known is not None and _item_there(c, known)
        state = LinkState.AGREED if agreed else LinkState.ITEM_GONE
        if known is None or known.state == LinkState.AGREED.value:
            number = links.agree(c, _new_link(entry, known, final), moment).number
        else:
            number = known.id
        links.change(c, number, moment, path=final, state=state.value)
        runs.count(c, self._run, moment)
        return agreed


def _demand_no_successor(c: Connection, entry: TrashRecord) -> None:
    """Raise Refused where a picture was sent again and lies on its board: two would be doubles."""
    if entry.reason != SENT_AGAIN:
        return
    for link in links.of_digest(c, entry.mirror, str(entry.digest)):
        if link.board == entry.board and link.state == LinkState.AGREED.value:
            raise Refused(
                f"kept in the trash: its picture was sent again and is item {show(link.item_id)};"
                f" `boardsync undo` of run {link.run} takes that back first"
            )


def _links_of_item(c: Connection, entry: TrashRecord) -> list[LinkRecord]:
    """Return the links that were those of the item; what agrees by now is another item's.

    Of an item that was replaced in one step, its id and version tell which picture it was.
    """
    return [
        one for one in links.of_item(c, entry.board, str(entry.item_id))
        if one.version == entry.version and one.digest == (entry.digest or one.digest)
        and one.state != LinkState.AGREED.value
    ]  # fmt: skip


def _has_another(c: Connection, mirror: int, link: LinkRecord) -> bool:
    """Tell whether another item is in step with a link's file."""
    return any(
        one.id != link.id and one.board == link.board and one.state == LinkState.AGREED.value
        for one in links.of_path(c, mirror, link.path)
    )


def _link_of_file(c: Connection, entry: TrashRecord) -> LinkRecord | None:
    """Return the link that was the file's. Its version is right where the entry's is newer."""
    subject = (entry.digest, entry.board, entry.item_id)
    found = links.of_path(c, entry.mirror, _path(entry))
    return next((one for one in found if (one.digest, one.board, one.item_id) == subject), None)


def _item_there(c: Connection, link: LinkRecord) -> bool:
    found = items_seen.find_item(c, link.board, link.item_id)
    return found is not None and found[0].version == link.version


def _new_link(entry: TrashRecord, known: LinkRecord | None, path: bytes) -> links.NewLink:
    """Return a link for a file whose own was forgotten, or belongs to another file by now."""
    return links.NewLink(
        mirror=entry.mirror, path=path, digest=str(entry.digest), board=entry.board,
        item_id=str(entry.item_id), version=entry.version if known is None else known.version,
        made="found" if known is None else known.made,
    )  # fmt: skip


def _stat_if_held(mirror: Mirror, path: bytes, digest: str) -> FileStat | None:
    """Return what a file is like, if it is there and holds this picture."""
    try:
        found, stat = digest_file(mirror.absolute(path), mirror.disk)
    except (FileChanging, Refused):
        return None
    return stat if found == digest else None


def _path(entry: TrashRecord) -> bytes:
    assert entry.path is not None  # noqa: S101
    return entry.path


def _place(entry: TrashRecord) -> bytes:
    assert entry.place is not None  # noqa: S101
    return entry.place
