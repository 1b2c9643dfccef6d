"""One pass of one mirror: observe, decide, record. Carrying out is the carrier's.

Hints say where to look; a pass with no hint in particular looks everywhere.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Collection
from dataclasses import dataclass, field

import structlog

from boardsync.engine import decide, observe_files
from boardsync.engine.clock import now_ms
from boardsync.engine.context import Mirror
from boardsync.engine.decide import Boards
from boardsync.engine.follow_folders import follow_folders
from boardsync.engine.forgotten import find_forgotten
from boardsync.engine.observe_boards import (
    board_name,
    confirm_absences,
    find_board,
    observe_board,
    observe_stars,
)
from boardsync.engine.observe_files import (
    FilesSeen,
    Hashed,
    hash_settled,
    observe_folder,
    observe_paths,
)
from boardsync.engine.prove import prove_items
from boardsync.engine.wanted import wanted_subfolders
from boardsync.errors import (
    BoardMissing,
    BoardsyncError,
    Bug,
    FolderAway,
    ServerFault,
    ServerUnreachable,
    SettingsError,
)
from boardsync.model import Action, ActionKind
from boardsync.state import absence, places, transfers
from boardsync.state.records import BoardRecord
from boardsync.telemetry.logging import about

log = structlog.get_logger(__name__)

FOLDER = "folder"
SERVER = "server"
UNREADABLE = "unreadable"
FORGOTTEN = "forgotten"
RENAMED = "renamed folders"
WHOLE = "whole pass"
"""Whose trouble it is, besides the boards': a pass clears only what it looked at."""


@dataclass(slots=True)
class Look:
    """Where to look: the sum of the hints since the last pass.

    decide: decide about everything, even if nothing new is seen there. make: make boards that
    are needed and missing.
    """

    cause: str = "schedule"
    folder: bool = False
    boards: bool = False
    decide: bool = False
    make: bool = True
    paths: set[bytes] = field(default_factory=set)
    closed: set[bytes] = field(default_factory=set)

    @property
    def nothing(self) -> bool:
        return not (self.folder or self.boards or self.paths)

    @classmethod
    def everywhere(cls, cause: str) -> Look:
        return cls(cause=cause, folder=True, boards=True)


@dataclass(slots=True)
class Pass:
    """What a pass found and planned. troubles: why parts of it could not be done.

    walk_seconds, listing_seconds: how long looking at the folder, and at the boards, took.
    next_proof_ms: when items of ours are to be seen whole, None when all of them are.
    next_look_ms: when something that is in doubt now can be decided, None without a doubt.
    """

    files: FilesSeen | None = None
    hashed: Hashed = field(default_factory=Hashed)
    plan: decide.Plan = field(default_factory=decide.Plan)
    made: list[tuple[int, Action]] = field(default_factory=list)
    run: int | None = None
    troubles: list[BoardsyncError] = field(default_factory=list)
    walk_seconds: float = 0.0
    listing_seconds: float = 0.0
    next_look_ms: int | None = None
    next_proof_ms: int | None = None


class Reconciler:
    """The passes of one mirror. One at a time: the worker and a person's `once` share it."""

    def __init__(self, mirror: Mirror, *, dry: bool = False) -> None:
        self._mirror = mirror
        self._dry = dry
        self._boards: dict[bytes, BoardRecord] = {}
        self._matching: dict[int, set[str]] = {}
        self._undecided = True
        self._told: set[str] = set()
        self._asked_for: set[bytes] = set()
        self._troubles: dict[str, BoardsyncError] = {}
        self.planned: Callable[[], None] = lambda: None
        self._lock = asyncio.Lock()

    async def look(self, look: Look) -> Pass:
        """Make one pass. Failures are part of its result; they are also kept in the state."""
        async with self._lock:
            done = Pass()
            with about(mirror=self._mirror.name):
                known = await self._follow_folders(look)
                await self._observe_files(look, done)
                changed = await self._observe_boards(look, done) if known else False
                await self._try_to_decide(
                    look, done, everything=changed or look.folder or look.decide
                )
                await self._prove_items(done)
                self._troubles.pop(WHOLE, None)
                with about(run=done.run):
                    await self._note_troubles(done)
            return done

    async def _follow_folders(self, look: Look) -> bool:
        """Let boards follow renamed folders. False: it is not known which board is whose."""
        if self._dry or self._mirror.gate.wait_seconds() > 0:
            return True
        try:
            renamed = await follow_folders(self._mirror)
        except BoardsyncError as error:
            self._forget_boards()
            self._troubles[RENAMED] = error
            self._mirror.gate.failed(error)
            return False
        self._troubles.pop(RENAMED, None)
        if renamed:
            self._boards.clear()
            look.folder = look.boards = True
        return True

    @contextlib.asynccontextmanager
    async def observed(self, patience: float) -> AsyncIterator[tuple[Pass, Boards]]:
        """See folder and boards as they are, and plan nothing until the body is through.

        patience: seconds to wait for files that still change. Yields what was seen, without a
        plan, and by subfolder the boards that were seen whole. No board is made.
        """
        async with self._lock:
            done = Pass()
            with about(mirror=self._mirror.name):
                look = Look(cause="adopt", folder=True, boards=True, make=False)
                if await self._follow_folders(look):
                    await self._observe_files(look, done)
                    await self._observe_boards(look, done)
                    await self._hash_what_settles(done, patience)
                await self._note_troubles(done)
                self._undecided = True
                seen = self._mirror.seen_boards
                yield done, {key: one for key, one in self._boards.items() if one.id in seen}

    async def _hash_what_settles(self, done: Pass, patience: float) -> None:
        """Hash all that has settled, and what does so in time."""
        clock = self._mirror.clock
        until = clock.monotonic() + patience
        while True:
            done.hashed = hashed = await hash_settled(self._mirror)
            while hashed.more:
                hashed = await hash_settled(self._mirror, (), hashed.after)
                done.hashed.absorb(hashed)
            if done.hashed.next_ready_ns is None:
                return
            wait = max(0.05, (done.hashed.next_ready_ns - clock.now_ns()) / 1e9)
            if clock.monotonic() + wait > until:
                return
            await clock.sleep(wait)

    async def _observe_files(self, look: Look, done: Pass) -> None:
        started = self._mirror.clock.monotonic()
        try:
            if look.folder:
                done.files = await observe_folder(self._mirror)
                self._asked_for.clear()
                self._tell_once(done.files)
                self._note_unreadable(done.files)
            elif look.paths:
                done.files = await observe_paths(self._mirror, sorted(look.paths))
        except BoardsyncError as error:
            self._troubles[FOLDER] = error
        else:
            if done.files is not None:
                self._troubles.pop(FOLDER, None)
        done.walk_seconds = self._mirror.clock.monotonic() - started

    async def _hash_and_decide(self, look: Look, done: Pass) -> None:
        """Hash what has settled; while there is more of it, send what is hashed on its way.

        A plan that is only shown is made at the end, once.
        """
        after, pace = b"", observe_files.FIRST
        while True:
            with about(run=done.run):
                hashed = await hash_settled(self._mirror, look.closed, after, pace)
            pace = observe_files.LATER
            done.hashed.absorb(hashed)
            if not hashed.more:
                return
            after = hashed.after
            if not self._dry:  # what is not recorded would be planned once more at the end
                await self._decide(look, done, everything=False)
            done.hashed.paths.clear()

    def _tell_once(self, seen: FilesSeen) -> None:
        """Say once what the scan leaves out although somebody may expect it."""
        for path in seen.report.symlinks:
            self._tell("symlink, not followed", path)
        for path, reason in seen.report.unreadable:
            self._tell(f"cannot be read: {reason}", path)

    def _note_unreadable(self, seen: FilesSeen) -> None:
        """What cannot be looked at may hold pictures: the mirror is not in step."""
        self._troubles.pop(UNREADABLE, None)
        if seen.report.unreadable:
            path, reason = seen.report.unreadable[0]
            others = len(seen.report.unreadable) - 1
            more = f", and {others} more" if others else ""
            name = path.decode("utf-8", "backslashreplace")
            self._troubles[UNREADABLE] = FolderAway(f"{name}: cannot be read: {reason}{more}")

    def _tell(self, text: str, path: bytes) -> None:
        key = f"{text} {path!r}"
        if key not in self._told:
            self._told.add(key)
            log.warning(text, path=path)

    async def _observe_boards(self, look: Look, done: Pass) -> bool:
        """See the boards that are due. Returns whether anything there changed."""
        mirror, changed = self._mirror, False
        try:
            wanted = await asyncio.to_thread(wanted_subfolders, mirror)
        except BoardsyncError as error:
            self._troubles[FOLDER] = error
            return False
        self._keep_troubles_of(wanted)
        if mirror.gate.wait_seconds() == 0 and await self._server_forgot():
            return changed
        for subfolder in sorted(wanted):
            if mirror.gate.wait_seconds() > 0:
                self._server_away()
                return changed
            if look.boards or look.folder or subfolder not in self._boards:
                changed |= await self._try_board(
                    subfolder, done, needed=wanted[subfolder] and look.make
                )
                gone = isinstance(self._troubles.get(board_key(subfolder)), BoardMissing)
                if gone and await self._server_forgot():
                    return changed
        if self._troubles.pop(SERVER, None) is not None:
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
            self._troubles.pop(FORGOTTEN, None)
            return False
        self._forget_boards()
        self._keep_troubles_of(())
        self._troubles[FORGOTTEN] = trouble
        return True

    def _server_away(self) -> None:
        """Wait for the server. What is there when it is back has to be seen anew."""
        self._forget_boards()
        trouble = self._mirror.gate.trouble or "server is not available"
        self._troubles[SERVER] = ServerUnreachable(trouble)

    def _forget_boards(self) -> None:
        for subfolder in list(self._boards):
            self._forget_board(subfolder)
        self._undecided = True

    def _keep_troubles_of(self, subfolders: Collection[bytes]) -> None:
        """Forget the troubles of boards that are not wanted any more."""
        kept = {FOLDER, SERVER, UNREADABLE, RENAMED, WHOLE, FORGOTTEN}
        kept |= {board_key(one) for one in subfolders}
        self._troubles = {key: error for key, error in self._troubles.items() if key in kept}

    async def _try_board(self, subfolder: bytes, done: Pass, *, needed: bool) -> bool:
        """See one board; its failure is its own, unless it closes the server's gate."""
        key = board_key(subfolder)
        try:
            changed = await self._observe_board(subfolder, done, needed=needed)
        except BoardsyncError as error:
            self._forget_board(subfolder)
            self._undecided = True
            self._troubles[key] = error
            if not isinstance(error, BoardMissing):
                self._mirror.gate.failed(error, looking=True)
            return False
        self._mirror.gate.worked()
        return changed

    async def _observe_board(self, subfolder: bytes, done: Pass, *, needed: bool) -> bool:
        """See one board. needed: without it, something could not be mirrored."""
        mirror = self._mirror
        may_create = needed and mirror.settings.direction.pushes and not self._dry
        board = await find_board(mirror, subfolder, may_create=may_create)
        if board is None:
            return await self._no_board(subfolder, done) if needed else False
        started = mirror.clock.monotonic()
        seen = await observe_board(mirror, board)
        done.listing_seconds += mirror.clock.monotonic() - started
        self._note_unread(subfolder, board, seen.unread)
        fresh = subfolder not in self._boards
        self._boards[subfolder] = board
        if mirror.settings.pull.search and (seen.changed or fresh):
            found = await mirror.server.matching(board.server_id, mirror.settings.pull.search)
            self._matching[board.id] = set(found)
        changed = seen.changed or fresh
        changed |= await confirm_absences(mirror, board)
        if mirror.settings.direction.pulls and mirror.settings.pull.starred_only:
            changed |= await observe_stars(mirror, board)
        return changed

    def _note_unread(self, subfolder: bytes, board: BoardRecord, unread: int) -> None:
        """Uploads may go to a board whose items were all read, and to no other."""
        if not unread:
            self._mirror.seen_boards.add(board.id)
            self._troubles.pop(board_key(subfolder), None)
            return
        self._mirror.seen_boards.discard(board.id)
        self._troubles[board_key(subfolder)] = ServerFault(
            f"board {board.name!r}: {unread} items cannot be described yet;"
            " uploads to it wait, since any of them could be ours"
        )

    def _forget_board(self, subfolder: bytes) -> None:
        """See a board anew before anything is sent to it."""
        board = self._boards.pop(subfolder, None)
        if board is not None:
            self._mirror.seen_boards.discard(board.id)

    async def _no_board(self, subfolder: bytes, done: Pass) -> bool:
        """There is no such board. A plan that is only shown goes on as if it had been made."""
        mirror, name = self._mirror, board_name(self._mirror, subfolder)
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

    async def _try_to_decide(self, look: Look, done: Pass, *, everything: bool) -> None:
        """Hash and decide. Without the rules of the folder nothing can be decided."""
        try:
            await self._hash_and_decide(look, done)
            await self._decide(look, done, everything=everything or self._undecided)
        except SettingsError as error:
            self._troubles[FOLDER] = error
            self._undecided = True

    async def _decide(self, look: Look, done: Pass, *, everything: bool) -> None:
        """Decide about everything, or only about the files that were just hashed."""
        paths = None if everything else done.hashed.paths
        vanished = done.files is not None and done.files.gone > 0
        if paths is not None and not paths and not vanished:
            return
        mirror = self._mirror
        boards = {key: one for key, one in self._boards.items() if one.id in mirror.seen_boards}
        plan = await asyncio.to_thread(decide.decide, mirror, boards, self._matching, paths)
        done.plan.actions += plan.actions
        done.plan.partings += plan.partings
        done.plan.held = plan.held
        done.plan.blocked = plan.blocked
        self._look_for_moved(plan)
        if everything:
            self._undecided = bool(plan.blocked)
        elif plan.blocked:
            self._undecided = True
        if not self._dry:
            done.run = await decide.record(mirror, plan, look.cause, done.run)
            if plan.actions:
                self.planned()
        done.next_look_ms = next_look_ms(mirror) if plan.unsure else None
        if plan.unsure and (done.next_look_ms is not None or done.hashed.waiting):
            self._undecided = True

    async def _prove_items(self, done: Pass) -> None:
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

    def _look_for_moved(self, plan: decide.Plan) -> None:
        """Have looked at what seems to be gone, once until the whole folder is looked at."""
        for path in plan.vanished:
            if path not in self._asked_for:
                self._asked_for.add(path)
                self._mirror.hints.path(path)

    async def note_bug(self, error: Exception) -> None:
        """Let an unforeseen failure be seen where people look: nothing is in step then."""
        self._troubles[WHOLE] = Bug(f"a pass failed in an unforeseen way: {error!r}; report this")
        try:
            await self._note_troubles(Pass())
        except BoardsyncError as problem:
            log.warning("the trouble could not be recorded", error=str(problem))

    async def _note_troubles(self, done: Pass) -> None:
        done.troubles = list(self._troubles.values())
        if self._dry:
            return
        text = "; ".join(dict.fromkeys(str(error) for error in done.troubles)) or None
        mirror, moment = self._mirror, now_ms(self._mirror.clock)
        with mirror.state.read() as connection:
            before = places.trouble(connection, mirror.number)
        if (before[0] if before else None) == text:
            return
        await mirror.state.write(lambda c: places.note_trouble(c, mirror.number, text, moment))
        if text:
            log.warning("waiting", reason=text)
        else:
            log.info("going on")


def next_look_ms(mirror: Mirror) -> int | None:
    """Return when time will have decided what is in doubt: asked twice, or quiet for long."""
    settle, number = mirror.settings.settle, mirror.number
    with mirror.state.read() as connection:
        gone = (
            absence.latest_file_gone_ms(connection, number),
            absence.latest_item_gone_ms(connection, number),
        )
        asking = absence.next_asking_ms(connection, number, int(settle.confirm * 1000))
    now = now_ms(mirror.clock)
    quiet = [one + int(settle.removal * 1000) for one in gone if one is not None]
    moments = [one for one in quiet if one > now]
    if asking is not None:
        moments.append(max(asking, now))
    return min(moments, default=None)


def board_key(subfolder: bytes) -> str:
    """Return the name under which a board's trouble is kept."""
    return f"board of {subfolder!r}"
