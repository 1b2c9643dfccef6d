"""What must be true when a history has found its peace, told from what people did alone."""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import TYPE_CHECKING

from boardsync.engine.assembly import Assembly
from boardsync.engine.wanted import wanted_subfolders
from boardsync.files.durable import TEMP_PREFIX
from boardsync.model import LinkState
from boardsync.state import links, observations, places, summary, transfers
from sim.setup import BENEATH, FOLDER

if TYPE_CHECKING:
    from sim.history import World


def judge(world: World, assembly: Assembly) -> None:
    """Look at both sides and at what the daemon says of them."""
    _nothing_lost(world)
    _no_litter(world, assembly)
    _no_doubles(world)
    _nothing_missing(world, assembly)
    _nothing_waits(world, assembly)


def _nothing_lost(world: World) -> None:
    for word in world.ledger.lost():
        world.find(f"picture {word} is lost")


def _no_litter(world: World, assembly: Assembly) -> None:
    for path in world.disk.files(FOLDER):
        directory, _, name = path.rpartition(b"/")
        # Not yet found again: one whose directory people renamed before the next process began.
        if name.startswith(TEMP_PREFIX) and not world.people.has_renamed(directory):
            world.find(f"litter: {path!r}")
    mirror, here = assembly.mirrors[0], set(world.disk.files(FOLDER).values())
    with mirror.state.read() as connection:
        ours = places.ever_bound(connection, mirror.number)
    for stored in world.server._stored.values():
        # With the state lost and no file left for it, nobody knows that a board was ours.
        forgotten = world.state_harmed and stored.item.board_id not in ours
        forgotten &= stored.content not in here
        if not stored.whole and stored.mark is not None and not forgotten:
            world.find(f"litter: ghost {stored.item.item_id}")


def _no_doubles(world: World) -> None:
    ledger, server = world.ledger, world.server
    one = world.setup.mirror["policies"]["same_picture"] == "one"
    ours = Counter(
        (stored.item.board_id, stored.content) for stored in server._stored.values()
        if stored.mark is not None and stored.whole and not stored.item.trashed
        and not stored.item.starred  # a double that is starred is told, and stays
    )  # fmt: skip
    for (board, content), count in ours.items():
        allowed = 1 if one else max(1, ledger.local[content])
        # Where each path has its item, what moved while a rule hid it is another path's picture.
        hidden = not one and content in ledger.hidden
        if count > allowed and content not in ledger.remote_touched and not hidden:
            world.find(f"{count} items of {ledger.word(content)} on {board}")
    for content, count in Counter(world.disk.files(FOLDER).values()).items():
        if one and ledger.knows(content) and count > _most_files(world, content):
            world.find(f"{count} files of {ledger.word(content)}")


def _most_files(world: World, content: bytes) -> int:
    """Return how many files of a content there may be: as many as people put anywhere.

    One more where they moved a pulled file before a killed daemon had recorded it, or an item
    that a mirror in one direction does not follow.
    """
    ledger, direction = world.ledger, world.setup.mirror["direction"]
    moved = ledger.remote[content] > 0 and content in ledger.local_touched
    moved |= direction == "pull" and content in ledger.remote_touched
    return max(1, ledger.local[content] + ledger.remote[content]) + moved


def _nothing_missing(world: World, assembly: Assembly) -> None:
    """What is on one side is on the other, unless people took it away there."""
    mirror, ledger = assembly.mirrors[0], world.ledger
    rules = mirror.rules()
    boards = {
        (one.board_id, stored.content)
        for one in world.server._boards.values()
        for stored in world.server.on_board(one.board_id)
    }
    files = world.disk.files(FOLDER)
    with mirror.state.read() as connection:
        bound = {one.subfolder: one for one in places.boards(connection, mirror.number)}
    for path, content in files.items() if world.setup.pushes else ():
        relative = path[len(FOLDER) + 1 :]
        if rules.verdict(relative, False) is not None or mirror.layout.is_pulled_area(relative):
            continue
        board = bound.get(mirror.layout.subfolder_of(relative))
        there = board is not None and (board.server_id, content) in boards
        if not there and ledger.knows(content) and content not in ledger.remote_touched:
            world.find(f"{relative!r} {ledger.word(content)} is not on its board")
    # What was pulled while the disk was away lies beneath it: nobody but people could tell.
    here = {*files.values(), *world.disk.files(BENEATH).values()}
    local_wins = world.setup.mirror["policies"]["both_changed"] == "local"
    wanted_here = wanted_subfolders(mirror)
    for board in bound.values() if world.setup.pulls else ():
        if board.subfolder not in wanted_here:
            continue
        for stored in world.server.on_board(board.server_id):
            wanted = stored.mark is None and stored.item.category in (None, "general")
            known = stored.content in here or stored.content in ledger.local_touched
            # Where the file was rewritten as well and wins, the item's version stays on the board.
            known |= local_wins and ledger.edited_on_both_sides(stored.content)
            known |= _is_left_alone(assembly, board.id, stored.item.item_id)
            if wanted and stored.whole and not known:
                word = ledger.word(stored.content)
                world.find(f"item {stored.item.item_id} {word} is not in the folder")


def _is_left_alone(assembly: Assembly, board: int, item_id: str) -> bool:
    """Tell whether an item's file is left alone: by a rule, or since its link was parted."""
    mirror = assembly.mirrors[0]
    with mirror.state.read() as connection:
        found = links.of_item(connection, board, item_id)
    return any(
        one.state == LinkState.ITEM_GONE or mirror.rules().verdict(one.path, False) is not None
        for one in found
    )


def _nothing_waits(world: World, assembly: Assembly) -> None:
    mirror = assembly.mirrors[0]
    with mirror.state.read() as connection:
        trouble = places.trouble(connection, mirror.number)
        waiting = transfers.waiting(connection, [mirror.number])
        tally = summary.tally(connection, mirror.number, mirror.layout)
        wrong = _wrong_observations(world, assembly)
    for one in waiting:
        world.find(f"still waiting: {one}")
    if trouble is not None and trouble[0]:
        world.find(f"trouble: {trouble[0]}")
    if tally.settling:
        world.find(f"still settling: {tally.settling}")
    for text in wrong:
        world.find(text)


def _wrong_observations(world: World, assembly: Assembly) -> list[str]:
    """Compare what the state says of files with what they are."""
    mirror, found = assembly.mirrors[0], []
    files = world.disk.files(FOLDER)
    with mirror.state.read() as connection:
        for record in observations.known_files(connection, mirror.number):
            path = record[0]
            seen = observations.find_file(connection, mirror.number, path)
            content = files.get(FOLDER + b"/" + path)
            if content is None:
                found.append(f"the state knows {path!r}, which is not there")
            elif seen is not None and seen.digest != hashlib.sha256(content).hexdigest():
                found.append(f"the state takes {path!r} for another picture")
    return found
