"""InvokeAI as a server that boards are mirrored with: the port, on top of the client."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from os import PathLike
from typing import BinaryIO, Final

from boardsync.errors import (
    BoardsyncError,
    Bug,
    FileChanging,
    ItemMissing,
    NotAuthorised,
    OutcomeUnknown,
    PictureRefused,
    ServerFault,
    ServerRefused,
)
from boardsync.formats import BUILT_IN
from boardsync.model import (
    Board,
    Capabilities,
    Download,
    Entry,
    Item,
    Listing,
    Mark,
    Outcome,
    ServerInfo,
    Upload,
    UploadResult,
)
from boardsync.plan.tokens import PREFIX
from boardsync.servers.invokeai.address import segment
from boardsync.servers.invokeai.batches import in_parallel
from boardsync.servers.invokeai.changes import Fate
from boardsync.servers.invokeai.client import InvokeAIClient
from boardsync.servers.invokeai.embedded import embedded_metadata
from boardsync.servers.invokeai.images import READERS, UNREADABLE, Query
from boardsync.servers.invokeai.mark import metadata_with_mark, parse_mark
from boardsync.servers.invokeai.moves import Moves
from boardsync.servers.invokeai.pace import Pace
from boardsync.servers.invokeai.places import EVERYWHERE, Place
from boardsync.servers.invokeai.probe import KIND, describe
from boardsync.servers.invokeai.records import names_from
from boardsync.servers.invokeai.transport import get
from boardsync.servers.invokeai.trash import TrashBoard
from boardsync.servers.invokeai.upload import Picture

UPLOADED: Final = "external"
FEW: Final = 16
"""Up to so many images are asked for their metadata without searching all uploads first."""
CAPABILITIES: Final = Capabilities(
    kind=KIND,
    marks_atomic=True,
    names_kept=False,
    mutable=False,
    reencodes=True,
    categories=True,
    early_visible=True,
    trash=True,
    moves=True,
    renames_boards=True,
    batch=1,
    poll_floor=2.0,
    uploads_at_once=2,
    downloads_at_once=4,
    needs_upright=True,
    needs_srgb=True,
    needs_plain_modes=True,
    reads=BUILT_IN,
    max_pixels=178_956_970,
)
ONE_BY_ONE: Final = replace(CAPABILITIES, uploads_at_once=1)
"""What versions up to 6.13 can do: they stand still while they store an upload."""


class InvokeAIServer:
    """One account on an InvokeAI server. Implements `boardsync.servers.port.Server`.

    paced: send one picture at a time to versions that stand still meanwhile. False where a
    person chose how many: then that number is the caller's to keep.
    """

    def __init__(
        self,
        name: str,
        url: str,
        *,
        email: str | None = None,
        password: str | None = None,
        connect_timeout: float = 5.0,
        read_timeout: float = 60.0,
        ca_file: str | PathLike[str] | None = None,
        verify_tls: bool = True,
        paced: bool = True,
    ) -> None:
        self._name = name
        self.client = InvokeAIClient(
            name,
            url,
            email=email,
            password=password,
            connect_timeout=connect_timeout,
            read_timeout=read_timeout,
            ca_file=ca_file,
            verify_tls=verify_tls,
        )
        self._paced = paced
        self._pace = Pace(self.client.transport)
        self._trash = TrashBoard(self.client.boards)
        self._moves = Moves(
            self.client.transport, self.client.boards, self.client.images, self._trash
        )

    @property
    def name(self) -> str:
        """The name from the settings."""
        return self._name

    @property
    def capabilities(self) -> Capabilities:
        """What this kind can do; after a probe or an upload, what this version of it can do."""
        return ONE_BY_ONE if self._pace.one_by_one else CAPABILITIES

    async def probe(self) -> ServerInfo:
        """Ask who is there. Raises ServerUnreachable, ServerFault or NotAuthorised."""
        return await describe(self.client.transport, await self._pace.learn())

    async def boards(self) -> list[Board]:
        """List all boards but the trash, archived ones included, Uncategorized left out."""
        return self._trash.without(await self.client.boards.list())

    async def board(self, board_id: str | None) -> Board:
        """Describe one board. Raises BoardMissing, NotAuthorised for a hidden one."""
        self._trash.refuse(board_id)
        try:
            return await self.client.boards.show(board_id)
        except ServerRefused as error:
            raise _account_error(error) from error

    async def create_board(self, name: str) -> Board:
        """Make a board. Raises OutcomeUnknown when the answer was lost; list before repeating."""
        self._trash.refuse_name(name)
        return (await self.client.boards.create(name)).board

    async def listing(self, board_id: str | None, known: str | None = None) -> Listing:
        """List a board's items, intermediates left out, by names alone.

        An empty answer is believed only after the board itself was seen: up to 6.8 a
        missing board is listed as an empty one. Raises BoardMissing, ServerFault for
        anything that is no list of names.
        """
        self._trash.refuse(board_id)
        call = get(
            f"/boards/{segment(board_id or 'none')}/image_names",
            ("is_intermediate", False),
            missing_ok=True,
        )
        try:
            answer = await self.client.transport.call(call)
        except ServerRefused as error:
            raise _account_error(error) from error
        if answer.says_missing:
            await self.board(board_id)
            raise ServerFault(f"{answer.request} answered 404 although the board is there")
        digest = hashlib.sha256(answer.body).hexdigest()
        if digest == known and answer.body.strip() != b"[]":
            return Listing(board_id, digest, None)
        names = names_from(answer.json(), answer.request)
        if not names:
            await self._confirm_empty(board_id)
        entries = None if digest == known else tuple(Entry(name) for name in names)
        return Listing(board_id, digest, entries)

    async def items(self, board_id: str | None, item_ids: Sequence[str]) -> list[Item]:
        """Describe items wherever they are now, in the trash too; leave out what is gone."""
        del board_id  # a name is unique on the server
        return await self._trash.marked(await self.client.images.records(item_ids))

    async def marks(
        self, board_id: str | None, item_ids: Sequence[str], described: Sequence[Item] = ()
    ) -> dict[str, Mark | None]:
        """Read the marks of items: a key for every id that exists, None where there is no mark.

        What is in the trash is left out, unless `board_id` is that of the trash. Only uploads
        can carry a mark, and of many items only those are read whose metadata the server finds
        by the beginning that all tokens share.
        """
        of_trash = await self._trash.holds(board_id)
        found = described or await self.items(board_id, item_ids)
        items = [item for item in found if item.trashed is of_trash]
        suspects = await self._suspects(board_id, items)
        read = dict(zip(suspects, await in_parallel(self._mark, suspects, READERS), strict=True))
        gone = {name for name, (there, _) in read.items() if not there}
        unread = (True, None)
        return {
            item.item_id: read.get(item.item_id, unread)[1]
            for item in items
            if item.item_id not in gone
        }

    async def find(self, token: str) -> list[Item]:
        """Find items that carry a token, anywhere on the server and in its trash, oldest first."""
        query = Query(
            search=token, origin=UPLOADED, intermediates=None, newest_first=False, limit=100
        )
        page = await self.client.images.list(query)
        if page.total > len(page.items):
            page = await self.client.images.list(replace(query, limit=None))
        return await self._trash.marked(page.items)

    async def matching(self, board_id: str | None, term: str) -> set[str]:
        """Return the ids of a board's items whose metadata, or creation time, holds a term."""
        query = Query(board_id, search=term, intermediates=None)
        return set(await self.client.images.names(query))

    async def starred(self, board_id: str | None) -> set[str]:
        """Return the ids of a board's items that are starred now; none for a missing board."""
        return await self.client.images.starred(board_id)

    async def upload(self, board_id: str | None, uploads: Sequence[Upload]) -> list[UploadResult]:
        """Send one picture with its mark; see `Server.upload` for what it raises."""
        if len(uploads) > CAPABILITIES.batch:
            raise Bug(f"{len(uploads)} uploads in one call, but InvokeAI takes one")
        if any(upload.replaces is not None for upload in uploads):
            raise Bug("an upload that replaces an item, but InvokeAI's items never change")
        self._trash.refuse(board_id)
        return [await self._upload(board_id, upload) for upload in uploads]

    async def download(self, item: Item, sink: BinaryIO) -> Download:
        """Fetch an item's bytes into `sink` and check that they are whole.

        Raises ItemMissing, or FileChanging while the server is still writing them.
        """
        return await self.client.images.download(item, sink)

    async def complete(self, item: Item, *, glance: bool = False) -> bool:
        """Tell whether an item's bytes are whole. Raises ItemMissing.

        glance: its thumbnail is enough, which the server makes after it stored the picture.
        """
        return await self.client.images.complete(item, glance=glance)

    async def delete_ghost(self, item: Item) -> None:
        """Delete an item of a failed upload whose bytes never became whole.

        Looks once more first: raises FileChanging, and deletes nothing, when they are.
        """
        if item.origin not in {UPLOADED, None}:
            raise Bug(f"image {item.item_id} was made by the server: no upload left it behind")
        try:
            whole = await self.complete(item)
        except ItemMissing:
            return
        if whole:
            raise FileChanging(f"image {item.item_id} became whole, so it is not deleted")
        [result] = await self.client.images.delete([item.item_id])
        if result.fate is Fate.UNREACHABLE:
            raise OutcomeUnknown(f"image {item.item_id}: {result.reason}")
        if result.fate is Fate.REFUSED:
            raise ServerRefused(f"image {item.item_id}: {result.reason}")

    async def move(self, item: Item, board_id: str | None, name: str | None = None) -> Item:
        """Put an item on a board; its name is the server's, so another one is not given.

        Raises ItemChanged when somebody else put it on another board than the item says.
        """
        del name
        return await self._moves.move(item, board_id)

    async def trash(self, item: Item, key: str) -> str:
        """Move an item to the trash board; its id stays, so the key is not needed to find it."""
        del key
        return await self._moves.trash(item)

    async def in_trash(self, trashed_id: str) -> Item | None:
        """Describe what lies on the trash board under an id; None when it is not there."""
        found = [item for item in await self.items(None, [trashed_id]) if item.trashed]
        return found[0] if found else None

    async def untrash(self, trashed_id: str, board_id: str | None, name: str | None = None) -> Item:
        """Put something from the trash board back on a board."""
        del name
        return await self._moves.untrash(trashed_id, board_id)

    async def purge(self, trashed_id: str) -> None:
        """Delete an image for good. Raises ItemMissing, ServerRefused when not in the trash."""
        await self._moves.purge(trashed_id)

    async def delete(self, item: Item) -> None:
        """Refuse: there is a trash, and what is purged from there has lain there before."""
        raise ServerRefused(f"image {item.item_id}: is put into the trash first, then purged")

    async def rename_board(self, board_id: str | None, name: str) -> Board:
        """Give a board another name. Raises BoardMissing, ServerRefused for Uncategorized."""
        self._trash.refuse(board_id)
        self._trash.refuse_name(name)
        return await self.client.boards.rename(board_id, name)

    async def aclose(self) -> None:
        """Let go of connections. Idempotent."""
        await self.client.aclose()

    async def _upload(self, board_id: str | None, upload: Upload) -> UploadResult:
        try:
            metadata = metadata_with_mark(embedded_metadata(upload.content), upload.mark)
            picture = Picture(
                upload.content,
                upload.media_type,
                upload.category,
                metadata=metadata,
                width=upload.width,
                height=upload.height,
            )
            async with self._pace.turn() if self._paced else nullcontext():
                item = await self.client.images.send(board_id, picture)
        except OutcomeUnknown as error:
            return UploadResult(Outcome.UNKNOWN, error=error)
        except (ServerRefused, PictureRefused) as error:
            return UploadResult(Outcome.REFUSED, error=error)
        return UploadResult(Outcome.STORED, item)

    async def _suspects(self, board_id: str | None, items: Sequence[Item]) -> Sequence[str]:
        """Return the names of the items that may carry a mark.

        With accounts, a search over everything finds only what is our own, so the board is
        searched instead, although that takes the server twice the time.
        """
        uploaded = [item for item in items if item.origin in {UPLOADED, None}]
        if len(uploaded) <= FEW:
            return [item.item_id for item in uploaded]
        place: Place = board_id if self.client.transport.login.configured else EVERYWHERE
        query = Query(place, search=PREFIX, origin=UPLOADED, intermediates=None)
        found = set(await self.client.images.names(query))
        return [
            item.item_id
            for item in uploaded
            if item.item_id in found or (place is not EVERYWHERE and item.board_id != board_id)
        ]

    async def _mark(self, name: str) -> tuple[bool, Mark | None]:
        """Read one mark; the first value tells whether the image is still there."""
        try:
            metadata: Mapping[str, object] | None = await self.client.images.metadata(name)
        except ItemMissing:
            return False, None
        except ServerRefused as error:
            if error.status != UNREADABLE:
                raise _account_error(error) from error
            return True, None
        return True, parse_mark(metadata)

    async def _confirm_empty(self, board_id: str | None) -> None:
        """See the board before believing that it is empty."""
        board = await self.board(board_id)
        if board_id is None and (board.images or board.assets):
            raise ServerFault(
                f"server {self.name} lists nothing in Uncategorized but counts "
                f"{board.images} images and {board.assets} assets there; versions before 5.13 "
                "cannot list it"
            )


def _account_error(error: ServerRefused) -> BoardsyncError:
    """Turn a refusal of a whole board into what a person has to settle."""
    if error.status == 403:
        return NotAuthorised(f"{error}. This account may not see this")
    return error
