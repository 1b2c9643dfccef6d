"""Observes the remote side: which board is meant, what it holds, and whose marks it carries."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import structlog
from sqlalchemy import Connection

from boardsync.engine.clock import now_ms
from boardsync.engine.context import Mirror
from boardsync.engine.recognise import recognise_board
from boardsync.engine.wanted import wanted_subfolders
from boardsync.errors import BoardMissing, OutcomeUnknown, ServerRefused
from boardsync.model import Board, Entry, Item, Listing, Mark
from boardsync.plan.tokens import token_for
from boardsync.state import absence, items_seen, links, places, transfers, unproven
from boardsync.state.records import BoardRecord
from boardsync.telemetry import names
from boardsync.telemetry.counters import counters

log = structlog.get_logger(__name__)

READ_CHUNK = 2000
NOTE_EVERY_MS = 60_000
UNCATEGORIZED = "none"


@dataclass(frozen=True, slots=True)
class BoardSeen:
    """What an observation of a board found.

    unread: items that could not be described yet. seconds: how long the server took to list it.
    """

    changed: bool
    count: int | None = None
    unread: int = 0
    seconds: float = 0.0


async def find_board(mirror: Mirror, subfolder: bytes, *, may_create: bool) -> BoardRecord | None:
    """Return the board for a subfolder, resolving its name once and making it when allowed.

    None: there is no such board, and none may be made now. Where nothing is known of it, one of
    another name that holds our pictures is it, renamed. Raises BoardMissing when a board
    that we had was deleted on the server and none of its name has come back: a person who
    deletes a board does not want it made again.
    """
    with mirror.state.read() as connection:
        bound = places.board_for(connection, mirror.number, subfolder)
    name, known = mirror.board_name(subfolder), bound is not None
    if bound is not None and bound.asked != name:
        log.info("the settings name another board now", before=bound.asked, now=name)
        bound = None
    if bound is not None and bound.missing_since_ms is None:
        return bound
    uncategorized = mirror.settings.board == UNCATEGORIZED
    if uncategorized and mirror.server.capabilities.categories:
        return await _bind(mirror, subfolder, Board(None, "Uncategorized"))
    there = await mirror.server.boards()
    found = _oldest_named(mirror, name, there, at_first=bound is None)
    if found is None and bound is not None:
        raise _deleted(mirror, name)
    if found is None and not known and mirror.settings.direction.pushes:
        found = await recognise_board(mirror, subfolder, there, await _others(mirror, subfolder))
    if found is not None:
        return await _bind(mirror, subfolder, found)
    if not (may_create and mirror.settings.create_board):
        return None
    made = await _create(mirror, name)
    return await _bind(mirror, subfolder, made, made_by_us=True)


async def _others(mirror: Mirror, subfolder: bytes) -> frozenset[str]:
    """Return the names of the boards of other subfolders, and of the folder itself."""
    wanted = {b"", *await asyncio.to_thread(wanted_subfolders, mirror)}
    return frozenset(mirror.board_name(one) for one in wanted if one != subfolder)


def _deleted(mirror: Mirror, name: str) -> BoardMissing:
    return BoardMissing(
        f"board {name!r} was deleted on server {mirror.server.name!r}: its pictures here are"
        " kept and wait; make a board of that name again, or set another `board`"
    )


def _oldest_named(
    mirror: Mirror, name: str, boards: Sequence[Board], *, at_first: bool
) -> Board | None:
    """Find a board by name, or by id. Of several with one name the oldest, with a warning."""
    # A subfolder's name is a name; only the settings may mean an id.
    by_id = [one for one in boards if one.board_id == name and mirror.settings.board == name]
    named = [one for one in boards if one.name == name]
    if by_id:
        return by_id[0]
    if len(named) > 1 and at_first:
        log.warning(
            "several boards have this name; the oldest is used, set `board` to an id to choose",
            board=name,
            ids=[one.board_id for one in named],
        )
    return named[0] if named else None


async def _create(mirror: Mirror, name: str) -> Board:
    """Make a board; after a lost answer look whether it is there before making another."""
    try:
        made = await mirror.server.create_board(name)
    except OutcomeUnknown:
        found = _oldest_named(mirror, name, await mirror.server.boards(), at_first=False)
        if found is None:
            raise
        made = found
    log.info("board made", board=made.name, board_id=made.board_id)
    return made


async def _bind(
    mirror: Mirror, subfolder: bytes, board: Board, *, made_by_us: bool = False
) -> BoardRecord:
    asked = mirror.board_name(subfolder)
    with mirror.state.read() as connection:
        bound = places.boards(connection, mirror.number)
    for one in bound:
        if one.subfolder == subfolder or one.server_id != board.board_id:
            continue
        if not await _is_free(mirror, one):
            raise ServerRefused(
                f"board {board.name!r} is that of subfolder {os.fsdecode(one.subfolder)!r} already;"
                f" rename {os.fsdecode(subfolder)!r}, or set another `default_board`"
            )
        await mirror.state.write(partial(places.retire_board, number=one.id))
    return await mirror.state.write(
        lambda c: places.bind_board(
            c, mirror.number, subfolder, board.board_id, board.name,
            asked=asked, made_by_us=made_by_us,
        )
    )  # fmt: skip


async def _is_free(mirror: Mirror, board: BoardRecord) -> bool:
    """Tell whether a board's subfolder is gone, and all of its pictures are accounted for."""
    there = await asyncio.to_thread(mirror.disk.lexists, mirror.absolute(board.subfolder))
    if there or not board.subfolder:
        return False
    with mirror.state.read() as connection:
        busy = transfers.any_live(connection, board.id)
        return not busy and not links.any_agreed(connection, board.id)


async def observe_board(mirror: Mirror, board: BoardRecord) -> BoardSeen:
    """List a board and read what is new on it. Raises BoardMissing, recorded, and TryAgain."""
    with mirror.state.read() as connection:
        newest = links.newest(connection)
    started = mirror.clock.monotonic()
    try:
        listing = await mirror.server.listing(board.server_id, board.listing_digest)
    except BoardMissing as error:
        moment = now_ms(mirror.clock)
        await mirror.state.write(lambda c: places.note_board_missing(c, board.id, moment))
        raise _deleted(mirror, board.name) from error
    seconds = mirror.clock.monotonic() - started
    if listing.complete:
        mirror.partly_listed.discard(board.id)
    changed = await _record_listing(mirror, board, listing, newest)
    if not listing.complete:
        mirror.partly_listed.add(board.id)
    unread = await read_unread(mirror, board)
    trusted = board.id not in mirror.partly_listed
    digest = listing.digest if trusted and not unread else None
    await _note_listing(mirror, board, digest, seconds, newest)
    count = None if listing.entries is None else len(listing.entries)
    return BoardSeen(changed, count, unread, seconds)


async def observe_stars(mirror: Mirror, board: BoardRecord) -> bool:
    """See which items are starred now: listings do not tell. Returns whether any changed.

    Of an item that is not known yet, its description tells. Raises ServerRefused where the
    kind has no stars.
    """
    starred = await mirror.server.starred(board.server_id)
    with mirror.state.read() as connection:
        known = items_seen.starred_items(connection, board.id)
    if starred == known:
        return False
    changes = dict.fromkeys(starred - known, True) | dict.fromkeys(known - starred, False)
    return await mirror.state.write(lambda c: items_seen.note_stars(c, board.id, changes)) > 0


async def _note_listing(
    mirror: Mirror, board: BoardRecord, digest: str | None, seconds: float, newest: int
) -> None:
    """Record what was listed; when nothing is new, only now and then: it costs the disk.

    A listing that was asked for before something was linked is not remembered: the board could
    look like that again, with the item gone.
    """
    moment = now_ms(mirror.clock)
    recently = moment - (board.listed_ms or 0) < NOTE_EVERY_MS
    if digest == board.listing_digest and recently and board.missing_since_ms is None:
        return

    def write(c: Connection) -> None:
        overtaken = links.items_linked_since(c, board.id, newest)
        places.note_listing(c, board.id, None if overtaken else digest, moment, seconds)

    await mirror.state.write(write)


async def _record_listing(
    mirror: Mirror, board: BoardRecord, listing: Listing, newest: int
) -> bool:
    """Record what is new, changed or gone; an incomplete listing never says gone.

    newest: the newest link from before the listing was asked for. What was linked since may be
    missing from it without being gone.
    """
    if not listing.complete:
        counters.add(names.LISTINGS_DISTRUSTED, mirror=mirror.name)
    if listing.entries is None:
        return False
    with mirror.state.read() as connection:
        known = items_seen.known_items(connection, board.id)
        just_linked = links.items_linked_since(connection, board.id, newest)
    fresh = [entry for entry in listing.entries if known.get(entry.item_id) != entry.version]
    gone: list[str] = []
    if listing.complete:
        listed = {entry.item_id for entry in listing.entries} | just_linked
        gone = [item_id for item_id in known if item_id not in listed]
        left_out = await _left_out(mirror, board, gone)
        gone = [item_id for item_id in gone if item_id not in left_out]
    if fresh or gone:
        moment = now_ms(mirror.clock)
        await mirror.state.write(partial(_write_listed, board.id, fresh, gone, moment))
    return bool(fresh or gone)


async def _left_out(mirror: Mirror, board: BoardRecord, gone: list[str]) -> set[str]:
    """Ask for items that vanished and may be ours; return those that are there all the same.

    A listing can be wrong. What is linked is asked for again, twice; but what nobody has read, or
    is linked to nothing any more, would be forgotten, and its picture sent once more. Until the
    next listing each upload is looked up first.
    """
    with mirror.state.read() as connection:
        asked = items_seen.maybe_ours(connection, mirror.key, board.id, gone)
    found = await mirror.server.items(board.server_id, asked) if asked else []
    there = {
        one.item_id for one in found if one.board_id == board.server_id and not one.trashed
    }  # fmt: skip
    if there:
        mirror.partly_listed.add(board.id)
        counters.add(names.LISTINGS_DISTRUSTED, mirror=mirror.name)
        log.warning(
            "a listing left out items that are there", board=board.name, items=len(there)
        )  # fmt: skip
    return there


def _write_listed(
    board: int, fresh: list[Entry], gone: list[str], moment: int, c: Connection
) -> None:
    # Until all of it is read, what was remembered is no listing of what is recorded now: the board
    # could look like that again.
    places.forget_listing(c, board)
    items_seen.see_entries(c, board, fresh)
    absence.note_items_back(c, board, [entry.item_id for entry in fresh])
    absence.note_items_gone(c, board, gone, moment)
    items_seen.forget_items(c, board, gone)
    unproven.forget_gone(c, board)


async def confirm_absences(mirror: Mirror, board: BoardRecord) -> bool:
    """Ask for items that vanished from a listing, each twice and some time apart.

    A listing can be wrong. Returns whether anything became certain.
    """
    apart_ms = int(mirror.settings.settle.confirm * 1000)
    changed = False
    while True:
        moment = now_ms(mirror.clock)
        with mirror.state.read() as connection:
            asked = absence.items_to_ask_for(
                connection, mirror.number, board.id, moment - apart_ms, READ_CHUNK
            )
        if not asked:
            return changed
        found = await mirror.server.items(board.server_id, asked)
        here = [
            Entry(one.item_id, one.version) for one in found
            if one.board_id == board.server_id and not one.trashed
        ]  # fmt: skip
        missing = sorted(set(asked).difference(one.item_id for one in here))
        await mirror.state.write(partial(_write_asked, board.id, here, missing, moment))
        if here:
            counters.add(names.LISTINGS_DISTRUSTED, mirror=mirror.name)
            log.warning(
                "a listing left out items that are there", board=board.name, items=len(here)
            )
        changed = True


def _write_asked(
    board: int, here: list[Entry], missing: list[str], moment: int, c: Connection
) -> None:
    if here:
        absence.note_items_back(c, board, [one.item_id for one in here])
        items_seen.see_entries(c, board, here)
        places.forget_listing(c, board)
    absence.note_asked(c, board, missing, moment)


async def read_unread(mirror: Mirror, board: BoardRecord) -> int:
    """Read descriptions and marks of items that were never read; return how many resisted.

    While any is unread no upload may start: it could be ours. What resists is asked for again
    at the next listing, which is parsed whatever it says, and tells whether it is still there.
    """
    after, left = "", 0
    while True:
        with mirror.state.read() as connection:
            unread = items_seen.unread_items(connection, board.id, READ_CHUNK, after)
        if not unread:
            return left
        after = unread[-1]
        items = await mirror.server.items(board.server_id, unread)
        marks = await mirror.server.marks(board.server_id, [one.item_id for one in items], items)
        described = [(one, _trusted(marks[one.item_id])) for one in items if one.item_id in marks]
        left += len(unread) - len(described)
        await mirror.state.write(partial(_write_read, mirror, board.id, described))


def _write_read(
    mirror: Mirror, board: int, described: list[tuple[Item, Mark | None]], c: Connection
) -> None:
    items_seen.describe_items(c, board, described)
    if mirror.server.capabilities.early_visible:
        ours = [item.item_id for item, mark in described if mark and mark.mirror == mirror.key]
        unproven.note(c, board, ours, now_ms(mirror.clock))


def _trusted(mark: Mark | None) -> Mark | None:
    """Believe a mark only when its token follows from what it says: others may write marks too."""
    if mark is None or mark.token != token_for(mark.mirror, mark.file):
        return None
    return mark
