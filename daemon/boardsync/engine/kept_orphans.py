"""Pictures that were saved before a deletion, and that neither the trash nor a transfer tells of.

A removal that was called off leaves one, and so does a state that was lost. They are entered into
the trash: from then on they can be listed and restored, and go for good after its time.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from urllib.parse import unquote

import structlog
from sqlalchemy import Connection

from boardsync.config.model import Settings
from boardsync.engine.action_words import FOUND_SAVED
from boardsync.engine.assembly import place_to_keep
from boardsync.engine.remove import removal_key
from boardsync.files.disk import SYSTEM, Disk
from boardsync.servers.wrappers.kept import Kept, KeptPictures, identity
from boardsync.state import places, transfers, trash
from boardsync.state.database import State
from boardsync.state.records import BoardRecord

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Owner:
    """A mirror that has a board on the server. key: its id in the settings."""

    key: str
    number: int
    board: BoardRecord


@dataclass(slots=True)
class Orphans:
    """What nothing tells of on one server. place: where it lies.

    known: pictures whose board is a mirror's. strange: those of no mirror of the settings.
    copies: the same picture of the same item once more, with the one that stays: each removal that
    the server refuses leaves one. unreadable: how many lie there of which it cannot be read what
    they are.
    """

    server: str
    place: bytes
    known: list[tuple[Owner, Kept]] = field(default_factory=list)
    strange: list[Kept] = field(default_factory=list)
    copies: list[tuple[Kept, Kept]] = field(default_factory=list)
    unreadable: int = 0


def find_orphans(settings: Settings, state: State, disk: Disk = SYSTEM) -> Iterator[Orphans]:
    """Look at what is saved of each server. Reads only. Raises TryAgain where the disk fails."""
    for server, place in _places(settings, disk):
        pictures = KeptPictures(place, disk)
        lying = [one for one in pictures.all() if one.returned is None]
        found = Orphans(server, place, unreadable=pictures.unreadable)
        with state.read() as connection:
            owners = list(_owners(connection, settings, server))
            told, under_way = _told_of(connection, owners)
        for alike in _alike(lying):
            _sort_in(found, alike, told, under_way, owners)
        yield found


def enter_orphans(settings: Settings, state: State, now_ms: int, disk: Disk = SYSTEM) -> int:
    """Enter what belongs to a mirror into its trash; return how many pictures that were.

    Copies of what the trash tells of are deleted, once it is seen that the other one is whole.
    """
    count = 0
    for found in find_orphans(settings, state, disk):
        if found.known:
            count += state.write_now(partial(_enter, found.known, now_ms))
        pictures = KeptPictures(found.place, disk)
        for copy, other in found.copies:
            if pictures.intact(other):
                pictures.forget(copy)
    if count:
        log.info("pictures that were saved before a deletion are in the trash now", count=count)
    return count


def _places(settings: Settings, disk: Disk) -> Iterator[tuple[str, bytes]]:
    """Yield where pictures are saved: of the settings' servers, and of those that were."""
    known = {place_to_keep(settings.state, one): one for one in settings.servers}
    for top in sorted({os.path.dirname(place) for place in known}):
        if disk.isdir(top):
            with disk.scandir(top) as entries:
                found = sorted(os.path.join(top, one.name) for one in entries if one.is_dir())
            for place in found:
                yield known.get(place) or unquote(os.path.basename(place)), place


def _owners(connection: Connection, settings: Settings, server: str) -> Iterator[Owner]:
    for mirror in settings.mirrors:
        number = places.find_mirror(connection, mirror.id)
        if mirror.server == server and number is not None:
            for board in places.boards(connection, number):
                yield Owner(mirror.id, number, board)


def _told_of(connection: Connection, owners: Iterable[Owner]) -> tuple[set[str], set[str]]:
    """Return the keys of what the trash holds, and of what removals under way work on."""
    numbers = {one.number for one in owners}
    under_way = {removal_key(one) for one in transfers.waiting(connection, numbers)}
    return trash.kept_keys(connection, numbers), under_way


def _alike(lying: Iterable[Kept]) -> Iterable[list[Kept]]:
    """Put together what was saved of one picture of one item, the newest first."""
    found: defaultdict[tuple[str, str], list[Kept]] = defaultdict(list)
    for kept in sorted(lying, key=lambda one: one.number, reverse=True):
        found[identity(kept.item), kept.digest].append(kept)
    return found.values()


def _sort_in(
    found: Orphans, alike: Sequence[Kept], told: set[str], under_way: set[str],
    owners: Sequence[Owner],
) -> None:  # fmt: skip
    """Find whose a picture is: of several mirrors with its board, the one that sent it."""
    idle = [one for one in alike if one.key not in told | under_way]
    stays = next((one for one in alike if one.key in told), None)
    if stays is None and len(idle) < len(alike):
        return  # the removal under way will tell of one
    if stays is None:
        stays = idle[0]
        mine = [one for one in owners if one.board.server_id == stays.item.board_id]
        sent = [one for one in mine if stays.mark is not None and stays.mark.mirror == one.key]
        owner = next(iter(sent or mine), None)
        if owner is None:
            found.strange += idle
            return
        found.known.append((owner, stays))
    found.copies += [(one, stays) for one in idle if one is not stays]


def _enter(found: Sequence[tuple[Owner, Kept]], now_ms: int, c: Connection) -> int:
    """Enter pictures, unless the trash tells of them by now."""
    told, under_way = _told_of(c, [owner for owner, _ in found])
    fresh = [(owner, kept) for owner, kept in found if kept.key not in told | under_way]
    for owner, kept in fresh:
        trash.add(
            c, now_ms, mirror=owner.number, side=trash.ITEM, reason=FOUND_SAVED, guarded=False,
            digest=None if kept.mark is None else kept.mark.file, board=owner.board.id,
            item_id=kept.item.item_id, version=kept.item.version, trashed_id=kept.trashed_id,
            size=kept.size,
        )  # fmt: skip
    return len(fresh)
