"""Images: finding, describing, fetching and counting them.

Listing goes through names wherever it can: names are cheap, and a set of names does not
shift under the reader as numbered pages do when images arrive.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from boardsync.errors import ItemMissing, ServerFault, ServerRefused
from boardsync.model import Category, Item
from boardsync.servers.invokeai.address import segment
from boardsync.servers.invokeai.batches import chunked, in_parallel
from boardsync.servers.invokeai.features import Feature, Features
from boardsync.servers.invokeai.places import EVERYWHERE, Place
from boardsync.servers.invokeai.records import item_from, names_from
from boardsync.servers.invokeai.transport import Call, Scalar, Transport, get

PAGE: Final = 500
"""Half of what a request may ask for since 6.14; its answer takes some 25 ms to make."""
READERS: Final = 4
FEW_STARS: Final = 50
"""How many starred images are asked for at first; it is asked often, and mostly they are few."""
UNREADABLE: Final = 404
"""The status of the refusal when the server cannot read metadata that it holds."""


@dataclass(frozen=True, slots=True)
class Query:
    """Which images, and in which order: newest first unless said otherwise.

    search: matches metadata and creation time, not names; `%` and `_` are wildcards.
    intermediates: None for both kinds. limit: None for all of them.
    """

    place: Place = EVERYWHERE
    search: str | None = None
    categories: Sequence[Category] = ()
    origin: str | None = None
    intermediates: bool | None = False
    newest_first: bool = True
    stars_first: bool = False
    offset: int = 0
    limit: int | None = 100


NEWEST: Final = Query()


@dataclass(frozen=True, slots=True)
class Page:
    """Some images of a query. total: how many there are without offset and limit."""

    items: tuple[Item, ...]
    total: int


@dataclass(frozen=True, slots=True)
class Workflow:
    """What made an image, as the JSON texts that the server keeps."""

    workflow: str | None
    graph: str | None


class ImageReader:
    """Reads images of one account and changes nothing."""

    def __init__(self, transport: Transport, features: Features) -> None:
        self._transport = transport
        self._features = features

    async def list(self, query: Query = Query()) -> Page:
        """List images as records. More than one page of them is read by names."""
        if query.limit is not None and query.limit <= PAGE:
            return await self._page(query)
        names = await self.names(query)
        end = None if query.limit is None else query.offset + query.limit
        return Page(tuple(await self.records(names[query.offset : end])), len(names))

    async def names(self, query: Query) -> Sequence[str]:
        """List the names of all images of a query; its offset and limit do not count."""
        if self._features.lacks(Feature.NAMES):
            return await self._names_by_pages(query)
        call = replace(get("/images/names", *_filters(query)), optional=True)
        answer = await self._transport.call(call)
        if not answer.lacks_route:
            return names_from(answer.json_object().get("image_names"), answer.request)
        names = await self._names_by_pages(query)
        self._features.note_missing(Feature.NAMES)
        return names

    async def starred(self, place: Place) -> set[str]:
        """Return the names of a place's starred images, intermediates left out.

        Asks for records, stars first, and stops at the first image without one: of a board
        with few stars that is one short page, and every version can do it.
        """
        found: set[str] = set()
        offset, limit = 0, FEW_STARS
        while True:
            page = await self._page(Query(place, stars_first=True, offset=offset, limit=limit))
            starred = [item.item_id for item in page.items if item.starred]
            found.update(starred)
            if len(starred) < limit:
                return found
            offset, limit = offset + limit, PAGE

    async def count(self, query: Query) -> int:
        """Count the images of a query; its offset and limit do not count."""
        return (await self._page(replace(query, offset=0, limit=0))).total

    async def show(self, name: str) -> Item:
        """Describe the image of exactly this name. Raises ItemMissing."""
        if not name or "/" in name:
            raise self.missing(name)
        answer = await self._transport.call(get(f"/images/i/{segment(name)}", missing_ok=True))
        if answer.says_missing:
            raise self.missing(name)
        return item_from(answer.json_object())

    async def records(self, names: Sequence[str]) -> Sequence[Item]:
        """Describe images by exact names, in this order; those that are gone are left out.

        Other accounts' private images are left out as well: `show` tells them apart.
        """
        if self._features.lacks(Feature.RECORDS_BY_NAMES):
            return await self._records_one_by_one(names)
        found: list[Item] = []
        for chunk in chunked(names, PAGE):
            body = {"image_names": list(chunk)}
            call = Call("POST", "/images/images_by_names", json=body, optional=True)
            answer = await self._transport.call(call)
            if answer.lacks_route:
                found = list(await self._records_one_by_one(names))
                self._features.note_missing(Feature.RECORDS_BY_NAMES)
                return found
            found += [item_from(record) for record in answer.json_list()]
        return found

    async def metadata(self, name: str) -> Mapping[str, object] | None:
        """Return an image's metadata, None when it has none.

        Raises ItemMissing, and ServerRefused for metadata that the server itself cannot
        read: it answers 404 for that although the image is there.
        """
        call = get(f"/images/i/{segment(name)}/metadata", missing_ok=True)
        answer = await self._transport.call(call)
        if answer.says_missing:
            await self.show(name)
            message = f"{self._transport.label} cannot read the metadata of {name}"
            raise ServerRefused(message, status=UNREADABLE)
        return None if answer.json() is None else answer.json_object()

    async def workflow(self, name: str) -> Workflow:
        """Return the workflow and the graph that made an image. Raises ItemMissing."""
        call = get(f"/images/i/{segment(name)}/workflow", missing_ok=True)
        answer = await self._transport.call(call)
        if answer.says_missing:
            await self.show(name)
            return Workflow(None, None)
        fields = answer.json_object()
        return Workflow(_text(fields.get("workflow")), _text(fields.get("graph")))

    def missing(self, name: str) -> ItemMissing:
        """Return the error for an image that does not exist."""
        return ItemMissing(f"{self._transport.label} has no image named {name!r}")

    async def _page(self, query: Query) -> Page:
        window: tuple[tuple[str, Scalar], ...] = (
            ("offset", query.offset),
            ("limit", PAGE if query.limit is None else query.limit),
        )
        answer = await self._transport.call(get("/images/", *_filters(query), *window))
        fields = answer.json_object()
        records, total = fields.get("items"), fields.get("total")
        if not isinstance(records, list) or not isinstance(total, int):
            raise ServerFault(f"{answer.request} answered no page of images")
        return Page(tuple(item_from(record) for record in records), total)

    async def _names_by_pages(self, query: Query) -> Sequence[str]:
        """Collect names page by page, each once: pages shift when images arrive meanwhile."""
        names: dict[str, None] = {}
        offset = 0
        while True:
            page = await self._page(replace(query, offset=offset, limit=PAGE))
            names.update(dict.fromkeys(item.item_id for item in page.items))
            offset += PAGE
            if not page.items or offset >= page.total:
                return tuple(names)

    async def _records_one_by_one(self, names: Sequence[str]) -> Sequence[Item]:
        async def record(name: str) -> Item | None:
            try:
                return await self.show(name)
            except ItemMissing:
                return None

        found = await in_parallel(record, names, READERS)
        return [item for item in found if item is not None]


def _filters(query: Query) -> Sequence[tuple[str, Scalar]]:
    filters: list[tuple[str, Scalar]] = [
        ("order_dir", "DESC" if query.newest_first else "ASC"),
        ("starred_first", query.stars_first),
    ]
    if query.place is not EVERYWHERE:
        filters.append(("board_id", query.place or "none"))
    if query.intermediates is not None:
        filters.append(("is_intermediate", query.intermediates))
    if query.origin is not None:
        filters.append(("image_origin", query.origin))
    if query.search:
        filters.append(("search_term", query.search))
    filters += [("categories", category.value) for category in query.categories]
    return filters


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
