"""Changing images by name, many at once, with one truthful result for each.

The server's own lists are not believed: missing and foreign names are silently absent
from them, and 5.x reports names as deleted that never existed. So the images are looked
at afterwards, and what they say then is the result. All of these changes can be repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from boardsync.errors import (
    BoardsyncError,
    ItemMissing,
    NeedsPerson,
    ServerRefused,
    TryAgain,
)
from boardsync.model import Item
from boardsync.servers.invokeai.batches import chunked, in_parallel
from boardsync.servers.invokeai.images import PAGE, READERS, ImageReader
from boardsync.servers.invokeai.naming import checked_place, exact_name
from boardsync.servers.invokeai.places import EVERYWHERE, Place
from boardsync.servers.invokeai.transport import Call, Transport


class Fate(StrEnum):
    """What became of one image."""

    DONE = "done"
    ABSENT = "was not there"
    UNREACHABLE = "unreachable"
    """The server did not answer: whether it happened is not known. Repeat it."""
    REFUSED = "refused"
    """The image is there, as it was."""


@dataclass(frozen=True, slots=True)
class Changed:
    """The result for one name, with the reason when it is not DONE."""

    name: str
    fate: Fate
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """A change of images: how it is asked for, and how an image looks that has it.

    body: added to the names. wanted: None when the image must be gone afterwards.
    """

    path: str
    words: str
    body: Mapping[str, object]
    wanted: Callable[[Item], bool] | None


STAR: Final = Change("/images/star", "starred", {}, lambda item: item.starred)
UNSTAR: Final = Change("/images/unstar", "unstarred", {}, lambda item: not item.starred)
UNCATEGORIZE: Final = Change(
    "/board_images/batch/delete", "made uncategorized", {}, lambda item: item.board_id is None
)
DELETE: Final = Change("/images/delete", "deleted", {}, None)


def move_to(board_id: str) -> Change:
    """Return the change that puts images onto a board: each is on one board at most."""
    return Change(
        "/board_images/batch",
        f"moved to board {board_id}",
        {"board_id": board_id},
        lambda item: item.board_id == board_id,
    )


async def change_images(
    transport: Transport,
    reader: ImageReader,
    change: Change,
    names: Sequence[str],
    place: Place = EVERYWHERE,
) -> Sequence[Changed]:
    """Change images by exact names or stems and tell for each name what became of it.

    place: images that are somewhere else are refused. Raises only what needs a person.
    """
    results: dict[str, Changed] = {}
    for chunk in chunked(list(dict.fromkeys(names)), PAGE):
        results |= await _Batch(transport, reader, change, place).run(chunk)
    return [results[name] for name in dict.fromkeys(names)]


class _Batch:
    """One request's worth of names: look, change, look again."""

    def __init__(
        self, transport: Transport, reader: ImageReader, change: Change, place: Place
    ) -> None:
        self._transport = transport
        self._reader = reader
        self._change = change
        self._place = place

    async def run(self, names: Sequence[str]) -> Mapping[str, Changed]:
        """Return the result for each name, under the name as it was given."""
        exact = {name: exact_name(name) for name in names}
        try:
            before = await self._records(list(exact.values()))
        except TryAgain as error:
            return {name: Changed(name, Fate.UNREACHABLE, str(error)) for name in names}

        async def obstacle(name: str) -> Changed | None:
            return await self._obstacle(name, exact[name], before.get(exact[name]))

        obstacles = await in_parallel(obstacle, names, READERS)
        results = {result.name: result for result in obstacles if result is not None}
        return results | await self._change_present([n for n in names if n not in results])

    async def _obstacle(self, name: str, exact: str, item: Item | None) -> Changed | None:
        """Return the result for an image that is absent or elsewhere, None for any other."""
        try:
            item = item or await self._reader.show(exact)
        except ItemMissing as error:
            return Changed(name, Fate.ABSENT, str(error))
        except TryAgain as error:
            return Changed(name, Fate.UNREACHABLE, str(error))
        except ServerRefused as error:
            return Changed(name, Fate.REFUSED, str(error))
        try:
            checked_place(item, self._place)
        except ItemMissing as error:
            return Changed(name, Fate.REFUSED, str(error))
        return None

    async def _change_present(self, names: Sequence[str]) -> dict[str, Changed]:
        """Change images that were seen, all in one request, and judge each of them."""
        if not names:
            return {}
        exact = {name: exact_name(name) for name in names}
        stored = list(dict.fromkeys(exact.values()))
        failure = await self._ask(stored)
        try:
            after = await self._records(stored)
        except TryAgain as error:
            reason = str(failure or error)
            return {name: Changed(name, Fate.UNREACHABLE, reason) for name in names}

        async def judged(name: str) -> Changed:
            return await self._judged(name, exact[name], after.get(exact[name]), failure)

        return {result.name: result for result in await in_parallel(judged, names, READERS)}

    async def _ask(self, stored: Sequence[str]) -> BoardsyncError | None:
        """Ask the server for the change; return its failure instead of raising it."""
        body = {**self._change.body, "image_names": stored}
        try:
            await self._transport.call(Call("POST", self._change.path, json=body, writes=True))
        except NeedsPerson:
            raise
        except BoardsyncError as error:
            return error
        return None

    async def _judged(
        self, name: str, exact: str, item: Item | None, failure: BoardsyncError | None
    ) -> Changed:
        """Tell what became of an image from how it looks now."""
        try:
            item = item or await self._reader.show(exact)
        except ItemMissing as error:
            gone = Fate.DONE if self._change.wanted is None else Fate.ABSENT
            return Changed(name, gone, "" if gone is Fate.DONE else str(error))
        except TryAgain as error:
            return Changed(name, Fate.UNREACHABLE, str(error))
        except ServerRefused as error:
            return Changed(name, Fate.REFUSED, str(error))
        if self._change.wanted is not None and self._change.wanted(item):
            return Changed(name, Fate.DONE)
        reason = str(failure or f"the server left image {exact} as it was")
        fate = Fate.UNREACHABLE if isinstance(failure, TryAgain) else Fate.REFUSED
        return Changed(name, fate, f"not {self._change.words}: {reason}")

    async def _records(self, names: Sequence[str]) -> Mapping[str, Item]:
        return {item.item_id: item for item in await self._reader.records(names)}
