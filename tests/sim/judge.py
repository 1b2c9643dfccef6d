"""What must be true when a history has found its peace, told from what people did alone."""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import TYPE_CHECKING

from boardsync.engine.assembly import Assembly
from boardsync.engine.wanted import Want, wanted_subfolders
from boardsync.files.durable import TEMP_PREFIX
from boardsync.model import LinkState
from boardsync.plan.doubles import WINDOW_MS
from boardsync.servers.memory.stock import Stored
from boardsync.state import links, observations, places, summary, transfers
from boardsync.state.records import FileRecord
from sim.pictures import plain
from sim.setup import BENEATH, FOLDER

if TYPE_CHECKING:
    from sim.history import World


def judge(world: World, assembly: Assembly) -> None:
    """Look at both sides and at what the daemon says of them."""
    _nothing_lost(world)
    _no_litter(world, assembly)
    _no_doubles(world, assembly)
    _nothing_missing(world, assembly)
    _nothing_left(world, assembly)
    _nothing_waits(world, assembly)


def _nothing_lost(world: World) -> None:
    for word in world.ledger.lost():
        world.find(f"picture {word} is lost")


def _no_litter(world: World, assembly: Assembly) -> None:
    for path in world.disk.files(FOLDER):
        if path.rpartition(b"/")[2].startswith(TEMP_PREFIX):
            world.find(f"litter: {path!r}")
    for stored in world.server._stored.values():
        looked_for = not _is_forgotten(world, assembly, stored)
        if not stored.whole and stored.mark is not None and looked_for:
            world.find(f"litter: ghost {stored.item.item_id}")


def _is_forgotten(world: World, assembly: Assembly, stored: Stored) -> bool:
    """Tell whether nobody looks at an item.

    Nobody looks at a board whose subfolder is gone, or that people deleted while something was on
    its way there. With the state lost, a board without a
    subfolder says to nobody that it was ours; and nobody looks for what people have taken to a
    board that never was.
    """
    mirror, content = assembly.mirrors[0], plain(stored.content)
    there = {one.board_id for one in world.server._boards.values()}
    if not stored.item.trashed and stored.item.board_id not in there:
        return True
    with mirror.state.read() as connection:
        bound = {one.server_id: one.subfolder for one in places.boards(connection, mirror.number)}
        if stored.item.board_id in bound:
            return bound[stored.item.board_id] not in wanted_subfolders(mirror)
        if stored.item.board_id in places.ever_bound(connection, mirror.number):
            return False
    return world.state_harmed or content in world.ledger.remote_touched


def _no_doubles(world: World, assembly: Assembly) -> None:
    ledger, server = world.ledger, world.server
    one = world.setup.mirror["policies"]["same_picture"] == "one"
    ours = Counter(
        (stored.item.board_id, plain(stored.content)) for stored in server._stored.values()
        if stored.mark is not None and stored.whole and not stored.item.trashed
        and not stored.item.starred  # a double that is starred is told, and stays
        and not _is_forgotten(world, assembly, stored)
    )  # fmt: skip
    for (board, content), count in ours.items():
        # Where each path has its item, what was pulled and then moved to be sent has one, too.
        allowed = 1 if one else max(1, ledger.local[content] + ledger.remote[content])
        # Where each path has its item, what moved while a rule hid it is another path's picture.
        hidden = not one and content in ledger.hidden
        # Nor can it be told which one counts when state and file are both gone.
        fileless = world.state_harmed and content not in _files(world).values()
        excused = hidden or fileless or _made_apart(world, board, content)
        # Where nothing can be taken off a server, doubles are only told.
        excused |= not world.setup.removes
        if count > allowed and content not in ledger.remote_touched and not excused:
            world.find(f"{count} items of {ledger.word(content)} on {board}")
    # Killed between the two steps of a move, a file has both names. The state knew, if it is there.
    files = _files(world).values()
    for content, count in Counter(
        map(plain, world.disk.contents(FOLDER)) if world.state_harmed else files
    ).items():
        if one and ledger.knows(content) and count > _most_files(world, content):
            world.find(f"{count} files of {ledger.word(content)}")


def _made_apart(world: World, board: str | None, content: bytes) -> bool:
    """Tell whether a clock that was set makes doubles of one moment look like those of two.

    Such may have been made on purpose: they are told, and stay.
    """
    made = [
        stored.item.created_ms or 0 for stored in world.server._stored.values()
        if (stored.item.board_id, plain(stored.content)) == (board, content)
    ]  # fmt: skip
    return world.clock.stepped and max(made) - min(made) > WINDOW_MS


def _files(world: World, below: bytes = FOLDER) -> dict[bytes, bytes]:
    """Return what lies below a directory, by path, as people made it."""
    return {path: plain(content) for path, content in world.disk.files(below).items()}


def _most_files(world: World, content: bytes) -> int:
    """Return how many files of a content there may be: as many as people put anywhere.

    One more where they moved a pulled file before a killed daemon had recorded it, or of whose
    origin a lost state and a power cut left nothing; where a state was lost and its item had gone
    to another board; for an item that a mirror in one direction does not follow; for one that went
    to a board that no folder was there for yet, where files of what is gone are kept; and each
    time that people asked for its files again.
    """
    ledger, direction = world.ledger, world.setup.mirror["direction"]
    touched = content in ledger.local_touched
    touched |= world.state_harmed and content in ledger.remote_touched
    moved = ledger.remote[content] > 0 and touched
    kept = world.setup.mirror["policies"].get("item_deleted") == "keep"
    moved |= (direction == "pull" or kept) and content in ledger.remote_touched
    put = ledger.local[content] + ledger.remote[content]
    return max(1, put) + moved + ledger.restored[content]


def _nothing_missing(world: World, assembly: Assembly) -> None:
    """What is on one side is on the other, unless people took it away there."""
    mirror, ledger = assembly.mirrors[0], world.ledger
    rules = mirror.rules()
    boards = {
        (one.board_id, plain(stored.content))
        for one in world.server._boards.values()
        for stored in world.server.on_board(one.board_id)
    }
    files = _files(world)
    with mirror.state.read() as connection:
        bound = {one.subfolder: one for one in places.boards(connection, mirror.number)}
    for path, content in files.items() if world.setup.pushes else ():
        relative = path[len(FOLDER) + 1 :]
        if rules.verdict(relative, False) is not None or mirror.layout.is_pulled_area(relative):
            continue
        board = bound.get(mirror.layout.subfolder_of(relative))
        with mirror.state.read() as connection:
            seen = observations.find_file(connection, mirror.number, relative)
        if seen is not None and _cannot_be_told_apart(world, relative, seen):
            continue
        there = board is not None and (board.server_id, content) in boards
        if not there and ledger.knows(content) and content not in ledger.remote_touched:
            world.find(f"{relative!r} {ledger.word(content)} is not on its board")
    # What was pulled while the disk was away lies beneath it: nobody but people could tell.
    here = {*files.values(), *_files(world, BENEATH).values()}
    local_wins = world.setup.mirror["policies"]["both_changed"] == "local"
    wanted_here = wanted_subfolders(mirror)
    for board in bound.values() if world.setup.pulls else ():
        if wanted_here.get(board.subfolder, Want.REST) is Want.REST:
            continue
        for stored in world.server.on_board(board.server_id):
            wanted = stored.mark is None and stored.item.category in (None, "general")
            content = plain(stored.content)
            known = content in here or content in ledger.local_touched
            # Where the file was rewritten as well and wins, the item's version stays on the board.
            known |= local_wins and ledger.edited_on_both_sides(content)
            known |= _is_left_alone(assembly, board.id, stored.item.item_id)
            if wanted and stored.whole and not known:
                word = ledger.word(content)
                world.find(f"item {stored.item.item_id} {word} is not in the folder")


def _nothing_left(world: World, assembly: Assembly) -> None:
    """What people deleted here is deleted on its board, where nothing stood in its way."""
    policies, ledger = world.setup.mirror["policies"], world.ledger
    passes = policies.get("file_deleted") == "trash" and policies["content_changed"] == "replace"
    if not passes or world.obstructed or not world.setup.removes:
        return
    here = set(_files(world).values())
    for stored in world.server._stored.values():
        content = plain(stored.content)
        ours = stored.mark is not None and ledger.local[content] and not ledger.remote[content]
        gone = content not in here and content not in ledger.hidden
        touched = stored.item.trashed or stored.item.starred or content in ledger.remote_touched
        # New content that is not to be sent (its own item was deleted) replaces no item.
        if ours and gone and stored.whole and not (touched or _is_overwritten(assembly, stored)):
            word = ledger.word(content)
            world.find(f"{word} was deleted, and is still on {stored.item.board_id}")


def _is_overwritten(assembly: Assembly, stored: Stored) -> bool:
    """Tell whether the file that an item agrees with is there, and holds something else."""
    mirror = assembly.mirrors[0]
    with mirror.state.read() as connection:
        return any(
            link.state == LinkState.AGREED
            and observations.find_file(connection, mirror.number, link.path) is not None
            for board in places.boards(connection, mirror.number)
            for link in links.of_item(connection, board.id, stored.item.item_id)
        )


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


def _cannot_be_told_apart(world: World, path: bytes, seen: FileRecord) -> bool:
    """Tell whether a file that holds something else looks as before in all that a disk tells.

    Where a clock was set back over a moment in which it was written, its times can be the same.
    """
    node = world.disk.find(FOLDER + b"/" + path)
    return (
        world.clock.set_back
        and node is not None
        and hashlib.sha256(node.data).hexdigest() != seen.digest
        and (len(node.data), node.mtime_ns, node.ctime_ns, node.number)
        == (seen.size, seen.mtime_ns, seen.ctime_ns, seen.inode)
    )


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
            elif seen is None or _cannot_be_told_apart(world, path, seen):
                continue
            elif seen.digest != hashlib.sha256(content).hexdigest():
                found.append(f"the state takes {path!r} for another picture")
    return found
