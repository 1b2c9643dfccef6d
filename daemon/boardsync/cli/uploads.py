"""Sending pictures: each is checked and prepared as a mirror does it, and has its own result."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from boardsync.cli.choosing import board_id_of
from boardsync.cli.output import printable
from boardsync.cli.shown import image_record
from boardsync.cli.sources import Source
from boardsync.cli.steps import Steps
from boardsync.engine.parcel import prepare_checked, require_whole
from boardsync.engine.preparing import needs_of
from boardsync.errors import BoardsyncError, OutcomeUnknown, PictureRefused, Refused
from boardsync.model import Category, Item
from boardsync.picture.asked import AS_IT_IS, Asked
from boardsync.picture.decode import Limits
from boardsync.picture.prepare import Prepared
from boardsync.servers.invokeai import InvokeAIClient
from boardsync.servers.invokeai.server import CAPABILITIES
from boardsync.servers.invokeai.upload import Picture

LIMITS: Final = Limits(max_pixels=CAPABILITIES.max_pixels or Limits().max_pixels)
NAME_KEY: Final = "boardsync_name"
"""Where the metadata of an image keeps the name that it came with."""


class Arrival(StrEnum):
    """What became of one file."""

    UPLOADED = "uploaded"
    REFUSED = "refused"
    """It will not be taken as it is, here or by the server."""
    UNKNOWN = "unknown"
    """The answer was lost, so it may be on the server: look before it is sent again."""
    FAILED = "failed"
    """Nothing was stored; it can be sent again."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How pictures are sent. metadata is united with what a picture embeds of InvokeAI's own.

    asked: how they are prepared, besides what the server needs.
    """

    category: Category = Category.USER
    intermediate: bool = False
    session_id: str | None = None
    metadata: Mapping[str, object] | None = None
    asked: Asked = AS_IT_IS


@dataclass(frozen=True, slots=True)
class Sent:
    """The result for one path. recipe: how the picture was prepared for the server.

    name: the one that was kept in its metadata, for what is no file.
    """

    path: str
    arrival: Arrival
    image: Item | None = None
    recipe: str | None = None
    reason: str | None = None
    name: str | None = None

    def record(self) -> dict[str, Any]:
        """Return this for JSON."""
        told: dict[str, Any] = {"path": os.fsencode(self.path), "outcome": self.arrival.value}
        if self.image is not None:
            told |= {"image": image_record(self.image), "recipe": self.recipe}
        if self.name is not None:
            told["name"] = self.name
        return told if self.reason is None else told | {"reason": self.reason}

    def words(self) -> str:
        """Return this for people."""
        more = f": {self.reason}" if self.image is None else f" as {self.image.item_id}"
        return printable(f"{self.path}: {self.arrival.value}{more}")


async def send_all(
    client: InvokeAIClient, board: str | None, sources: Sequence[Source], manner: Manner
) -> Sequence[Sent]:
    """Send pictures one after the other, so that the server lists them in their order.

    board: by id or name, None for Uncategorized. Raises BoardMissing or Ambiguous before
    anything is sent; what goes wrong with one afterwards is in its result.
    """
    board_id = None if board is None else await board_id_of(client, board)
    results = []
    with Steps(len(sources), "uploading", bar=len(sources) > 1, lines=False) as steps:
        for source in sources:
            results.append(await _send(client, board_id, source, manner))
            steps.done(results[-1].words())
    return results


async def _send(
    client: InvokeAIClient, board_id: str | None, source: Source, manner: Manner
) -> Sent:
    try:
        given = await source.read()
        prepared = await asyncio.to_thread(_prepared, given.content, manner.asked)
        picture = Picture(
            prepared.content,
            prepared.media_type,
            category=manner.category,
            intermediate=manner.intermediate,
            session_id=manner.session_id,
            width=prepared.width,
            height=prepared.height,
        )
        metadata = _metadata(given.name, manner.metadata)
        image = await client.images.upload(board_id, picture, metadata)
    except BoardsyncError as error:
        return Sent(source.path, _arrival(error), reason=str(error))
    return Sent(source.path, Arrival.UPLOADED, image, prepared.recipe, name=given.name)


def _metadata(name: str | None, asked: Mapping[str, object] | None) -> Mapping[str, object] | None:
    """Return what is united with a picture's own metadata: InvokeAI discards names of files."""
    return asked if name is None else {NAME_KEY: name, **(asked or {})}


def _prepared(content: bytes, asked: Asked) -> Prepared:
    """Check and prepare one picture. Raises PictureRefused."""
    if len(content) > LIMITS.max_bytes:
        raise PictureRefused(f"larger than {LIMITS.max_bytes} bytes")
    require_whole(content)
    return prepare_checked(content, needs_of(CAPABILITIES), LIMITS, asked)


def _arrival(error: BoardsyncError) -> Arrival:
    if isinstance(error, OutcomeUnknown):
        return Arrival.UNKNOWN
    return Arrival.REFUSED if isinstance(error, Refused) else Arrival.FAILED
