"""The names of pulled files: the server's, the one that was planned, or one by a template."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from datetime import datetime, tzinfo
from functools import partial
from typing import TYPE_CHECKING, Protocol

from boardsync.engine.context import Mirror
from boardsync.engine.landing import Landed
from boardsync.engine.parcel import DECODING
from boardsync.engine.taken_names import TakenNames
from boardsync.errors import PictureRefused
from boardsync.files.snapshot import read_snapshot, reading
from boardsync.formats import HEAD_SIZE, format_by_extension, sniff
from boardsync.local.ignore import Rules
from boardsync.model import Item, LinkState
from boardsync.plan.names import numbered_path, safe_name, split_extension
from boardsync.plan.naming import GENERATED, Template, Values, parse
from boardsync.state import links
from boardsync.state.records import BoardRecord, TransferRecord

if TYPE_CHECKING:
    from boardsync.metadata import GenerationData

MOST_NUMBERS = 10_000

_EVERYWHERE = Rules(pull_into=None)


class Names(Protocol):
    """Yields the names to try for one file, the best one first."""

    async def next(self) -> bytes | None:
        """Return the next name, None when there is none left. Raises BoardsyncError."""
        ...


class Numbered:
    """A name, and where that is taken the same with numbers."""

    def __init__(self, target: bytes) -> None:
        self._target = target
        self._number = 0

    async def next(self) -> bytes | None:
        self._number += 1
        return numbered_path(self._target, self._number) if self._number < MOST_NUMBERS else None


class Namer:
    """Gives the files that one mirror pulls their names."""

    def __init__(self, mirror: Mirror) -> None:
        self._mirror = mirror
        wanted = mirror.settings.pull.name
        self.template: Template | None = None if wanted is None else parse(wanted)
        self._taken = TakenNames(mirror)

    def directory(self, board: BoardRecord, transfer: TransferRecord) -> bytes:
        """Return where a file is put while it is fetched, which is where it stays, or above it."""
        if transfer.path is not None or self.template is None:
            return os.path.dirname(self.target(board, transfer, str(transfer.item_id)))
        return self._mirror.layout.pull_directory(board.subfolder)

    def target(
        self, board: BoardRecord, transfer: TransferRecord, item_id: str, extension: str = ""
    ) -> bytes:
        """Return where a file goes without a template: as planned, or by the server's name."""
        if transfer.path is not None:
            return fitting_path(transfer.path, extension)
        directory = self._mirror.layout.pull_directory(board.subfolder)
        return directory + b"/" + local_name(item_id, extension)

    def rest(self) -> None:
        """Forget what directories held: nothing is on its way."""
        self._taken.forget_listings()

    async def names(
        self, board: BoardRecord, transfer: TransferRecord, item: Item, landed: Landed
    ) -> Names:
        """Return the names for bytes that lie in their temporary file. Raises FileChanging."""
        if transfer.path is not None or self.template is None:
            return Numbered(self.target(board, transfer, item.item_id, item.extension))
        values = await asyncio.to_thread(self._values, self.template, board, item, landed)
        extension = await asyncio.to_thread(self._extension, item, landed)
        directory = self._mirror.layout.pull_directory(board.subfolder)
        path = partial(_path, self.template, values, extension)
        if not self.template.counts:
            path = partial(numbered_path, path(1))
        if self._mirror.rules().verdict(directory + b"/" + path(1), False) is not None:
            # Nobody would see such a file: it would be fetched again after a lost state.
            return Numbered(self.target(board, transfer, item.item_id, extension))
        free = partial(self._taken.first_free, directory, path, transfer.id)
        return Templated(self._mirror, transfer, landed, free)

    def _values(self, template: Template, board: BoardRecord, item: Item, landed: Landed) -> Values:
        data = self._generation(landed) if template.fields & GENERATED else None
        return Values(
            made=_moment(item.created_ms, self._mirror.brake.wall.zone),
            board=board.name,
            item=item.item_id,
            prompt=None if data is None or data.prompt is None else data.prompt.value,
            seed=None if data is None or data.seed is None else data.seed.value,
            model=None if data is None or data.model is None else data.model.value,
            width=landed.width or item.width,
            height=landed.height or item.height,
        )

    def _generation(self, landed: Landed) -> GenerationData | None:
        """Read how a picture was made. One that says nothing, or nonsense, tells nothing."""
        # Imported late: few mirrors name their files by what is in them.
        from boardsync.metadata import read_content

        path, mirror = self._mirror.absolute(landed.temporary), self._mirror
        try:
            content = read_snapshot(path, mirror.limits().max_bytes, mirror.disk).content
            with DECODING:
                return read_content(content)
        except PictureRefused:
            return None

    def _extension(self, item: Item, landed: Landed) -> str:
        """Return the extension of the very bytes, whatever the server calls them."""
        path, mirror = self._mirror.absolute(landed.temporary), self._mirror
        with reading(path, mirror.disk) as stream:
            known = sniff(stream.read(HEAD_SIZE))
        return item.extension if known is None else known.extension


class Templated:
    """Names by a template: none that is taken, or that another filesystem could not tell apart."""

    def __init__(
        self, mirror: Mirror, transfer: TransferRecord, landed: Landed,
        free: Callable[[], bytes | None],
    ) -> None:  # fmt: skip
        self._mirror = mirror
        self._transfer = transfer
        self._free = free
        self._recorded = transfer.final if transfer.got == landed.digest else None

    async def next(self) -> bytes | None:
        return await asyncio.to_thread(self._next)

    def _next(self) -> bytes | None:
        recorded, self._recorded = self._recorded, None
        if recorded is not None and not self._is_another_items(recorded):
            return recorded  # it was decided, and the file may be there already
        return self._free()

    def _is_another_items(self, path: bytes) -> bool:
        one = self._transfer
        with self._mirror.state.read() as connection:
            known = links.of_path(connection, one.mirror, path)
        return any(
            link.state == LinkState.AGREED.value
            and (link.board, link.item_id) != (one.board, one.item_id)
            for link in known
        )


def _path(template: Template, values: Values, extension: str, number: int) -> bytes:
    """Return the name of a picture by its counter, with no folder that the scan passes by."""
    path = template.path(values, extension, number)
    *folders, name = path.split("/")
    seen = [f"{one}_" if _is_passed_by(one) else one for one in folders]
    return "/".join([*seen, name]).encode()


def _is_passed_by(folder: str) -> bool:
    """Tell whether a name is one of those that systems and programs give to what is not theirs."""
    return _EVERYWHERE.judge(b"", folder.encode(), True) is not None


def _moment(created_ms: int | None, zone: tzinfo) -> datetime | None:
    """Return when an item was made; None where that is not told, or no date."""
    try:
        return None if created_ms is None else datetime.fromtimestamp(created_ms / 1000, zone)
    except (OverflowError, ValueError, OSError):
        return None


def local_name(item_id: str, extension: str) -> bytes:
    """Return the file name for an item: the server's name, made safe, with a fitting extension."""
    parts = [safe_name(part) for part in item_id.split("/") if part not in ("", ".", "..")]
    name = "/".join(parts) or "picture"
    if extension and not name.lower().endswith(extension):
        name += extension
    return name.encode("utf-8", "surrogateescape")


def fitting_path(path: bytes, extension: str) -> bytes:
    """Return a path with the extension that fits the bytes: servers re-encode pictures."""
    name = path.decode("utf-8", "surrogateescape")
    wanted = format_by_extension(f"x{extension}")
    if not extension or (wanted is not None and wanted is format_by_extension(path)):
        return path
    return (split_extension(name)[0] + extension).encode("utf-8", "surrogateescape")
