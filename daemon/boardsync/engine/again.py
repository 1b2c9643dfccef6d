"""`boardsync again`: forget what kept a picture from being sent or fetched, and start anew."""

from __future__ import annotations

import os

from sqlalchemy import Connection

from boardsync.engine.context import Mirror
from boardsync.state import links, observations, places, transfers

PARTED = frozenset({"item-gone", "undone", "file-gone"})


async def again(mirror: Mirror, subject: str) -> list[str]:
    """Start a file or an item anew; return in words what was changed. Nothing is sent here."""
    path = os.fsencode(subject)
    if os.path.isabs(path):
        path = os.path.relpath(path, mirror.root)
    return await mirror.state.write(lambda c: _again(c, mirror, os.path.normpath(path), subject))


def _again(c: Connection, mirror: Mirror, path: bytes, item_id: str) -> list[str]:
    done = []
    if observations.find_file(c, mirror.number, path) is not None:
        observations.forgive(c, mirror.number, path)
        transfers.forget_refusals(c, mirror.number, path, None)
        done.append("the file is looked at again")
        for link in links.of_path(c, mirror.number, path):
            if link.state in PARTED:
                links.forget(c, link.id)
                done.append(f"its {link.state} link is forgotten")
    for board in places.boards(c, mirror.number):
        if observations.find_item(c, board.id, item_id) is None:
            continue
        if transfers.forget_refusals(c, mirror.number, None, item_id, board.id):
            done.append("the item is fetched again")
        for link in links.of_item(c, board.id, item_id):
            if link.state in PARTED:
                links.forget(c, link.id)
                done.append(f"the item's {link.state} link is forgotten")
    return done
