"""Takes back what a run brought to either side: into the trash, and never to be made again.

The link says `undone` before anything moves, so that whatever interrupts this, no pass takes
what is missing for a deletion. A repeat goes on from there: the server's trash knows a removal by
its key, the local one by the place that was recorded first.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import structlog
from sqlalchemy import Connection

from boardsync.engine.clock import now_ms
from boardsync.engine.context import Mirror
from boardsync.engine.report import show
from boardsync.engine.told import require_folder, require_server
from boardsync.errors import FileChanging, ItemChanged, Missing, Refused
from boardsync.local.trash import holds
from boardsync.model import Item, LinkState
from boardsync.state import items_seen, links, observations, places, runs, trash
from boardsync.state.records import BoardRecord, LinkRecord

log = structlog.get_logger(__name__)

GONE = "was not there any more"


@dataclass(frozen=True, slots=True)
class Brought:
    """A picture that a run brought to one side. links: those by which it did; perhaps none."""

    path: bytes
    digest: str | None
    board: int
    item_id: str
    version: str
    links: tuple[LinkRecord, ...] = ()

    @property
    def begun(self) -> bool:
        """Whether taking it back began before."""
        undone = LinkState.UNDONE.value
        return bool(self.links) and all(one.state == undone for one in self.links)

    @property
    def superseded(self) -> bool:
        """Whether newer content of its file was sent or fetched since."""
        return any(one.state == LinkState.SUPERSEDED.value for one in self.links)

    @property
    def link(self) -> int | None:
        """Our number of the link that its entry in the trash names."""
        return self.links[0].id if self.links else None


class Withdrawer:
    """Takes pictures of one mirror back. run: the run that does it, with its reason in words."""

    def __init__(self, mirror: Mirror, run: int, reason: str) -> None:
        self._mirror = mirror
        self._run = run
        self._reason = reason

    async def item(self, one: Brought) -> str | None:
        """Put an item into the server's trash. Returns in words what was done; None: nothing."""
        mirror = self._mirror
        with mirror.state.read() as connection:
            board = places.board_by_id(connection, one.board)
        require_server(mirror)
        found = await self._find(board, one)
        mirror.gate.worked()
        if found is None and not one.begun:
            return GONE
        if found is not None and found.trashed and not one.begun:
            return "is in the server's trash already"
        if found is not None and found.version != one.version and one.superseded:
            return "newer content of its file has taken its place since"
        if found is not None and not found.trashed:
            await self._require_ours(board, one, found)
        item = found or Item(one.item_id, board.server_id, one.version)
        mirror.leaving.add((one.board, one.item_id))  # from here on nobody links it
        try:
            if not await self._take(one, item):
                return None if one.begun else GONE
        finally:
            mirror.leaving.discard((one.board, one.item_id))
        log.info("item taken back", path=one.path, item=one.item_id, board=board.name)
        return "taken off its board, into the server's trash"

    async def _take(self, one: Brought, item: Item) -> bool:
        """Put the item into the trash and record that. False: it is not there."""
        since = max(link.since_ms for link in one.links) if one.begun else await self._begin(one)
        try:
            trashed_id = await self._mirror.server.trash(item, self._key(one, since))
        except Missing:
            return False
        except (ItemChanged, Refused):
            await self._call_off(one)
            raise
        await self._mirror.state.write(
            partial(self._item_withdrawn, one=one, item=item, trashed_id=trashed_id)
        )
        return True

    async def _find(self, board: BoardRecord, one: Brought) -> Item | None:
        found = await self._mirror.server.items(board.server_id, [one.item_id])
        return found[0] if found else None

    async def _require_ours(self, board: BoardRecord, one: Brought, item: Item) -> None:
        """Raise Refused when an item is not as it was brought, or is not only the run's."""
        if item.board_id != board.server_id:
            raise Refused("kept: somebody moved it to another board")
        if item.version != one.version:
            raise Refused("kept: it was changed on the board since")
        if item.starred:
            raise Refused("kept: it is starred on the board")
        marks = await self._mirror.server.marks(board.server_id, [item.item_id])
        mark = marks.get(item.item_id)
        if mark is not None and mark.mirror != self._mirror.key:
            raise Refused(f"kept: it belongs to mirror {mark.mirror!r}")
        with self._mirror.state.read() as connection:
            self._require_alone(connection, one)

    def _require_alone(self, connection: Connection, one: Brought) -> None:
        """Raise Refused when another run put another file in step with the item."""
        ours = {link.id for link in one.links}
        for link in links.of_item(connection, one.board, one.item_id):
            if link.id in ours or link.state != LinkState.AGREED.value:
                continue
            if observations.find_file(connection, self._mirror.number, link.path) is not None:
                raise Refused(f"kept: {show(link.path)} holds the same picture")

    async def _begin(self, one: Brought) -> int:
        """Have nothing decided about the picture any more. Returns since when (ms).

        Raises Refused when another file has been linked to it meanwhile.
        """
        moment = now_ms(self._mirror.clock)

        def write(c: Connection) -> None:
            self._require_alone(c, one)
            _note_undone(c, one.links, moment)

        await self._mirror.state.write(write)
        return moment

    async def _call_off(self, one: Brought) -> None:
        """Let links be as they were: nothing was moved."""
        moment = now_ms(self._mirror.clock)
        await self._mirror.state.write(partial(_note_as_before, changed=one.links, moment=moment))

    def _key(self, one: Brought, since_ms: int) -> str:
        """Return the key of this removal: the same when it is repeated."""
        text = f"undo {self._mirror.key} {one.board} {one.item_id} {one.version} {since_ms}"
        return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:32]

    def _item_withdrawn(
        self, c: Connection, *, one: Brought, item: Item, trashed_id: str
    ) -> None:  # fmt: skip
        moment = now_ms(self._mirror.clock)
        trash.add(
            c, moment, mirror=self._mirror.number, run=self._run, side=trash.ITEM,
            reason=self._reason, guarded=False, link=one.link, path=one.path, digest=one.digest,
            board=one.board, item_id=one.item_id, version=one.version, trashed_id=trashed_id,
            size=item.size,
        )  # fmt: skip
        items_seen.forget_items(c, one.board, [one.item_id])
        places.forget_listing(c, one.board)
        runs.count(c, self._run, moment, trashed=1)

    async def file(self, one: Brought) -> str | None:
        """Put a file into the local trash. Returns in words what was done; None: nothing."""
        mirror = self._mirror
        await asyncio.to_thread(require_folder, mirror)
        digest = str(one.digest)
        entry, place = self._recorded(one)
        if entry is None:
            if not await asyncio.to_thread(mirror.disk.lexists, mirror.absolute(one.path)):
                return None if one.begun else GONE
            await self._require_unchanged(one)
            entry, place = await self._record(one)
        elif await asyncio.to_thread(mirror.disk.lexists, place):
            return None if one.begun else "is in the trash already"
        try:
            await asyncio.to_thread(mirror.trash.put, one.path, digest, place)
        except (FileChanging, FileExistsError) as error:
            await mirror.state.write(partial(trash.forget, number=entry))
            await self._call_off(one)
            raise Refused("kept: it changed, or vanished, in this very moment") from error
        await mirror.state.write(partial(self._file_withdrawn, one=one, entry=entry))
        log.info("file taken back", path=one.path, item=one.item_id)
        return "taken out of the folder, into the trash"

    def _recorded(self, one: Brought) -> tuple[int | None, bytes]:
        """Find where the file was to go, if that was recorded before."""
        with self._mirror.state.read() as connection:
            entries = [] if one.link is None else trash.of_link(connection, one.link)
        for entry in entries:
            if entry.side == trash.FILE and entry.digest == one.digest and entry.place:
                return entry.id, entry.place
        return None, b""

    async def _require_unchanged(self, one: Brought) -> None:
        path = self._mirror.absolute(one.path)
        if not await asyncio.to_thread(holds, path, str(one.digest), self._mirror.disk):
            raise Refused("kept: its content was changed since")

    async def _record(self, one: Brought) -> tuple[int, bytes]:
        """Make durable where the file goes, before it goes there."""
        mirror, moment = self._mirror, now_ms(self._mirror.clock)
        day = time.strftime("%Y-%m-%d", time.gmtime(moment / 1000))
        place = await asyncio.to_thread(mirror.trash.place_for, one.path, day)
        work = partial(self._note_place, one=one, place=place, moment=moment)
        return await mirror.state.write(work), place

    def _note_place(self, c: Connection, *, one: Brought, place: bytes, moment: int) -> int:
        seen = observations.find_file(c, self._mirror.number, one.path)
        _note_undone(c, one.links, moment)
        return trash.add(
            c, moment, mirror=self._mirror.number, run=self._run, side=trash.FILE,
            reason=self._reason, guarded=False, link=one.link, path=one.path, digest=one.digest,
            board=one.board, item_id=one.item_id, version=one.version, place=place,
            size=None if seen is None else seen.size,
        )  # fmt: skip

    def _file_withdrawn(self, c: Connection, *, one: Brought, entry: int) -> None:
        moment = now_ms(self._mirror.clock)
        trash.change(c, entry, moment, run=self._run)
        observations.forget_files(c, self._mirror.number, [one.path])
        runs.count(c, self._run, moment, trashed=1)


def _note_undone(c: Connection, changed: Sequence[LinkRecord], moment: int) -> None:
    for link in changed:
        links.change(c, link.id, moment, state=LinkState.UNDONE.value)


def _note_as_before(c: Connection, changed: Sequence[LinkRecord], moment: int) -> None:
    for link in changed:
        links.change(c, link.id, moment, state=link.state)
