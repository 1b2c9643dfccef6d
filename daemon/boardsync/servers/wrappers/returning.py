"""The way back out of the trash on this machine: a picture is sent anew, exactly once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from io import BytesIO
from typing import Final

from boardsync.errors import ItemMissing, OutcomeUnknown, ServerFault
from boardsync.formats import PNG, format_by_extension
from boardsync.model import Category, Item, Mark, Upload
from boardsync.plan.tokens import token_for
from boardsync.servers.port import BoardId, Server
from boardsync.servers.wrappers.kept import KEPT, Kept, KeptPictures, identity

LOOK_AGAIN_SECONDS: Final = 3.0
"""After a lost answer, what is not found this long after it was not found is sent again."""
GHOST_SECONDS: Final = 60.0
"""How long what came back may take until its bytes are whole on the server."""


class Returning:
    """Sends pictures back to one server. inner: the server, without its trash."""

    def __init__(self, inner: Server, kept: KeptPictures) -> None:
        self._inner = inner
        self._kept = kept
        self._since: dict[tuple[str, bool], float] = {}

    async def bring_back(self, kept: Kept, board_id: BoardId, name: str | None) -> Item:
        """Send a picture, or find what was sent before. Raises as `Server.untrash` does."""
        if kept.returned is not None:
            return await self._came_back(kept, board_id)
        mark = kept.mark or _own_mark(kept)
        found = await self._inner.find(mark.token)
        item = None
        if kept.returning is None:
            kept = replace(kept, returning=tuple(identity(one) for one in found))
            await asyncio.to_thread(self._kept.write, kept)
        else:
            item = await self._arrived(kept, mark, board_id, found)
        item = item or await self._send(kept, mark, board_id, name)
        if not await self._inner.complete(item):
            raise OutcomeUnknown(f"item {item.item_id}: its bytes are not whole yet")
        await asyncio.to_thread(self._kept.write, replace(kept, returned=identity(item)))
        await asyncio.to_thread(self._kept.drop_picture, kept)
        self._looked_for(kept)
        return item

    async def _arrived(
        self, kept: Kept, mark: Mark, board_id: BoardId, found: Sequence[Item]
    ) -> Item | None:
        """Find what was sent before its answer was lost; None when it is to be sent again.

        Raises OutcomeUnknown while that is not certain.
        """
        by_name = self._inner.capabilities.names_kept
        before = set(kept.returning or ())
        ids_before = {one.split("\n")[1] for one in before}
        new = [
            one for one in found
            if one.board_id == board_id
            and (identity(one) not in before if by_name else one.item_id not in ids_before)
        ]  # fmt: skip
        for one in new:
            if await self._inner.complete(one) and await self._shows(one, kept, mark):
                return one
        now = asyncio.get_running_loop().time()
        since = self._since.setdefault((kept.key, bool(new)), now)
        if now - since < (GHOST_SECONDS if new else LOOK_AGAIN_SECONDS):
            raise OutcomeUnknown(f"{kept.trashed_id}: it was sent, and is looked for again soon")
        for one in new:
            if not await self._inner.complete(one):
                await self._inner.delete_ghost(one)
        self._looked_for(kept)
        return None

    def _looked_for(self, kept: Kept) -> None:
        for found in (False, True):
            self._since.pop((kept.key, found), None)

    async def _shows(self, item: Item, kept: Kept, mark: Mark) -> bool:
        """Tell whether an item is the picture that was sent back."""
        told = await self._inner.marks(item.board_id, [item.item_id], [item])
        if told.get(item.item_id) != mark:
            return False
        if self._inner.capabilities.reencodes:
            return True
        return (await self._inner.download(item, BytesIO())).digest == kept.digest

    async def _send(self, kept: Kept, mark: Mark, board_id: BoardId, name: str | None) -> Item:
        item = kept.item
        kind = format_by_extension(f"a{item.extension}") or PNG
        own_name = (
            item.item_id if self._inner.capabilities.names_kept else kept.digest + kind.extension
        )
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
        await asyncio.to_thread(self._kept.drop_picture, kept)
        item_id = str(kept.returned).split("\n")[1]
        for found in await self._inner.items(board_id, [item_id]):
            if identity(found) == kept.returned:
                return found
        raise ItemMissing(f"{kept.trashed_id}: not in the trash (any more)")


def _own_mark(kept: Kept) -> Mark:
    """Return a mark for what had none: after a lost answer it is looked up by it."""
    return Mark(KEPT, token_for(KEPT, kept.digest), kept.digest, kept.digest, "original")


def _category(item: Item) -> Category:
    known = {one.value: one for one in Category}
    return known.get(item.category or "", Category.USER)
