"""From what a person typed to one image: exactly, by stem, or by a unique beginning."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from boardsync.errors import Ambiguous, ItemMissing
from boardsync.model import Item
from boardsync.servers.invokeai.images import ImageReader, Query
from boardsync.servers.invokeai.places import EVERYWHERE, Place, in_words

EXTENSION: Final = ".png"
MOST_CANDIDATES: Final = 20


def exact_name(text: str) -> str:
    """Return the server's name for a name or its stem: all its names end in `.png`."""
    return text if text.lower().endswith(EXTENSION) else text + EXTENSION


async def resolve_image(
    reader: ImageReader, text: str, place: Place = EVERYWHERE, *, prefix: bool = True
) -> Item:
    """Find the image that a person means.

    The exact name goes first, then the name by its stem, then, when `prefix` allows, the
    only name that begins so, among the images of `place`. Raises ItemMissing, also for an
    image that is not in `place`, or Ambiguous with the candidates.
    """
    for name in dict.fromkeys((text, exact_name(text), exact_name(_stem(text)))):
        try:
            item = await reader.show(name)
        except ItemMissing:
            continue
        return checked_place(item, place)
    if not prefix or not _stem(text):
        raise reader.missing(text)
    names = await reader.names(Query(place, intermediates=None))
    found = [name for name in names if name.startswith(_stem(text))]
    if len(found) > 1:
        raise _ambiguous(text, place, found)
    if not found:
        raise ItemMissing(f"no image of {in_words(place)} has a name that begins with {text!r}")
    return checked_place(await reader.show(found[0]), place)


def checked_place(item: Item, place: Place) -> Item:
    """Return the item. Raises ItemMissing when it is not in `place`."""
    if place is EVERYWHERE or item.board_id == place:
        return item
    raise ItemMissing(
        f"image {item.item_id} is not in {in_words(place)}: it is in {in_words(item.board_id)}"
    )


def _stem(text: str) -> str:
    """Return a name without its extension, whichever it is: files are often not PNG."""
    stem, dot, _ = text.rpartition(".")
    return stem if dot else text


def _ambiguous(text: str, place: Place, found: Sequence[str]) -> Ambiguous:
    shown = [*sorted(found)[:MOST_CANDIDATES]]
    if len(found) > len(shown):
        shown.append(f"and {len(found) - len(shown)} more")
    return Ambiguous(
        f"{len(found)} images of {in_words(place)} have names that begin with {text!r}: "
        "give more of the name",
        shown,
    )
