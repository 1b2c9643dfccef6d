"""Doubles in words: which items are on a board although an older one is the same picture."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from boardsync.config.model import MirrorSettings
from boardsync.plan.doubles import judge
from boardsync.state import doubles, places
from boardsync.state.doubles import Picture


@dataclass(frozen=True, slots=True)
class DoubleTold:
    """A double. path: of a file that is the same picture. reason: why it is (still) there."""

    board: int
    board_name: str
    item_id: str
    path: bytes | None
    reason: str


def tell_doubles(connection: Connection, settings: MirrorSettings, number: int) -> list[DoubleTold]:
    """Tell of the doubles on a mirror's boards, as they were last seen."""
    boards = {one.id: one.name for one in places.boards(connection, number)}
    return [
        DoubleTold(picture.board, boards[picture.board], item_id, picture.path, words)
        for picture in doubles.pictures(connection, settings.id, list(boards))
        for item_id, words in _words(picture, settings)
    ]


def _words(picture: Picture, settings: MirrorSettings) -> list[tuple[str, str]]:
    found = judge(picture.copies, one_item=settings.policies.same_picture == "one")
    if settings.direction.pushes:
        going = "sent twice: the next pass puts it into the trash, where the server has one"
    else:
        going = "sent twice, and kept: this mirror only pulls"
    surplus = [(copy.item_id, going) for copy in found.surplus]
    return surplus + [(copy.item_id, f"kept: {reason}") for copy, reason in found.told]
