"""A trash for servers that only delete for good: the bytes are saved here, and verified, first.

What comes back is sent anew, with its mark: the same picture, as another item.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import replace
from typing import BinaryIO
from weakref import WeakValueDictionary

from boardsync.errors import (
    BoardMissing,
    BoardsyncError,
    ItemChanged,
    ItemMissing,
    Refused,
    ServerRefused,
    TryAgain,
)
from boardsync.model import (
    Board,
    Capabilities,
    Download,
    Item,
    Listing,
    Mark,
    Outcome,
    Upload,
    UploadResult,
)
from boardsync.servers.port import BoardId, Server
from boardsync.servers.wrappers.kept import KEPT, Kept, KeptPictures, identity, in_words
from boardsync.servers.wrappers.returning import Returning
from boardsync.servers.wrappers.wrapper import Wrapper


class Keeping(Wrapper):
    """A server without a trash, with one on this machine."""

    def __init__(self, inner: Server, kept: KeptPictures) -> None:
        super().__init__(inner)
        self._kept = kept
        self._returning = Returning(inner, kept)
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @property
    def capabilities(self) -> Capabilities:
        return replace(self._inner.capabilities, trash=True, deletes=False)

    async def board(self, board_id: BoardId) -> Board:
        _refuse(board_id)
        return await super().board(board_id)

    async def listing(self, board_id: BoardId, known: str | None = None) -> Listing:
        _refuse(board_id)
        return await super().listing(board_id, known)

    async def items(self, board_id: BoardId, item_ids: Sequence[str]) -> list[Item]:
        """Describe items; those in the trash whatever the board."""
        lying = [found for one in item_ids if (found := await self.in_trash(one)) is not None]
        known = {one.item_id for one in lying}
        others = [one for one in item_ids if one not in known]
        return lying + (await super().items(board_id, others) if others else [])

    async def marks(
        self, board_id: BoardId, item_ids: Sequence[str], described: Sequence[Item] = ()
    ) -> dict[str, Mark | None]:
        """Read marks; those in the trash only when it is named as the board.

        What had no mark when it was removed has none when it is back, whatever it carries.
        """
        if board_id == KEPT:
            lying = {one.trashed_id: one.mark for one in await self._in_trash()}
            return {one: lying[one] for one in item_ids if one in lying}
        others = [one for one in item_ids if await self._find(one) is None]
        told = await super().marks(board_id, others, described) if others else {}
        return {one: None if mark and mark.mirror == KEPT else mark for one, mark in told.items()}

    async def find(self, token: str) -> list[Item]:
        found = await super().find(token)
        alive = {identity(one) for one in found}  # saved, and not deleted after all
        lying = [
            _described(one) for one in await self._in_trash()
            if one.mark is not None and one.mark.token == token and identity(one.item) not in alive
        ]  # fmt: skip
        return found + lying

    async def download(self, item: Item, sink: BinaryIO) -> Download:
        kept = await self._find(item.item_id)
        if kept is None:
            return await super().download(item, sink)
        sink.write(await asyncio.to_thread(self._kept.read, kept))
        return Download(kept.digest, kept.size, kept.width, kept.height, kept.item.extension)

    async def complete(self, item: Item, *, glance: bool = False) -> bool:
        kept = await self._find(item.item_id)
        if kept is not None:
            return await asyncio.to_thread(self._kept.intact, kept)
        return await super().complete(item, glance=glance)

    async def move(self, item: Item, board_id: BoardId, name: str | None = None) -> Item:
        if await self._find(item.item_id) is not None:
            raise ItemMissing(f"{item.item_id}: in the trash, on no board")
        return await super().move(item, board_id, name)

    async def delete(self, item: Item) -> None:
        """Refuse: there is a trash now."""
        raise ServerRefused(f"{item.item_id}: is put into the trash first, then purged")

    async def upload(self, board_id: BoardId, uploads: Sequence[Upload]) -> list[UploadResult]:
        """Send a batch; what one of them replaces is saved first, or that one is not sent."""
        _refuse(board_id)
        saved: list[Kept] = []
        try:
            told = await self._save_replaced(board_id, uploads, saved)
            sent = [one for one in uploads if id(one) not in told]
            answers = await super().upload(board_id, sent) if sent else []
        except BoardsyncError:  # nothing was sent or stored, so nothing was replaced
            for kept in saved:
                await self._forget(kept)
            raise
        told |= dict(zip(map(id, sent), answers, strict=True))
        failed = {
            one.trash_key for one in uploads
            if told[id(one)].outcome in (Outcome.REFUSED, Outcome.CHANGED)
        }  # fmt: skip
        for kept in saved:
            if kept.key in failed:
                await self._forget(kept)
        return [told[id(one)] for one in uploads]

    async def trash(self, item: Item, key: str) -> str:
        """Save an item and delete it. A repeat goes on where it stood."""
        if await self._find(item.item_id) is not None:
            return item.item_id
        async with self._alone(key):
            kept = await self._saved(key) or await self._save(item, key)
            return kept.trashed_id if kept.replaced else (await self._delete(kept)).trashed_id

    async def in_trash(self, trashed_id: str) -> Item | None:
        kept = await self._find(trashed_id)
        return None if kept is None else _described(kept)

    async def untrash(self, trashed_id: str, board_id: BoardId, name: str | None = None) -> Item:
        """Send a picture anew. A repeat looks first whether it has arrived."""
        async with self._alone(_key(trashed_id)):
            kept = await self._require(trashed_id)
            return await self._returning.bring_back(kept, board_id, name)

    async def purge(self, trashed_id: str) -> None:
        async with self._alone(_key(trashed_id)):
            kept = await self._require(trashed_id)
            if kept.returned is not None:
                raise ItemMissing(f"{trashed_id}: not in the trash (any more)")
            await self._forget(kept)

    async def _save_replaced(
        self, board_id: BoardId, uploads: Sequence[Upload], saved: list[Kept]
    ) -> dict[int, UploadResult]:
        """Save what uploads replace, as far as it is not saved already.

        saved: what is saved now is added. Returns the answers, by `id`, for those that are not
        to be sent.
        """
        told = {}
        for one in uploads:
            old = one.replaces
            if old is None or old.board_id != board_id:
                continue
            try:
                if await self._saved(one.trash_key) is None:
                    saved.append(await self._save(old, one.trash_key, replaced=True))
            except (ItemChanged, ItemMissing) as error:
                told[id(one)] = UploadResult(Outcome.CHANGED, error=ItemChanged(str(error)))
            except Refused as error:
                told[id(one)] = UploadResult(Outcome.REFUSED, error=error)
            except TryAgain as error:
                told[id(one)] = UploadResult(Outcome.UNKNOWN, error=error)
        return told

    async def _saved(self, key: str) -> Kept | None:
        """Return what was saved under a key and lies here in its own bytes.

        What does not is nothing that a deletion may rest on: as long as its item is there, it is
        saved again.
        """
        kept = await asyncio.to_thread(self._kept.get, key)
        if kept is None or kept.returned is not None:
            return None
        if await asyncio.to_thread(self._kept.intact, kept):
            return kept
        there = await self._inner.items(kept.item.board_id, [kept.item.item_id])
        return kept if kept.deleting and not there else None

    async def _save(self, item: Item, key: str, *, replaced: bool = False) -> Kept:
        """Save an item's bytes and its mark; when this returns it may be deleted."""
        seen = await self._seen(item)
        mark = (await self.marks(seen.board_id, [seen.item_id], [seen])).get(seen.item_id)
        try:
            told = await self._fetch(seen, key)
            if self._inner.capabilities.mutable:
                await self._seen(seen)
        except BaseException:
            await asyncio.to_thread(self._kept.abandon, key)
            raise
        before = await asyncio.to_thread(self._kept.get, key)
        number = await asyncio.to_thread(self._kept.next_number)
        kept = Kept(
            key, number, seen, mark, told.digest, told.size, told.width, told.height, replaced,
            deleting=before is not None and before.returned is None and before.deleting,
        )  # fmt: skip
        await asyncio.to_thread(self._kept.write, kept)
        return kept

    async def _fetch(self, item: Item, key: str) -> Download:
        stream = await asyncio.to_thread(self._kept.create, key)
        try:
            told = await self._inner.download(item, stream)
            await asyncio.to_thread(
                self._kept.finish, stream, key, item.extension, told.digest
            )  # fmt: skip
        except OSError as error:
            raise in_words(error, self._kept.root) from error
        finally:
            with contextlib.suppress(OSError):
                stream.close()
        return told

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

    async def _delete(self, kept: Kept) -> Kept:
        """Delete what was saved, if it is still there as it was; return what is known of it now.

        Once a deletion was sent it may come true at any time: nothing that was saved goes then.
        """
        try:
            seen = await self._seen(kept.item)
        except (ItemMissing, ItemChanged) as error:
            if not kept.deleting:
                await self._forget(kept)
                raise
            # Where ids are names, ours has gone before another item took its name.
            if isinstance(error, ItemMissing) or self.capabilities.names_kept:
                return kept
            raise
        kept = replace(kept, deleting=True)
        await asyncio.to_thread(self._kept.write, kept)
        with contextlib.suppress(ItemMissing):
            await self._inner.delete(seen)
        return kept

    async def _forget(self, kept: Kept) -> None:
        await asyncio.to_thread(self._kept.forget, kept)

    def _alone(self, key: str) -> asyncio.Lock:
        """Return what lets one at a time do something about a key."""
        return self._locks.setdefault(key, asyncio.Lock())

    async def _find(self, item_id: str) -> Kept | None:
        """Return what lies in the trash under an id."""
        if not item_id.startswith(f"{KEPT}/"):
            return None
        kept = await asyncio.to_thread(self._kept.get_saved, _key(item_id))
        return kept if kept is not None and kept.returned is None else None

    async def _require(self, trashed_id: str) -> Kept:
        """Return what is known under an id, of what came back, too. Raises ItemMissing."""
        kept = None
        if trashed_id.startswith(f"{KEPT}/"):
            kept = await asyncio.to_thread(self._kept.get_saved, _key(trashed_id))
        if kept is None:
            raise ItemMissing(f"{trashed_id}: not in the trash (any more)")
        return kept

    async def _in_trash(self) -> list[Kept]:
        return [one for one in await asyncio.to_thread(self._kept.all) if one.returned is None]


def _key(trashed_id: str) -> str:
    return trashed_id.removeprefix(f"{KEPT}/")


def _refuse(board_id: BoardId) -> None:
    if board_id == KEPT:
        raise BoardMissing(f"board {board_id} is the trash of boardsync, and mirrored by nobody")


def _described(kept: Kept) -> Item:
    return replace(
        kept.item, item_id=kept.trashed_id, board_id=KEPT, size=kept.size, trashed=True
    )  # fmt: skip
