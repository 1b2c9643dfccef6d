"""Sending one picture, and finding out what became of it.

A POST is sent once. The server may have stored a picture although its answer was lost,
or although it answered 500; whoever called looks the token up before sending again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from boardsync.errors import (
    BoardMissing,
    BoardsyncError,
    Missing,
    NotAuthorised,
    OutcomeUnknown,
    ServerFault,
    ServerRefused,
)
from boardsync.model import Category, Item
from boardsync.servers.invokeai.address import segment
from boardsync.servers.invokeai.boards import Boards
from boardsync.servers.invokeai.images import ImageReader
from boardsync.servers.invokeai.places import in_words
from boardsync.servers.invokeai.records import item_from
from boardsync.servers.invokeai.transport import Call, Form, Scalar, Transport

REFUSING: Final = frozenset({400, 413, 415, 422})
"""The statuses that judge the picture itself, so that the same bytes need not come again."""


@dataclass(frozen=True, slots=True)
class Picture:
    """What to send. metadata: a JSON text; it replaces what the picture embeds.

    width, height: what the server must say of it afterwards; 0 when not known.
    """

    content: bytes = field(repr=False)
    media_type: str = "image/png"
    category: Category = Category.USER
    intermediate: bool = False
    session_id: str | None = None
    metadata: str | None = field(default=None, repr=False)
    width: int = 0
    height: int = 0


class Uploader:
    """Sends pictures to boards of one account."""

    def __init__(self, transport: Transport, boards: Boards, reader: ImageReader) -> None:
        self._transport = transport
        self._boards = boards
        self._reader = reader

    async def send(self, board_id: str | None, picture: Picture) -> Item:
        """Send a picture to a board, None for Uncategorized, and return its item.

        Certain that nothing is stored: ServerUnreachable, ServerBusy, BoardMissing,
        NotAuthorised, ServerRefused. Everything else that is raised is OutcomeUnknown.
        """
        try:
            answer = await self._transport.call(_call(board_id, picture))
        except ServerRefused as error:
            raise _meaning(error) from error
        except ServerFault as error:
            raise OutcomeUnknown(str(error)) from error
        if answer.says_missing:
            if board_id is not None:
                await self._boards.show(board_id)
            raise OutcomeUnknown(f"{answer.request} answered 404 although the board is there")
        try:
            item = item_from(answer.json_object())
        except ServerFault as error:
            raise OutcomeUnknown(str(error)) from error
        item = await self._on_board(item, board_id)
        return await self._of_size(item, picture)

    async def _on_board(self, item: Item, board_id: str | None) -> Item:
        """See to it that a new image is on the board that was asked for, or gone.

        Up to 6.12 an upload to a missing board succeeds without one, and so it does on
        every version when the board vanishes meanwhile.
        """
        if item.board_id == board_id:
            return item
        if item.board_id is not None or board_id is None:
            raise OutcomeUnknown(
                f"{self._transport.label} put image {item.item_id} into "
                f"{in_words(item.board_id)} instead of {in_words(board_id)}"
            )
        try:
            await self._boards.show(board_id)
            return await self._put(item, board_id)
        except BoardMissing:
            await self._take_back(item)
            raise
        except BoardsyncError as error:
            raise OutcomeUnknown(f"image {item.item_id} is uncategorized: {error}") from error

    async def _put(self, item: Item, board_id: str) -> Item:
        body = {"board_id": board_id, "image_name": item.item_id}
        call = Call("POST", "/board_images/", json=body, writes=True, missing_ok=True)
        if (await self._transport.call(call)).says_missing:
            await self._boards.show(board_id)
        placed = await self._reader.show(item.item_id)
        if placed.board_id != board_id:
            raise ServerFault(f"it did not go to {in_words(board_id)}")
        return placed

    async def _of_size(self, item: Item, picture: Picture) -> Item:
        """Take back an image that the server understood differently than we do."""
        wanted, found = (picture.width, picture.height), (item.width, item.height)
        if 0 in wanted or None in found or wanted == found:
            return item
        await self._take_back(item)
        raise ServerRefused(
            f"{self._transport.label} reads this picture as {found[0]}x{found[1]} pixels instead "
            f"of {wanted[0]}x{wanted[1]}: it was removed again"
        )

    async def _take_back(self, item: Item) -> None:
        """Delete the image that this very call made. Raises OutcomeUnknown unless it is gone."""
        path = f"/images/i/{segment(item.item_id)}"
        try:
            await self._transport.call(Call("DELETE", path, writes=True, missing_ok=True))
            await self._reader.show(item.item_id)
        except Missing:
            return
        except BoardsyncError as error:
            message = f"image {item.item_id} could not be removed again: {error}"
            raise OutcomeUnknown(message) from error
        raise OutcomeUnknown(f"image {item.item_id} could not be removed again")


def _call(board_id: str | None, picture: Picture) -> Call:
    params: list[tuple[str, Scalar]] = [
        ("image_category", picture.category.value),
        ("is_intermediate", picture.intermediate),
    ]
    if board_id is not None:
        params.append(("board_id", board_id))
    if picture.session_id is not None:
        params.append(("session_id", picture.session_id))
    fields = {} if picture.metadata is None else {"metadata": picture.metadata}
    form = Form(picture.content, picture.media_type, fields)
    return Call("POST", "/images/upload", params, form=form, writes=True, missing_ok=True)


def _meaning(error: ServerRefused) -> BoardsyncError:
    """Tell a refused picture from a refused account and from an address that is no API."""
    if error.status in REFUSING:
        return error
    if error.status == 403:
        return NotAuthorised(f"{error}. This account may not add pictures to this board")
    return OutcomeUnknown(str(error))
