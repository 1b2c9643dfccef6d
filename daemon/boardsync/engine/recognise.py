"""Finds a board again that has another name by now, by the marks of what we put there.

Only asked when nothing is known of a subfolder's board and none has its name: a state that was
lost, and a board that was renamed. Making another would double every picture.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import structlog

from boardsync.engine.context import Mirror
from boardsync.errors import FileChanging, PictureRefused
from boardsync.files.snapshot import digest_file
from boardsync.model import Board, Item
from boardsync.plan.tokens import token_for
from boardsync.state import links, observations, places

log = structlog.get_logger(__name__)

FIRST = 8
MOST = 32
"""How many files are asked for: a folder that was never sent is told by the first few."""
LARGEST = 64 << 20


@dataclass(slots=True)
class Votes:
    """By board, when the items were made that stand for files. asked: how many files there were."""

    asked: int = 0
    ages: defaultdict[str, list[int]] = field(default_factory=lambda: defaultdict(list))


async def recognise_board(
    mirror: Mirror, subfolder: bytes, boards: Sequence[Board], others: Collection[str]
) -> Board | None:
    """Return the board where most of some sampled files of a subfolder have their items.

    boards: those that are there. others: names of the boards of other subfolders, whose pictures
    may be the same. A person may have put some of our pictures on another board: it is not taken
    unless it holds most, and of two that hold as many the one with the older items is ours. None
    when there is no such board. Raises as asking does.
    """
    with mirror.state.read() as connection:
        taken = places.ever_bound(connection, mirror.number)
    eligible = {
        one.board_id: one for one in boards
        if one.board_id is not None and one.board_id not in taken and one.name not in others
    }  # fmt: skip
    if not eligible:
        return None
    votes = await _ask(mirror, subfolder, set(eligible))
    most = [one for one in votes.ages if len(votes.ages[one]) * 2 > votes.asked]
    if not most:
        return None
    best = min(most, key=lambda one: (-len(votes.ages[one]), min(votes.ages[one]), one))
    found, pictures = eligible[best], f"{len(votes.ages[best])} of {votes.asked} looked for"
    log.warning(
        "no board has this name, but one holds pictures that this mirror sent: it is used",
        board=found.name, board_id=found.board_id, pictures=pictures,
    )  # fmt: skip
    return found


async def _ask(mirror: Mirror, subfolder: bytes, eligible: set[str]) -> Votes:
    """Look for some of a subfolder's files on the server; for few when none of those is there."""
    votes = Votes()
    sample = await asyncio.to_thread(_sample, mirror, subfolder)
    for start in range(0, len(sample), FIRST):
        if votes.asked >= FIRST and not votes.ages:
            break
        digests = await asyncio.to_thread(_digests, mirror, sample[start : start + FIRST])
        asking = (_holders(mirror, digest, eligible) for digest in digests)
        votes.asked += len(digests)
        for holders in await asyncio.gather(*asking):
            for board_id, created in holders.items():
                votes.ages[board_id].append(created)
    return votes


async def _holders(mirror: Mirror, digest: str, eligible: set[str]) -> dict[str, int]:
    """Return the boards that hold an item with exactly our mark of a picture, and its age."""
    token = token_for(mirror.key, digest)
    with mirror.state.read() as connection:
        # What another board has lost to this one proves nothing: a person moved it there.
        moved = {one.item_id for one in links.of_digest(connection, mirror.number, digest)}
    hits: dict[str, list[Item]] = {}
    for item in await mirror.server.find(token):
        if item.board_id in eligible and item.item_id not in moved and not item.trashed:
            hits.setdefault(str(item.board_id), []).append(item)
    holders: dict[str, int] = {}
    for board_id, items in hits.items():
        marks = await mirror.server.marks(board_id, [one.item_id for one in items])
        ages = [
            one.created_ms or 0 for one in items
            if (mark := marks.get(one.item_id)) is not None
            and (mark.mirror, mark.token, mark.file) == (mirror.key, token, digest)
        ]  # fmt: skip
        if ages:
            holders[board_id] = min(ages)
    return holders


def _sample(mirror: Mirror, subfolder: bytes) -> list[bytes]:
    """Return some of the subfolder's files to push, spread evenly, in memory for that many.

    The first few of what is returned are spread as well.
    """
    layout, kept, stride, seen = mirror.layout, list[bytes](), 1, 0
    with mirror.state.read() as connection:
        for path, size, *_ in observations.known_files(connection, mirror.number, subfolder):
            if layout.subfolder_of(path) != subfolder or layout.is_pulled_area(path):
                continue
            if not 0 < size <= LARGEST:
                continue
            if seen % stride == 0:
                kept.append(path)
                if len(kept) > MOST:
                    kept, stride = kept[::2], stride * 2
            seen += 1
    step = max(1, len(kept) // FIRST)
    return [path for start in range(step) for path in kept[start::step]]


def _digests(mirror: Mirror, paths: Sequence[bytes]) -> list[str]:
    """Hash files that can be read now."""
    found = []
    for path in paths:
        with contextlib.suppress(FileChanging, PictureRefused):
            found.append(digest_file(mirror.absolute(path), mirror.disk)[0])
    return found
