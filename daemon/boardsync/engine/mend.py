"""`boardsync mend`: fetch the item of a file that rotted, and put the rotten one into the trash."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from sqlalchemy import Connection

from boardsync.engine.assembly import Assembly
from boardsync.engine.clock import now_ms
from boardsync.engine.context import Mirror
from boardsync.engine.rehash import rehash_file
from boardsync.engine.report import show
from boardsync.engine.subject import path_below
from boardsync.engine.told import Told
from boardsync.model import Action, ActionKind, LinkState
from boardsync.state import items_seen, links, observations, rot, runs, transfers
from boardsync.state.records import FileRecord, LinkRecord
from boardsync.state.rot import RotRecord

CAUSE = "mend"


async def mend(assembly: Assembly, subject: str, here: str | None = None) -> list[Told]:
    """Plan the mending of a file in every mirror that knows it; the carriers do it.

    A file that is not known to be rotten is read first. here: the folder that a relative path
    may start from, besides a mirror's.
    """
    told: list[Told] = []
    for mirror in assembly.mirrors:
        path = path_below(mirror.root, subject, here)
        if path is not None:
            told += await _mend(mirror, path)
    return told


async def _mend(mirror: Mirror, path: bytes) -> Sequence[Told]:
    with mirror.state.read() as connection:
        file = observations.find_file(connection, mirror.number, path)
    if file is None:
        return ()
    tell = partial(Told, mirror=mirror.name, picture=show(path) or "")
    if file.hashed_ns is None:
        return [tell(done=False, later=True, words="it is being looked at; try again soon")]
    found = await rehash_file(mirror, file)
    if found.changed:
        return [tell(done=False, later=True, words="it has changed and is looked at; ask again")]
    if not (found.sound or found.rotten):
        return [tell(done=False, later=True, words="it cannot be read now")]
    with mirror.state.read() as connection:
        known = rot.find(connection, mirror.number, path)
        if known is None:
            return [tell(done=False, words="it holds what it held: there is nothing to mend")]
        link = _good_link(connection, mirror.number, known)
    if link is None:
        words = "no board has its picture any more; `boardsync again` takes it as it is"
        return [tell(done=False, words=words)]
    planned = await mirror.state.write(partial(_plan, mirror, file, known, link))
    words = f"item {show(link.item_id)} is fetched; what is here goes to the trash"
    return [tell(done=True, words=words if planned else "it is being fetched already")]


def _good_link(connection: Connection, number: int, known: RotRecord) -> LinkRecord | None:
    """Return the link to an item that still holds what the file held."""
    for link in links.of_path(connection, number, known.path):
        if link.digest != known.was or link.state != LinkState.AGREED.value:
            continue
        found = items_seen.find_item(connection, link.board, link.item_id)
        if found is not None and found[0].version == link.version:
            return link
    return None


def _plan(
    mirror: Mirror, file: FileRecord, known: RotRecord, link: LinkRecord, c: Connection
) -> bool:  # fmt: skip
    """Plan the download as that of a newer version: its place is made by way of the trash."""
    moment = now_ms(mirror.clock)
    action = Action(
        ActionKind.DOWNLOAD, mirror.key, "mended: the file has rotted", path=file.path,
        digest=known.found, item_id=link.item_id, version=link.version, link=link.id,
    )  # fmt: skip
    run = runs.begin(c, mirror.number, CAUSE, moment)
    planned = transfers.plan_transfers(c, mirror.number, [(link.board, action)], moment, run)
    runs.count(c, run, moment, planned=planned)
    return planned > 0
