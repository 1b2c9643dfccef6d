"""Writes the sidecars of pulled pictures, where the settings ask for them.

Before the picture's link is recorded, so that a kill in between writes it with the next start. A
sidecar that cannot be written keeps no picture from being here.
"""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime

import structlog

from boardsync.engine.context import Mirror
from boardsync.engine.parcel import DECODING
from boardsync.engine.sweep import temporary_name
from boardsync.errors import BoardsyncError, FileChanging, PictureRefused
from boardsync.files.sidecars import Written, write_sidecar
from boardsync.files.snapshot import read_snapshot
from boardsync.metadata import GenerationData, read_content
from boardsync.model import Item
from boardsync.picture.sidecar import Facts, sidecar
from boardsync.plan.sidecars import Kind, sidecar_of
from boardsync.state import items_seen
from boardsync.state.records import BoardRecord

log = structlog.get_logger(__name__)


async def write_sidecar_of(
    mirror: Mirror, board: BoardRecord, item: Item, path: bytes, digest: str
) -> None:
    """Write the sidecar of a picture that lies in place. Failures are told and nothing more."""
    kind = mirror.settings.pull.sidecar
    if kind is None:
        return
    target = sidecar_of(path, kind)
    # Named after the item, as its download is: one that is left behind is swept.
    name = temporary_name(mirror, Item(f"{kind} of {item.item_id}", item.board_id))
    temporary = os.path.join(os.path.dirname(path), name)
    mirror.fetching.add(temporary)
    try:
        facts = _facts(mirror, board, item)
        done = await asyncio.to_thread(
            _write, mirror, kind, path, digest, facts, mirror.absolute(temporary)
        )  # fmt: skip
    except (OSError, BoardsyncError) as error:
        log.warning("a sidecar could not be written", path=target, error=str(error))
        return
    finally:
        mirror.fetching.discard(temporary)
    if done is Written.NOT_OURS:
        log.warning("a sidecar is not written: another file is there", path=target)


def _write(
    mirror: Mirror, kind: Kind, path: bytes, digest: str, facts: Facts, temporary: bytes
) -> Written:  # fmt: skip
    content = sidecar(kind, _generation(mirror, path, digest), digest, facts)
    return write_sidecar(
        mirror.absolute(sidecar_of(path, kind)), content, temporary, mirror.disk,
        mode=mirror.ownership.first_mode,
        give=lambda fd: mirror.ownership.give_file(fd, mirror.disk),
    )  # fmt: skip


def _generation(mirror: Mirror, path: bytes, digest: str) -> GenerationData:
    """Read how a picture was made. One that says nothing, or nonsense, tells nothing."""
    try:
        read = read_snapshot(mirror.absolute(path), mirror.limits().max_bytes, mirror.disk)
        if read.digest != digest:
            raise FileChanging("the picture was changed meanwhile")
        with DECODING:
            return read_content(read.content)
    except PictureRefused:
        return GenerationData()


def _facts(mirror: Mirror, board: BoardRecord, item: Item) -> Facts:
    created = item.created_ms
    if created is None:  # gone on with after a kill: what was fetched is known by its name alone
        with mirror.state.read() as connection:
            known = items_seen.find_item(connection, board.id, item.item_id)
        created = None if known is None else known[0].created_ms
    return Facts(
        mirror.name, mirror.settings.server, board.name, item.item_id, _in_iso(created)
    )  # fmt: skip


def _in_iso(moment_ms: int | None) -> str | None:
    try:
        return None if moment_ms is None else _utc(moment_ms)
    except (OverflowError, ValueError, OSError):
        return None


def _utc(moment_ms: int) -> str:
    moment = datetime.fromtimestamp(moment_ms / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
