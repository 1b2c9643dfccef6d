"""One pass of one mirror: observe, decide, record. Carrying out is the carrier's.

Hints say where to look; a pass with no hint in particular looks everywhere.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import structlog

from boardsync.engine import decide, observe_files
from boardsync.engine.clock import now_ms
from boardsync.engine.context import Mirror
from boardsync.engine.decide import Boards
from boardsync.engine.follow_folders import follow_folders, remember_folders
from boardsync.engine.forgotten import find_forgotten
from boardsync.engine.observe_boards import (
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
from boardsync.engine.sweep import sweep_found
from boardsync.engine.troubles import Part, Troubles
from boardsync.engine.wanted import Want, wanted_subfolders
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
        self._wanted: dict[bytes, Want] = {}
        self._matching: dict[int, set[str]] = {}
        self._undecided = True
        self._told: set[str] = set()
        self._asked_for: set[bytes] = set()
        self._troubles = Troubles(mirror)
        self._hurried = False
        self.planned: Callable[[], None] = lambda: None
        self._lock = asyncio.Lock()

    @property
    def troubles(self) -> list[BoardsyncError]:
        """What keeps the mirror from being in step, as far as this process has seen."""
        return self._troubles.all()

    async def look(self, look: Look) -> Pass:
        """Make one pass. Failures are part of its result; they are also kept in the state."""
        async with self._lock:
            done = Pass()
            with about(mirror=self._mirror.name):
                await self._mind_the_clock()
                known = await self._follow_folders(look)
                await self._observe_files(look, done)
                changed = await self._observe_boards_hashing(look, done) if known else False
                await self._try_to_decide(
                    look, done, everything=changed or look.folder or look.decide
                )
                await self._prove_items(done)
                self._troubles.clear(Part.PASS)
                with about(run=done.run):
                    await self._note_troubles(done)
            return done

    def hurry_up(self) -> None:
        """Leave what is not hashed yet to whoever comes after: this one makes no more passes."""
        self._hurried = True

    async def at_rest(self) -> None:
        """Return once no pass is under way."""
        async with self._lock:
            return

    async def _mind_the_clock(self) -> None:
        """Let what vanished before the clock was set back wait as if it had vanished now."""
        mirror, moment = self._mirror, now_ms(self._mirror.clock)
        with mirror.state.read() as connection:
            ahead = absence.is_ahead(connection, mirror.number, moment)
        if ahead and not self._dry:
            await mirror.state.write(lambda c: absence.begin_anew(c, mirror.number, moment))

    async def _follow_folders(self, look: Look) -> bool:
        """Let boards follow renamed folders. False: it is not known which board is whose."""
        if self._dry or self._mirror.gate.wait_seconds() > 0:
            return True
        try:
            renamed = await follow_folders(self._mirror)
        except BoardsyncError as error:
            self._forget_boards()
            self._troubles.set(Part.RENAMED, error)
            self._mirror.gate.failed(error)
            return False
        self._troubles.clear(Part.RENAMED)
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
            self._troubles.set(Part.FOLDER, error)
        else:
            if done.files is not None:
                self._troubles.clear(Part.FOLDER)
                if not self._dry:
                    await sweep_found(self._mirror, done.files.report.temporaries)
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
            if not hashed.more or self._hurried:
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
        self._troubles.clear(Part.UNREADABLE)
        if seen.report.unreadable:
            path, reason = seen.report.unreadable[0]
            others = len(seen.report.unreadable) - 1
            more = f", and {others} more" if others else ""
            name = path.decode("utf-8", "backslashreplace")
            self._troubles.set(
                Part.UNREADABLE, FolderAway(f"{name}: cannot be read: {reason}{more}")
            )

    def _tell(self, text: str, path: bytes) -> None:
        key = f"{text} {path!r}"
        if key not in self._told:
            self._told.add(key)
            log.warning(text, path=path)

    async def _observe_boards_hashing(self, look: Look, done: Pass) -> bool:
        """See the boards; hash meanwhile, where none was seen yet: reading one takes its time."""
        if self._boards:
            return await self._observe_boards(look, done)
        seen = asyncio.Event()
        hashing = asyncio.ensure_future(self._hash_until(seen, done))
        try:
            return await self._observe_boards(look, done)
        finally:
            seen.set()
            await hashing

    async def _hash_until(self, enough: asyncio.Event, done: Pass) -> None:
        """Hash what has settled. What waits or fails is told by the hashing that follows."""
        hashed = Hashed(more=True)
        with contextlib.suppress(BoardsyncError):
            while hashed.more and not (enough.is_set() or self._hurried):
                hashed = await hash_settled(self._mirror, (), hashed.after, observe_files.MEANWHILE)
                done.hashed.paths += hashed.paths

    async def _observe_boards(self, look: Look, done: Pass) -> bool:
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
        self._forget_boards()
        self._troubles.keep_boards(())
        self._troubles.set(Part.FORGOTTEN, trouble)
        return True

    def _server_away(self) -> None:
        """Wait for the server. What is there when it is back has to be seen anew."""
        self._forget_boards()
        trouble = self._mirror.gate.trouble or "server is not available"
        self._troubles.set(Part.SERVER, ServerUnreachable(trouble))

    def _forget_boards(self) -> None:
        for subfolder in list(self._boards):
            self._forget_board(subfolder)
        self._undecided = True

    async def _try_board(self, subfolder: bytes, look: Look, done: Pass) -> bool:
        """See one board; its failure is its own, unless it closes the server's gate."""
        want = self._wanted[subfolder]
        needed = want is Want.PICTURES and look.make
        try:
            changed = await self._observe_board(subfolder, done, needed=needed)
        except BoardsyncError as error:
            self._forget_board(subfolder)
            self._undecided = True
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

    async def _try_to_decide(self, look: Look, done: Pass, *, everything: bool) -> None:
        """Hash and decide. Without the rules of the folder nothing can be decided."""
        try:
            await self._hash_and_decide(look, done)
            await self._decide(look, done, everything=everything or self._undecided)
        except SettingsError as error:
            self._troubles.set(Part.FOLDER, error)
            self._undecided = True

    async def _decide(self, look: Look, done: Pass, *, everything: bool) -> None:
        """Decide about everything, or only about the files that were just hashed."""
        paths = None if everything else done.hashed.paths
        vanished = done.files is not None and done.files.gone > 0
        if paths is not None and not paths and not vanished:
            return
        mirror = self._mirror
        boards = {key: one for key, one in self._boards.items() if one.id in mirror.seen_boards}
        # Nothing new is fetched from a board whose subfolder is gone.
        fetching = {key for key, want in self._wanted.items() if want is not Want.REST}
        plan = await asyncio.to_thread(
            decide.decide, mirror, boards, self._matching, paths, fetching
        )  # fmt: skip
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
            if plan.partings:  # whose other side is free now: it may be a case of its own
                self._undecided = True
                mirror.hints.boards("links were parted")
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
        self._troubles.set(
            Part.PASS, Bug(f"a pass failed in an unforeseen way: {error!r}; report this")
        )
        try:
            await self._note_troubles(Pass())
        except BoardsyncError as problem:
            log.warning("the trouble could not be recorded", error=str(problem))

    async def _note_troubles(self, done: Pass) -> None:
        done.troubles = self._troubles.all()
        if not self._dry:
            await self._troubles.record()


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
