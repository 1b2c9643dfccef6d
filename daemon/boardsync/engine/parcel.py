"""Makes uploads ready: one snapshot of a file, checked and prepared, and what is sent of it."""

from __future__ import annotations

import hashlib
import os
import threading
from dataclasses import dataclass, replace

from boardsync.engine.context import Mirror
from boardsync.engine.preparing import (
    asked_of,
    fitting_name,
    is_converted,
    is_prepared,
    needs_of,
)
from boardsync.engine.remove import removal_key
from boardsync.errors import FileChanging, PictureRefused
from boardsync.files.snapshot import Snapshot, read_snapshot
from boardsync.formats.whole import Verdict, check
from boardsync.model import Item, Mark, Upload
from boardsync.picture.asked import AS_IT_IS, Asked
from boardsync.picture.decode import Limits
from boardsync.picture.prepare import Needs, Prepared, prepare
from boardsync.plan.settling import left_alone_ns
from boardsync.state import links, observations
from boardsync.state.records import BoardRecord, TransferRecord

DECODING = threading.BoundedSemaphore(os.cpu_count() or 1)
"""More pictures at once than there are processors would only hold each other up."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """One transfer with its snapshot prepared: ready for its first byte."""

    transfer: TransferRecord
    snapshot: Snapshot
    prepared: Prepared

    @property
    def size(self) -> int:
        """How much memory it holds, in bytes."""
        sent = 0 if self.prepared.untouched else len(self.prepared.content)
        return len(self.snapshot.content) + sent

    @property
    def path(self) -> bytes:
        """The path of the file."""
        return path_of(self.transfer)


@dataclass(frozen=True, slots=True)
class Overtaken:
    """The file is not the planned picture any more, or a rule leaves it alone now."""

    snapshot: Snapshot | None = None
    rule: str | None = None


@dataclass(frozen=True, slots=True)
class Unripe:
    """The file may be room that was reserved, to be filled yet. seconds: until that is settled."""

    seconds: float


def read_parcel(mirror: Mirror, transfer: TransferRecord) -> Parcel | Overtaken | Unripe:
    """Read, check and prepare the file, in a thread. Raises PictureRefused."""
    path = path_of(transfer)
    limits = mirror.limits()
    ignored = mirror.rules().verdict(path, False)
    if ignored is not None:
        return Overtaken(rule=ignored.rule)
    try:
        snapshot = read_snapshot(mirror.absolute(path), limits.max_bytes, mirror.disk)
    except FileChanging:
        return Overtaken()
    if snapshot.digest != transfer.digest:
        return Overtaken(snapshot=snapshot)
    if is_shared_since(mirror, transfer):
        return Overtaken()
    if require_whole(snapshot.content).hollow:
        seconds = _seconds_to_ripen(mirror, path, snapshot)
        if seconds > 0:
            return Unripe(seconds)
    prepared = prepare_for(mirror, snapshot.content)
    return Parcel(_as_it_fits(mirror, transfer, prepared), snapshot, prepared)


def prepare_for(mirror: Mirror, content: bytes) -> Prepared:
    """Prepare a whole picture as a mirror sends it. Raises PictureRefused."""
    needs, asked = needs_of(mirror.server.capabilities), asked_of(mirror.settings.prepare)
    return prepare_checked(content, needs, mirror.limits(), asked)


def _as_it_fits(mirror: Mirror, transfer: TransferRecord, prepared: Prepared) -> TransferRecord:
    """Let a picture take no place whose name promises another format: it gets its own.

    What it was to replace goes to the trash afterwards, as where names are not kept.
    """
    if transfer.item_id is None:
        return transfer
    if not is_converted(_remote_name(mirror, path_of(transfer), prepared), transfer.item_id):
        return transfer
    if prepared.untouched:
        with mirror.state.read() as connection:
            known = links.of_item(connection, transfer.board, transfer.item_id)
        if not any(is_prepared(one.recipe) for one in known):
            return transfer
    return replace(transfer, item_id=None, version="")


def _remote_name(mirror: Mirror, path: bytes, prepared: Prepared) -> str:
    """Return an item's name: its file's, unless it was made another format."""
    name = mirror.remote_name(path)
    return name if prepared.format is prepared.before else fitting_name(name, prepared.format)


def is_shared_since(mirror: Mirror, transfer: TransferRecord) -> bool:
    """Tell whether the item that an upload would replace has become another file's, too."""
    if transfer.item_id is None:
        return False
    with mirror.state.read() as connection:
        return links.is_shared(
            connection, transfer.board, transfer.item_id, path_of(transfer)
        )  # fmt: skip


def _seconds_to_ripen(mirror: Mirror, path: bytes, snapshot: Snapshot) -> float:
    with mirror.state.read() as connection:
        seen = observations.find_file(connection, mirror.number, path)
    now = mirror.clock.now_ns()
    changed = now if seen is None else seen.changed_ns
    return (left_alone_ns(snapshot.stat, changed) - now) / 1e9


def upload_of(mirror: Mirror, board: BoardRecord, parcel: Parcel) -> Upload:
    """Return what is sent of a parcel."""
    prepared, transfer = parcel.prepared, parcel.transfer
    assert transfer.token is not None and transfer.digest is not None  # noqa: S101, PT018
    mark = Mark(
        mirror=mirror.key,
        token=transfer.token,
        file=transfer.digest,
        sent=transfer.digest if prepared.untouched else _sha256(prepared.content),
        recipe=prepared.recipe,
        name=_show_name(parcel) if mirror.settings.upload.name_in_mark else None,
    )
    return Upload(
        name=_remote_name(mirror, parcel.path, prepared),
        content=prepared.content,
        media_type=prepared.media_type,
        mark=mark,
        category=mirror.settings.upload.category,
        width=prepared.width,
        height=prepared.height,
        created_ms=parcel.snapshot.stat.mtime_ns // 1_000_000,
        replaces=(old := replaced_item(board, transfer)),
        trash_key="" if old is None else removal_key(transfer),
    )


def require_whole(content: bytes) -> Verdict:
    """Check that bytes are a whole picture, as far as they tell. Raises PictureRefused."""
    verdict = check(content)
    if not verdict.whole:
        raise PictureRefused(verdict.reason)
    return verdict


def prepare_checked(
    content: bytes, needs: Needs, limits: Limits, asked: Asked = AS_IT_IS
) -> Prepared:
    """Prepare what is known to be whole, when there is a processor for it."""
    with DECODING:
        return prepare(content, needs, limits, asked)


def replaced_item(board: BoardRecord, transfer: TransferRecord) -> Item | None:
    """Return the item whose place an upload takes, for kinds that keep names."""
    if transfer.item_id is None:
        return None
    return Item(transfer.item_id, board.server_id, transfer.version)


def _show_name(parcel: Parcel) -> str:
    """Return a path as text that any server can keep."""
    return parcel.path.decode("utf-8", "backslashreplace")


def path_of(transfer: TransferRecord) -> bytes:
    """Return the path of the file that an upload sends."""
    assert transfer.path is not None  # noqa: S101
    return transfer.path


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
