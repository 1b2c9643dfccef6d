"""Moving one image between boards, to the trash and back, and deleting what lies in the trash.

An image keeps its name, its metadata and so its mark wherever it is. Every answer is compared
with what was asked, and then the image is looked at: up to 6.13 the server skips what it cannot
or may not move without a word. All of it can be repeated.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from boardsync.errors import (
    BoardMissing,
    ItemChanged,
    ItemMissing,
    OutcomeUnknown,
    ServerRefused,
    TryAgain,
)
from boardsync.model import Item
from boardsync.servers.invokeai.address import segment
from boardsync.servers.invokeai.boards import Boards
from boardsync.servers.invokeai.images import ImageReader
from boardsync.servers.invokeai.places import in_words
from boardsync.servers.invokeai.transport import Call, Transport
from boardsync.servers.invokeai.trash import NAME, TrashBoard

_MOVED: Final = ("added_images", "added_image_names", "removed_images", "removed_image_names")
"""Where answers name the images that were moved; the second of each up to 5.15."""


class Moves:
    """Moves images of one account, one at a time."""

    def __init__(
        self, transport: Transport, boards: Boards, reader: ImageReader, trash: TrashBoard
    ) -> None:
        self._transport = transport
        self._boards = boards
        self._reader = reader
        self._trash = trash

    async def move(self, item: Item, board_id: str | None) -> Item:
        """Put an image on a board. See `Server.move`."""
        self._trash.refuse(board_id)
        seen = await self._reader.show(item.item_id)
        if seen.board_id == board_id:
            return seen
        await self._require_place(item, seen)
        return await self._put(item.item_id, board_id)

    async def trash(self, item: Item) -> str:
        """Put an image on the trash board. See `Server.trash`."""
        seen = await self._reader.show(item.item_id)
        if await self._trash.holds(seen.board_id):
            return seen.item_id
        await self._require_place(item, seen)
        try:
            await self._put(item.item_id, await self._trash.home())
        except BoardMissing:
            # Somebody deleted the trash since it was last seen.
            self._trash.forget()
            await self._put(item.item_id, await self._trash.home())
        return item.item_id

    async def untrash(self, name: str, board_id: str | None) -> Item:
        """Put an image from the trash on a board. See `Server.untrash`."""
        self._trash.refuse(board_id)
        seen = await self._reader.show(name)
        if seen.board_id == board_id:
            return seen
        if not await self._trash.holds(seen.board_id):
            raise ItemMissing(f"image {name} is not in the trash: {in_words(seen.board_id)} has it")
        return await self._put(name, board_id)

    async def purge(self, name: str) -> None:
        """Delete an image for good, if it is on the trash board at this moment.

        Raises ItemMissing, ServerRefused when it is anywhere else or the server keeps it.
        """
        seen = await self._reader.show(name)
        if not await self._is_trash_now(seen.board_id):
            raise ServerRefused(
                f"image {name} is in {in_words(seen.board_id)}, not in the trash: it is kept"
            )
        lost = await self._delete(name)
        try:
            await self._reader.show(name)
        except ItemMissing:
            return
        except TryAgain as error:
            raise OutcomeUnknown(
                f"image {name}: whether it was deleted is open: {error}"
            ) from error
        raise lost or ServerRefused(f"{self._transport.label} did not delete image {name}")

    async def _is_trash_now(self, board_id: str | None) -> bool:
        """Ask whether a board is the trash, believing nothing that was seen before."""
        if board_id is None:
            return False
        try:
            return (await self._boards.show(board_id)).name == NAME
        except BoardMissing:
            return False

    async def _require_place(self, item: Item, seen: Item) -> None:
        """See that an image is on the board where it was when this was decided."""
        if await self._trash.holds(seen.board_id):
            raise ItemMissing(f"image {item.item_id} is in the trash, so it is on no board")
        if seen.board_id == item.board_id:
            return
        raise ItemChanged(
            f"image {item.item_id} was moved from {in_words(item.board_id)} to "
            f"{in_words(seen.board_id)} meanwhile"
        )

    async def _put(self, name: str, board_id: str | None) -> Item:
        """Move an image, and see that it arrived."""
        answer = await self._asked(name, board_id)
        try:
            seen = await self._reader.show(name)
        except TryAgain as error:
            raise OutcomeUnknown(f"image {name}: whether it was moved is open: {error}") from error
        if seen.board_id == board_id:
            return seen
        if board_id is not None:
            await self._boards.show(board_id)
        where = f"image {name} is in {in_words(seen.board_id)}, not in {in_words(board_id)}"
        if isinstance(answer, OutcomeUnknown):
            raise OutcomeUnknown(f"{where}: {answer}") from answer
        if name in _listed(answer, _MOVED):
            raise ItemChanged(f"{where}: somebody moved it on")
        if name in _listed(answer, ("failed_images",)):
            raise OutcomeUnknown(f"{where}: {self._transport.label} failed to move it")
        raise ServerRefused(
            f"{where}: {self._transport.label} left it there; this account may not move it"
        )

    async def _asked(
        self, name: str, board_id: str | None
    ) -> Mapping[str, object] | OutcomeUnknown:
        """Ask for a move once; return the answer, or that it was lost."""
        body: dict[str, object] = {"image_names": [name]}
        path = "/board_images/batch/delete"
        if board_id is not None:
            path = "/board_images/batch"
            body["board_id"] = board_id
        call = Call("POST", path, json=body, writes=True, missing_ok=board_id is not None)
        try:
            answer = await self._transport.call(call)
        except OutcomeUnknown as lost:
            return lost
        return {} if answer.says_missing else answer.json_object()

    async def _delete(self, name: str) -> OutcomeUnknown | None:
        """Ask for a deletion once; return whether the answer was lost."""
        path = f"/images/i/{segment(name)}"
        try:
            await self._transport.call(Call("DELETE", path, writes=True, missing_ok=True))
        except OutcomeUnknown as lost:
            return lost
        return None


def _listed(answer: Mapping[str, object], keys: tuple[str, ...]) -> set[object]:
    lists = (answer.get(key) for key in keys)
    return {name for listed in lists if isinstance(listed, list) for name in listed}
