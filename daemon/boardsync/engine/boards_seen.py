"""The boards of one mirror as this process has seen them, and what kept it from seeing them.

What is decided about a board counts only while it is among them: seen since the server was last
away, and by the board that its subfolder has now.
"""

from __future__ import annotations

import asyncio
from collections.abc import Set as AbstractSet

from boardsync.engine.context import Mirror
from boardsync.engine.decide import Boards
from boardsync.engine.follow_folders import remember_folders
from boardsync.engine.forgotten import find_forgotten
from boardsync.engine.observe_boards import (
    confirm_absences,
    find_board,
    observe_board,
    observe_stars,
)
from boardsync.engine.passes import Look, Pass
from boardsync.engine.prove import prove_items
from boardsync.engine.troubles import Part, Troubles
from boardsync.engine.wanted import Want, wanted_subfolders
from boardsync.errors import BoardMissing, BoardsyncError, ServerFault, ServerUnreachable
from boardsync.model import Action, ActionKind
from boardsync.state import places, transfers
from boardsync.state.records import BoardRecord


class BoardsSeen:
    """Looks at the boards of one mirror. dry: makes none, and writes nothing of them down.

    undecided: something here was forgotten, so that all has to be decided anew.
    """

    def __init__(self, mirror: Mirror, troubles: Troubles, *, dry: bool) -> None:
        self._mirror = mirror
        self._troubles = troubles
        self._dry = dry
        self._boards: dict[bytes, BoardRecord] = {}
        self._wanted: dict[bytes, Want] = {}
        self.matching: dict[int, set[str]] = {}
        """By board, the items that the settings' search finds."""
        self.undecided = False

    @property
    def any(self) -> bool:
        """Whether any board was seen."""
        return bool(self._boards)

    def whole(self) -> Boards:
        """Return, by subfolder, the boards of which every item was read."""
        seen = self._mirror.seen_boards
        return {key: one for key, one in self._boards.items() if one.id in seen}

    def fetching(self) -> AbstractSet[bytes]:
        """Return the subfolders whose boards are fetched from: not those that are gone."""
        return {key for key, want in self._wanted.items() if want is not Want.REST}

    def look_anew(self) -> None:
        """Have every board looked at again; what is known of them still counts."""
        self._boards.clear()

    async def observe(self, look: Look, done: Pass) -> bool:
        """See the boards that are due. Returns whether anything there changed."""
        mirror, changed = self._mirror, False
        try:
            self._wanted = wanted = await asyncio.to_thread(wanted_subfolders, mirror)
        except BoardsyncError as error:
            self._troubles.set(Part.FOLDER, error)
            return False
        self._troubles.keep_boards(wanted)
        self._forget_retired()
        if mirror.gate.wait_seconds() == 0 and await self._server_forgot():
            return changed
        before = set(self._boards)
        for subfolder in sorted(wanted):
            if mirror.gate.wait_seconds() > 0:
                self._server_away()
                return changed
            if look.boards or look.folder or subfolder not in self._boards:
                changed |= await self._try_board(subfolder, look, done)
                gone = self._troubles.is_of(subfolder, BoardMissing)
                if gone and await self._server_forgot():
                    return changed
        if not (self._dry or self._boards.keys() <= before):
            await remember_folders(mirror)
        if self._troubles.clear(Part.SERVER):
            # What waits for longer than the server was away may go now.
            await mirror.state.write(lambda c: transfers.hurry(c, [mirror.number]))
        return changed

    async def _server_forgot(self) -> bool:
        """Tell whether the server is not what it was: then no board of it is looked at."""
        try:
            trouble = await find_forgotten(self._mirror)
        except BoardsyncError as error:
            self._mirror.gate.failed(error)
            self._server_away()
            return True
        if trouble is None:
            self._troubles.clear(Part.FORGOTTEN)
            return False
        self.forget_all()
        self._troubles.keep_boards(())
        self._troubles.set(Part.FORGOTTEN, trouble)
        return True

    def _server_away(self) -> None:
        """Wait for the server. What is there when it is back has to be seen anew."""
        self.forget_all()
        trouble = self._mirror.gate.trouble or "server is not available"
        self._troubles.set(Part.SERVER, ServerUnreachable(trouble))

    def forget_all(self) -> None:
        for subfolder in list(self._boards):
            self._forget_board(subfolder)
        self.undecided = True

    async def _try_board(self, subfolder: bytes, look: Look, done: Pass) -> bool:
        """See one board; its failure is its own, unless it closes the server's gate."""
        want = self._wanted[subfolder]
        needed = want is Want.PICTURES and look.make
        try:
            changed = await self._observe_board(subfolder, done, needed=needed)
        except BoardsyncError as error:
            self._forget_board(subfolder)
            self.undecided = True
            if not isinstance(error, BoardMissing):
                self._troubles.set(subfolder, error)
                self._mirror.gate.failed(error, looking=True)
            elif want is Want.REST:
                await self._give_up_uploads(subfolder)
            else:
                self._troubles.set(subfolder, error)
            return False
        self._mirror.gate.worked()
        return changed

    async def _give_up_uploads(self, subfolder: bytes) -> None:
        """Forget what was to go to a board that is gone, from a subfolder that is gone, too.

        It is planned anew if they come back.
        """
        mirror = self._mirror
        with mirror.state.read() as connection:
            board = places.board_for(connection, mirror.number, subfolder)
        if board is not None:
            await mirror.state.write(lambda c: transfers.forget_uploads(c, board.id))

    async def _observe_board(self, subfolder: bytes, done: Pass, *, needed: bool) -> bool:
        """See one board. needed: without it, something could not be mirrored."""
        mirror = self._mirror
        may_create = needed and mirror.settings.direction.pushes and not self._dry
        board = await find_board(mirror, subfolder, may_create=may_create)
        if board is None:
            return await self._no_board(subfolder, done) if needed else False
        seen = await observe_board(mirror, board)
        done.listing_seconds += seen.seconds
        self._note_unread(subfolder, board, seen.unread)
        fresh = subfolder not in self._boards
        self._boards[subfolder] = board
        if mirror.settings.pull.search and (seen.changed or fresh):
            found = await mirror.server.matching(board.server_id, mirror.settings.pull.search)
            self.matching[board.id] = set(found)
        changed = seen.changed or fresh
        changed |= await confirm_absences(mirror, board)
        if mirror.settings.direction.pulls and mirror.settings.pull.starred_only:
            changed |= await observe_stars(mirror, board)
        return changed

    def _note_unread(self, subfolder: bytes, board: BoardRecord, unread: int) -> None:
        """Uploads may go to a board whose items were all read, and to no other."""
        if not unread:
            self._mirror.seen_boards.add(board.id)
            self._troubles.clear(subfolder)
            return
        self._mirror.seen_boards.discard(board.id)
        self._troubles.set(
            subfolder,
            ServerFault(
                f"board {board.name!r}: {unread} items cannot be described yet;"
                " uploads to it wait, since any of them could be ours"
            ),
        )

    def _forget_retired(self) -> None:
        """Forget boards that went to other subfolders: what they hold has to be seen anew."""
        with self._mirror.state.read() as connection:
            current = {one.id for one in places.boards(connection, self._mirror.number)}
        for subfolder, board in list(self._boards.items()):
            if board.id not in current:
                self._forget_board(subfolder)

    def _forget_board(self, subfolder: bytes) -> None:
        """See a board anew before anything is sent to it."""
        board = self._boards.pop(subfolder, None)
        if board is not None:
            self._mirror.seen_boards.discard(board.id)

    async def _no_board(self, subfolder: bytes, done: Pass) -> bool:
        """There is no such board. A plan that is only shown goes on as if it had been made."""
        mirror, name = self._mirror, self._mirror.board_name(subfolder)
        if not (self._dry and mirror.settings.create_board and mirror.settings.direction.pushes):
            raise BoardMissing(
                f"server {mirror.server.name!r} has no board {name!r}; make it, set another"
                " `board`, or set `create_board: true`"
            )
        pretended = await mirror.state.write(
            lambda c: places.bind_board(c, mirror.number, subfolder, "", name, made_by_us=True)
        )
        self._boards[subfolder] = pretended
        mirror.seen_boards.add(pretended.id)
        action = Action(ActionKind.MAKE_BOARD, mirror.key, "the server has no board of this name")
        done.made.append((pretended.id, action))
        return True

    async def prove_items(self, done: Pass) -> None:
        """See some items of ours whole; it is tried again when the server does not answer."""
        mirror, due = self._mirror, list[int]()
        if self._dry or not mirror.settings.direction.pushes:
            return
        for board in self._boards.values():
            if board.id not in mirror.seen_boards:
                continue  # it is looked at again before long
            next_ms = await prove_items(mirror, board)
            if next_ms is not None:
                due.append(next_ms)
        done.next_proof_ms = min(due, default=None)
