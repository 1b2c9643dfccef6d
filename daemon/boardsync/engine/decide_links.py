"""Decides about links of which one side is not as it was: renames, deletions, conflicts.

Gathers what `plan.links` judges, pairs what vanished with what appeared, and lets the guard
count before the first removal. Writes nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property

from sqlalchemy import Connection

from boardsync.engine.clock import now_ms
from boardsync.engine.context import Mirror
from boardsync.engine.doubles import decide_doubles
from boardsync.engine.preparing import is_prepared
from boardsync.engine.wanted import wanted_subfolders
from boardsync.errors import FolderAway
from boardsync.files.origin import read_origin
from boardsync.local.ignore import Rules
from boardsync.local.listed import Listed
from boardsync.model import Action, ActionKind, LinkState
from boardsync.plan.guards import WINDOW_MS, why_held
from boardsync.plan.links import (
    Consent,
    FileSide,
    ItemSide,
    LinkCase,
    WhenChanged,
    decide_link,
)
from boardsync.plan.pairing import Vanished, pair
from boardsync.plan.tokens import token_for
from boardsync.state import absence, apart, holds, links, places, trash
from boardsync.state.apart import ApartLink
from boardsync.state.records import BoardRecord

Boards = dict[bytes, BoardRecord]

CHUNK = 500
REMOVALS = {ActionKind.TRASH_ITEM: trash.ITEM, ActionKind.TRASH_FILE: trash.FILE}


@dataclass(frozen=True, slots=True)
class Parting:
    """A link whose missing side is not to be made again. No bytes travel."""

    link: int
    path: bytes
    state: LinkState
    reason: str


@dataclass(slots=True)
class LinkPlan:
    """What links need. claims: paths that nothing else is to be decided about.

    held: by side, removals that wait for consent, and why. judged: there are holds, and every
    link was looked at, so that they can let go of what they name without a cause.
    """

    actions: list[tuple[int, Action]] = field(default_factory=list)
    partings: list[Parting] = field(default_factory=list)
    claims: set[bytes] = field(default_factory=set)
    held: dict[str, tuple[list[tuple[int, Action]], str]] = field(default_factory=dict)
    judged: bool = False
    waiting: int = 0


def decide_links(mirror: Mirror, boards: Boards, *, everything: bool) -> LinkPlan:
    """Decide about links. boards: by subfolder, those that were seen whole.

    everything: False looks only at links whose file is gone, which costs next to nothing.
    """
    plan = LinkPlan()
    removals: dict[str, list[tuple[int, Action]]] = {trash.ITEM: [], trash.FILE: []}
    with mirror.state.read() as connection:
        for case in _cases(mirror, connection, boards, plan, everything=everything):
            verdict = decide_link(mirror.key, case, mirror.policy())
            plan.claims.update(verdict.claims)
            if verdict.parted is not None:
                plan.partings.append(
                    Parting(case.number, case.path, verdict.parted, verdict.reason)
                )
            elif verdict.action is not None:
                placed = _placed(mirror, boards, case, verdict.action)
                side = REMOVALS.get(verdict.action.kind)
                (plan.actions if side is None else removals[side]).append(placed)
        for side, planned in removals.items():
            _guarded(mirror, connection, plan, side, planned)
        if everything:
            plan.judged = bool(holds.open_holds(connection, [mirror.number]))
            plan.actions += _replaced(mirror, connection, boards)
            plan.actions += decide_doubles(mirror, connection, boards)
    return plan


def _cases(
    mirror: Mirror, connection: Connection, boards: Boards, plan: LinkPlan, *, everything: bool
) -> Iterator[LinkCase]:
    """Yield the cases, in order of the links, each rename paired within its chunk."""
    after, gatherer = 0, _Gatherer(mirror, connection, boards)
    while chunk := apart.apart(
        connection, mirror.number, mirror.layout, CHUNK, after, only_files_gone=not everything
    ):
        after = chunk[-1].number
        renames = gatherer.renames(chunk, plan.claims)
        twins = gatherer.twins(chunk)
        for one in chunk:
            case = gatherer.case(one, renames.get(one.path), twins.get((one.board, one.digest)))
            if not case.settled or FileSide.UNSURE is case.file or ItemSide.UNSURE is case.item:
                plan.waiting += 1
            yield case


class _Gatherer:
    """Turns what is known of links into cases."""

    def __init__(self, mirror: Mirror, connection: Connection, boards: Boards) -> None:
        self._mirror = mirror
        self._connection = connection
        self._boards = boards
        self._seen = {board.id for board in boards.values()}
        quiet_since = now_ms(mirror.clock) - int(mirror.settings.settle.removal * 1000)
        number = mirror.number
        self._files_settled = _before(absence.latest_file_gone_ms(connection, number), quiet_since)
        self._items_settled = _before(absence.latest_item_gone_ms(connection, number), quiet_since)

    def renames(self, chunk: list[ApartLink], claims: set[bytes]) -> dict[bytes, bytes]:
        """Find files that vanished under other paths."""
        vanished = [
            Vanished(one.path, one.digest, one.file_gone_inode)
            for one in chunk
            if not one.seen and one.file_gone_ms is not None
        ]
        if not vanished:
            return {}
        digests = sorted({one.digest for one in vanished})
        appeared = [
            one
            for one in apart.unlinked(self._connection, self._mirror.number, digests)
            if one.path not in claims
        ]
        return pair(vanished, appeared)

    def twins(self, chunk: list[ApartLink]) -> dict[tuple[int, str], tuple[str, str]]:
        """Find other items with our mark of the same picture, where an item is gone."""
        missing: dict[int, set[str]] = {}
        for one in chunk:
            if one.now_version is None:
                missing.setdefault(one.board, set()).add(one.digest)
        found: dict[tuple[int, str], tuple[str, str]] = {}
        for board, digests in missing.items():
            known = apart.twins(
                self._connection, self._mirror.key, board, sorted(digests),
                one_item=self._mirror.policy().one_item,
            )  # fmt: skip
            found |= {(board, digest): twin for digest, twin in known.items()}
        return found

    def case(
        self, one: ApartLink, renamed_to: bytes | None, twin: tuple[str, str] | None
    ) -> LinkCase:
        """Judge both sides of a link."""
        item = self._item_side(one)
        file = self._file_side(one, item)
        home = self._home(renamed_to)
        if renamed_to is not None and home is None:
            if self._has_board(renamed_to):
                item = ItemSide.UNSURE  # its new board was not seen yet
            else:
                renamed_to = None  # it has left for where nothing is mirrored
        if one.board_missing:
            renamed_to = None  # nobody knows when that board is there again
        absent = FileSide.ABSENT is file
        return LinkCase(
            number=one.number,
            path=one.path,
            digest=one.digest,
            board=one.board,
            item_id=one.item_id,
            version=one.version,
            file=file,
            item=item,
            file_digest=one.now_digest,
            item_version=one.now_version or "",
            item_file=self._sent_from(one),
            renamed_to=renamed_to,
            home=home,
            item_board=one.item_board,
            twin=twin,
            shared=one.shared,
            pulled=one.made == "pull",
            version_of_item=self._is_version(one, file, item),
            prepared=is_prepared(one.recipe),
            foreign=one.mark is not None and one.mark.mirror != self._mirror.key,
            settled=self._files_settled if absent else self._items_settled,
            consent=None if one.consent is None else Consent(one.consent),
        )

    def _file_side(self, one: ApartLink, item: ItemSide) -> FileSide:
        if not one.seen:
            if one.file_gone_ms is not None:
                return FileSide.ABSENT
            # Whether it was left makes no difference before something became of its item.
            news = item in (ItemSide.CHANGED, ItemSide.ABSENT)
            return FileSide.LEFT if news and self._is_left(one) else FileSide.UNSURE
        if not one.hashed or one.refused:
            return FileSide.UNSURE
        return FileSide.SAME if one.now_digest == one.digest else FileSide.CHANGED

    def _is_left(self, one: ApartLink) -> bool:
        """Tell whether a file that nobody has seen, nor seen go, is nowhere in the folder."""
        return self._rules.verdict(one.path, False) is None and not self._names.holds(one.path)

    @cached_property
    def _rules(self) -> Rules:
        return self._mirror.rules()

    @cached_property
    def _names(self) -> Listed:
        return Listed(self._mirror.root, self._mirror.disk)

    @cached_property
    def _wanted(self) -> Collection[bytes] | None:
        """The subfolders whose boards are looked at; None while that cannot be told."""
        try:
            return wanted_subfolders(self._mirror)
        except FolderAway:
            return None

    def _item_side(self, one: ApartLink) -> ItemSide:
        if one.board_missing or one.board not in self._seen or one.sending:
            return ItemSide.UNSURE
        if one.now_version is not None:
            return ItemSide.SAME if one.now_version == one.version else ItemSide.CHANGED
        if one.item_board in self._seen:
            return ItemSide.ELSEWHERE
        if one.item_board is not None and self._will_be_seen(one.item_board):
            return ItemSide.UNSURE
        confirmed = one.item_gone_ms is not None and one.item_asked >= absence.TIMES
        return ItemSide.ABSENT if confirmed else ItemSide.UNSURE

    def _is_version(self, one: ApartLink, file: FileSide, item: ItemSide) -> bool:
        """Tell whether a file that changed with its item says that it came from there."""
        if (file, item) != (FileSide.CHANGED, ItemSide.CHANGED) or one.now_digest is None:
            return False
        path = self._mirror.absolute(one.path)
        origin = read_origin(path, one.now_digest, self._mirror.disk)
        if origin is None or origin.item_id != one.item_id:
            return False
        board = places.board_by_id(self._connection, one.board).server_id or ""
        return (origin.mirror, origin.board) == (self._mirror.key, board)

    def _has_board(self, path: bytes) -> bool:
        """Tell whether a path lies where a board is looked at."""
        return self._wanted is None or self._mirror.layout.subfolder_of(path) in self._wanted

    def _will_be_seen(self, board: int) -> bool:
        """Tell whether a board is looked at again."""
        subfolder = places.board_by_id(self._connection, board).subfolder
        return self._wanted is None or subfolder in self._wanted

    def _sent_from(self, one: ApartLink) -> str | None:
        """Return the digest of the file that we made a changed item from, if it was us."""
        ours = one.mark is not None and one.mark.mirror == self._mirror.key
        return one.mark.file if ours and one.mark is not None else None

    def _home(self, path: bytes | None) -> int | None:
        if path is None:
            return None
        board = self._boards.get(self._mirror.layout.subfolder_of(path))
        return None if board is None else board.id


def _placed(
    mirror: Mirror, boards: Boards, case: LinkCase, action: Action
) -> tuple[int, Action]:  # fmt: skip
    """Say on which board an action is carried out."""
    number = case.board
    if action.kind is ActionKind.MOVE_ITEM and case.home is not None:
        number = case.home
    if action.kind is ActionKind.MOVE_FILE and case.item_board is not None:
        number = case.item_board
    record = next(board for board in boards.values() if board.id == number)
    return number, replace(
        action,
        board_id=record.server_id,
        subfolder=record.subfolder,
        token=token_for(mirror.key, case.digest),
    )


def _guarded(
    mirror: Mirror, connection: Connection, plan: LinkPlan, side: str,
    planned: list[tuple[int, Action]],
) -> None:  # fmt: skip
    """Let removals go, or hold them: all of one side, but for what a person approved."""
    if not planned:
        return
    approved = links.with_consent(connection, mirror.number, Consent.APPROVED.value)
    plan.actions += [pair for pair in planned if pair[1].link in approved]
    asked = [pair for pair in planned if pair[1].link not in approved]
    since = now_ms(mirror.clock) - WINDOW_MS
    totals = links.per_subfolder(connection, mirror.number)
    groups = [(board, _first_level(action.path)) for board, action in asked]
    removed = trash.removed_since(connection, mirror.number, side, since)
    reason = why_held(mirror.guard(), groups, totals, removed)
    standing = holds.open_subjects(connection, mirror.number, side)
    if reason is None and standing and any(action.link in standing for _, action in asked):
        reason = "still held from before"
    if reason is None:
        plan.actions += asked
    else:
        plan.held[side] = (asked, reason)


def _replaced(
    mirror: Mirror, connection: Connection, boards: Boards
) -> Iterator[tuple[int, Action]]:  # fmt: skip
    """Yield removals of items that newer content has replaced: ours, and not starred."""
    policy = mirror.policy()
    wanted = policy.pushes and policy.content_changed is WhenChanged.REPLACE
    if not (wanted and policy.trashes):
        return
    seen, after = {board.id: board for board in boards.values()}, 0
    while batch := apart.superseded(connection, mirror.number, mirror.layout, CHUNK, after):
        after = batch[-1].number
        for one in batch:
            if one.board in seen:
                board = seen[one.board]
                yield (
                    one.board,
                    Action(
                        ActionKind.TRASH_ITEM, mirror.key, "newer content of its file replaced it",
                        path=one.path, digest=one.digest, board_id=board.server_id,
                        item_id=one.item_id, version=one.version, subfolder=board.subfolder,
                        link=one.number,
                    ),
                )  # fmt: skip


def _before(moment: int | None, limit: int) -> bool:
    return moment is None or moment <= limit


def _first_level(path: bytes | None) -> bytes:
    """Return the first-level subfolder of a path, b"" for the root's."""
    return path.split(b"/", 1)[0] if path is not None and b"/" in path else b""
