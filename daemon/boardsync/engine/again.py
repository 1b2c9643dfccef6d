"""`boardsync again`: forget what kept a picture from being sent or fetched, and start anew."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sqlalchemy import Connection

from boardsync.engine.assembly import Assembly
from boardsync.engine.clock import now_ms
from boardsync.engine.context import Mirror
from boardsync.engine.once import chosen_workers
from boardsync.engine.preparing import may_be_otherwise
from boardsync.engine.report import show
from boardsync.engine.send_again import sending_again
from boardsync.engine.subject import path_below
from boardsync.model import LinkState
from boardsync.state import (
    failed_readings,
    items_seen,
    links,
    observations,
    places,
    rot,
    runs,
    strayed,
    transfers,
)
from boardsync.state.records import LinkRecord

CAUSE = "again"
CHUNK = 500
PARTED = frozenset({LinkState.ITEM_GONE, LinkState.UNDONE, LinkState.FILE_GONE})


async def again(mirror: Mirror, subject: str, here: str | None = None) -> list[str]:
    """Start a file or an item anew; return in words what was changed. Nothing is sent here.

    here: the folder that a relative path may start from, besides the mirror's.
    """
    path = path_below(mirror.root, subject, here)
    return await mirror.state.write(lambda c: _again(c, mirror, path, subject))


async def again_everywhere(
    assembly: Assembly, subject: str, here: str | None = None
) -> dict[str, list[str]]:
    """Start a file or an item anew in every mirror that knows it; return what changed, by name."""
    done = {one.name: await again(one, subject, here) for one in assembly.mirrors}
    return {name: words for name, words in done.items() if words}


async def again_all(assembly: Assembly, name: str) -> dict[str, list[str]]:
    """Start everything of a mirror anew that was refused or has one side only.

    A board that is gone is looked for or made again then, and its pictures are sent again. Nothing
    is sent here. Returns in words what changed, by the mirror's name; raises SettingsError for a
    stranger.
    """
    mirror = chosen_workers(assembly, [name])[0].mirror
    words = await mirror.state.write(lambda c: _again_all(c, mirror))
    return {mirror.name: words} if words else {}


def _again_all(c: Connection, mirror: Mirror) -> list[str]:
    done, number = [], mirror.number
    for board in places.boards(c, number):
        if board.missing_since_ms is not None:
            pictures = links.forget_board(c, number, board.id)
            places.retire_board(c, board.id)
            done.append(f"board {board.name!r} is looked for, or made, again: {pictures} pictures")
    observations.forgive_all(c, number)
    places.forget_listings(c, number)
    told = {
        "links with one side only are forgotten": links.forget_one_sided(c, number),
        "refused transfers are tried again": transfers.forget_all_refusals(c, number),
        "sent again if strayed, or prepared otherwise now": _send_again(
            c, mirror, _all_sent(c, mirror)
        ),
    }
    return done + [f"{words}: {count}" for words, count in told.items() if count]


def _all_sent(c: Connection, mirror: Mirror) -> Iterator[list[LinkRecord]]:
    after = 0
    while batch := links.agreed(c, mirror.number, CHUNK, after):
        after = batch[-1].id
        yield batch


def _send_again(c: Connection, mirror: Mirror, sent: Iterable[list[LinkRecord]]) -> int:
    """Plan that pictures make room for themselves, where the recipe may be another. How many."""
    run, count, moment = None, 0, now_ms(mirror.clock)
    for batch in sent if mirror.settings.direction.pushes else ():
        planned = [
            sending_again(mirror, link) for link in batch
            if _is_own(link) and _may_become_another(c, mirror, link)
        ]  # fmt: skip
        if planned:
            run = runs.begin(c, mirror.number, CAUSE, moment) if run is None else run
            count += transfers.plan_transfers(c, mirror.number, planned, moment, run)
    if run is not None:
        runs.count(c, run, moment, planned=count)
    return count


def _is_own(link: LinkRecord) -> bool:
    """Tell whether a link's item was sent by us, and so can be sent again."""
    return link.made == "push" or link.recipe is not None


def _may_become_another(c: Connection, mirror: Mirror, link: LinkRecord) -> bool:
    """Tell whether sending a picture again may change what its item shows."""
    strayed_now = strayed.words_of(c, link.id) is not None
    return strayed_now or may_be_otherwise(mirror.settings.prepare, link.recipe)


def _again(c: Connection, mirror: Mirror, path: bytes | None, item_id: str) -> list[str]:
    done = []
    if path is not None and observations.find_file(c, mirror.number, path) is not None:
        done += _file_again(c, mirror, path)
    for board in places.boards(c, mirror.number):
        if items_seen.find_item(c, board.id, item_id) is not None:
            done += _item_again(c, mirror, board.id, item_id)
    return done


def _file_again(c: Connection, mirror: Mirror, path: bytes) -> list[str]:
    rotten = rot.accept(c, mirror.number, path)
    observations.forgive(c, mirror.number, path)
    failed_readings.forget(c, mirror.number, [path])
    transfers.forget_refusals(c, mirror.number, path, None)
    done = ["the file is looked at again"]
    if rotten:
        done.append("what it holds counts as its content from now on")
    for link in links.of_path(c, mirror.number, path):
        item_there = items_seen.find_item(c, link.board, link.item_id) is not None
        if link.state in PARTED or not item_there:
            links.forget(c, link.id)
            done.append(f"its link to item {show(link.item_id)} is forgotten")
        elif link.state == LinkState.AGREED.value and not _is_own(link):
            if strayed.accept(c, link.id):
                done.append(f"item {show(link.item_id)} is taken as it is")
        elif link.state == LinkState.AGREED.value and _send_again(c, mirror, [[link]]):
            done.append("it is sent again if its item strayed, or it is prepared otherwise now")
    return done


def _item_again(c: Connection, mirror: Mirror, board: int, item_id: str) -> list[str]:
    done = []
    if transfers.forget_refusals(c, mirror.number, None, item_id, board):
        done.append("the item is fetched again")
    for link in links.of_item(c, board, item_id):
        file_there = observations.find_file(c, mirror.number, link.path) is not None
        if link.state in PARTED or not file_there:
            links.forget(c, link.id)
            done.append(f"the item's link to {show(link.path)} is forgotten")
    return done
