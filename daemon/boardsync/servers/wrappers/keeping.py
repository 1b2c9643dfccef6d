"""A trash for servers that only delete for good: the bytes are saved here, and verified, first.

What comes back is sent anew, with its mark: the same picture, as another item.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import replace
from typing import BinaryIO

from boardsync.errors import (
    BoardMissing,
    BoardsyncError,
    ItemChanged,
    ItemMissing,
    OutcomeUnknown,
    ServerFault,
)
from boardsync.formats import PNG, format_by_extension
from boardsync.model import (
    Board,
    Capabilities,
    Category,
    Download,
    Item,
    Listing,
    Mark,
    Outcome,
    Upload,
    UploadResult,
)
from boardsync.plan.tokens import token_for
from boardsync.servers.port import BoardId, Server
from boardsync.servers.wrappers.kept import KEPT, Kept, KeptPictures, in_words, sight
from boardsync.servers.wrappers.wrapper import Wrapper


class Keeping(Wrapper):
    """A server without a trash, with one on this machine."""

    def __init__(self, inner: Server, kept: KeptPictures) -> None:
        super().__init__(inner)
        self._kept = kept
        self._capabilities = replace(inner.capabilities, trash=True)

    @property
    def capabilities(self) -> Capabilities:
        return self._capabilities

    async def board(self, board_id: BoardId) -> Board:
        _refuse(board_id)
        return await super().board(board_id)

    async def listing(self, board_id: BoardId, known: str | None = None) -> Listing:
        _refuse(board_id)
        return await super().listing(board_id, known)

    async def items(self, board_id: BoardId, item_ids: Sequence[str]) -> list[Item]:
        """Describe items; those in the trash whatever the board."""
        lying = [found for one in item_ids if (found := await self.in_trash(one)) is not None]
        others = [one for one in item_ids if not _is_ours(one)]
        return lying + (await super().items(board_id, others) if others else [])

    async def marks(
        self, board_id: BoardId, item_ids: Sequence[str], described: Sequence[Item] = ()
    ) -> dict[str, Mark | None]:
        """Read marks; those in the trash only when it is named as the board."""
        if board_id == KEPT:
            lying = {one.trashed_id: one.mark for one in await self._lying()}
            return {one: lying[one] for one in item_ids if one in lying}
        others = [one for one in item_ids if not _is_ours(one)]
        return await super().marks(board_id, others, described) if others else {}

    async def find(self, token: str) -> list[Item]:
        found = await super().find(token)
        alive = {sight(one) for one in found}  # saved, and not deleted after all
        lying = [
            _described(one) for one in await self._lying()
            if one.mark is not None and one.mark.token == token and sight(one.item) not in alive
        ]  # fmt: skip
        return found + lying

    async def download(self, item: Item, sink: BinaryIO) -> Download:
        kept = await self._find(item.item_id)
        if kept is None:
            return await super().download(item, sink)
        sink.write(await asyncio.to_thread(self._kept.read, kept))
        return Download(kept.digest, kept.size, kept.width, kept.height, kept.item.extension)

    async def complete(self, item: Item, *, glance: bool = False) -> bool:
        if await self._find(item.item_id) is not None:
            return True
        return await super().complete(item, glance=glance)

    async def move(self, item: Item, board_id: BoardId, name: str | None = None) -> Item:
        if _is_ours(item.item_id):
            raise ItemMissing(f"{item.item_id}: in the trash, on no board")
        return await super().move(item, board_id, name)

    async def upload(self, board_id: BoardId, uploads: Sequence[Upload]) -> list[UploadResult]:
        """Send a batch; what one of them replaces is saved first."""
        _refuse(board_id)
        saved: list[Kept] = []
        try:
            overtaken = await self._save_replaced(board_id, uploads, saved)
            sent = [one for one in uploads if id(one) not in overtaken]
            answers = await super().upload(board_id, sent) if sent else []
        except BoardsyncError:  # nothing was stored, so nothing was replaced
            for kept in saved:
                await self._discard(kept)
            raise
        told = dict(zip(map(id, sent), answers, strict=True)) | overtaken
        failed = {
            one.trash_key for one in uploads
            if told[id(one)].outcome in (Outcome.REFUSED, Outcome.CHANGED)
        }  # fmt: skip
        for kept in saved:
            if kept.key in failed:
                await self._discard(kept)
        return [told[id(one)] for one in uploads]

    async def trash(self, item: Item, key: str) -> str:
        """Save an item and delete it. A repeat goes on where it stood."""
        if await self._find(item.item_id) is not None:
            return item.item_id
        kept = await asyncio.to_thread(self._kept.find, key)
        if kept is None:
            kept = await self._save(item, key)
        await self._delete(kept)
        return kept.trashed_id

    async def in_trash(self, trashed_id: str) -> Item | None:
        kept = await self._find(trashed_id)
        return None if kept is None else _described(kept)

    async def untrash(self, trashed_id: str, board_id: BoardId, name: str | None = None) -> Item:
        """Send a picture anew. A repeat looks first whether it has arrived."""
        kept = await self._require(trashed_id)
        if kept.returned is not None:
            return await self._came_back(kept, board_id)
        mark = kept.mark or _own_mark(kept)
        found = await self._inner.find(mark.token)
        if kept.returning is None:
            kept = replace(kept, returning=tuple(sight(one) for one in found))
            await asyncio.to_thread(self._kept.note, kept)
        before = kept.returning or ()
        arrived = [
            one for one in found if one.board_id == board_id and sight(one) not in before
        ]  # fmt: skip
        item = arrived[0] if arrived else await self._send(kept, mark, board_id, name)
        if not await self._inner.complete(item):
            raise OutcomeUnknown(f"item {item.item_id}: its bytes are not whole yet")
        await asyncio.to_thread(self._kept.note, replace(kept, returned=item.item_id))
        await asyncio.to_thread(self._kept.let_go, kept)
        return item

    async def purge(self, trashed_id: str) -> None:
        kept = await self._require(trashed_id)
        if kept.returned is not None:
            raise ItemMissing(f"{trashed_id}: not in the trash (any more)")
        await asyncio.to_thread(self._kept.forget, kept.key)

    async def _save_replaced(
        self, board_id: BoardId, uploads: Sequence[Upload], saved: list[Kept]
    ) -> dict[int, UploadResult]:
        """Save what uploads replace, as far as it is not saved already.

        saved: what is saved now is added. Returns the answers, by `id`, for those that came too
        late.
        """
        overtaken = {}
        for one in uploads:
            old = one.replaces
            if old is None or old.board_id != board_id or await self._is_saved(one.trash_key):
                continue
            try:
                saved.append(await self._save(old, one.trash_key))
            except (ItemChanged, ItemMissing) as error:
                overtaken[id(one)] = UploadResult(Outcome.CHANGED, error=ItemChanged(str(error)))
        return overtaken

    async def _is_saved(self, key: str) -> bool:
        return await asyncio.to_thread(self._kept.find, key) is not None

    async def _save(self, item: Item, key: str) -> Kept:
        """Save an item's bytes and its mark; when this returns it may be deleted."""
        seen = await self._seen(item)
        mark = (await self._inner.marks(seen.board_id, [seen.item_id], [seen])).get(seen.item_id)
        stream = await asyncio.to_thread(self._kept.create, key, seen.extension)
        try:
            told = await self._inner.download(seen, stream)
        except BaseException as error:
            with contextlib.suppress(OSError):
                stream.close()
            if isinstance(error, OSError):
                raise in_words(error, self._kept.root) from error
            raise
        await asyncio.to_thread(self._kept.finish, stream, key, seen.extension, told.digest)
        if self._inner.capabilities.mutable:
            await self._seen(seen)
        number = await asyncio.to_thread(self._kept.next_number)
        kept = Kept(key, number, seen, mark, told.digest, told.size, told.width, told.height)
        await asyncio.to_thread(self._kept.note, kept)
        return kept

    async def _seen(self, item: Item) -> Item:
        """Describe an item that is still as it was seen. Raises ItemMissing, ItemChanged."""
        found = await self._inner.items(item.board_id, [item.item_id])
        if not found or found[0].trashed:
            raise ItemMissing(f"server {self.name} has no item {item.item_id} on a board")
        if item.version not in ("", found[0].version):
            raise ItemChanged(f"item {item.item_id}: another version is there by now")
        if found[0].board_id != item.board_id:
            raise ItemChanged(f"item {item.item_id}: it is on another board by now")
        return found[0]

    async def _delete(self, kept: Kept) -> None:
        """Delete what was saved, if it is still there as it was."""
        found = await self._inner.items(kept.item.board_id, [kept.item.item_id])
        if not found:
            return
        try:
            _demand_same(kept, found[0])
            await self._inner.delete(found[0])
        except ItemMissing:
            return
        except ItemChanged:
            # Where ids are names, ours may have gone before another item took its name.
            if not self.capabilities.names_kept:
                await self._discard(kept)
                raise

    async def _send(self, kept: Kept, mark: Mark, board_id: BoardId, name: str | None) -> Item:
        item = kept.item
        kind = format_by_extension(f"a{item.extension}") or PNG
        own_name = item.item_id if self.capabilities.names_kept else kept.digest + kind.extension
        upload = Upload(
            name or own_name, await asyncio.to_thread(self._kept.read, kept), kind.media_type, mark,
            category=_category(item), width=kept.width, height=kept.height,
            created_ms=item.created_ms,
        )  # fmt: skip
        [result] = await self._inner.upload(board_id, [upload])
        if result.item is None:
            raise result.error or ServerFault(f"{kept.trashed_id}: no answer to its upload")
        return result.item

    async def _came_back(self, kept: Kept, board_id: BoardId) -> Item:
        found = await self._inner.items(board_id, [str(kept.returned)])
        if not found or found[0].board_id != board_id:
            raise ItemMissing(f"{kept.trashed_id}: not in the trash (any more)")
        return found[0]

    async def _discard(self, kept: Kept) -> None:
        await asyncio.to_thread(self._kept.forget, kept.key)

    async def _find(self, item_id: str) -> Kept | None:
        """Return what lies in the trash under an id."""
        if not _is_ours(item_id):
            return None
        kept = await asyncio.to_thread(self._kept.find, item_id.removeprefix(f"{KEPT}/"))
        return kept if kept is not None and kept.returned is None else None

    async def _require(self, trashed_id: str) -> Kept:
        kept = None
        if _is_ours(trashed_id):
            kept = await asyncio.to_thread(self._kept.find, trashed_id.removeprefix(f"{KEPT}/"))
        if kept is None:
            raise ItemMissing(f"{trashed_id}: not in the trash (any more)")
        return kept

    async def _lying(self) -> list[Kept]:
        return [one for one in await asyncio.to_thread(self._kept.all) if one.returned is None]


def _is_ours(item_id: str) -> bool:
    return item_id.startswith(f"{KEPT}/")


def _refuse(board_id: BoardId) -> None:
    if board_id == KEPT:
        raise BoardMissing(f"board {board_id} is the trash of boardsync, and mirrored by nobody")


def _demand_same(kept: Kept, found: Item) -> None:
    """Raise ItemChanged unless an item is the very one that was saved, where it was."""
    here = (found.board_id, found.version)
    if found.trashed or here != (kept.item.board_id, kept.item.version):
        raise ItemChanged(f"item {found.item_id}: not the one any more that was to be deleted")


def _described(kept: Kept) -> Item:
    return replace(
        kept.item, item_id=kept.trashed_id, board_id=KEPT, size=kept.size, trashed=True
    )  # fmt: skip


def _own_mark(kept: Kept) -> Mark:
    """Return a mark for what had none: after a lost answer it is looked up by it."""
    return Mark(KEPT, token_for(KEPT, kept.digest), kept.digest, kept.digest, "original")


def _category(item: Item) -> Category:
    known = {one.value: one for one in Category}
    return known.get(item.category or "", Category.USER)
