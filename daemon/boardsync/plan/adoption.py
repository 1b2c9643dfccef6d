"""Which items of a board may be the pictures of which files, and which of them are.

For boards that were filled by hand or by another tool: no mark says what an item is. What can
be told cheaply (its shape) makes candidates; what is proven (its look: a digest of its pixels,
or of its bytes) makes pairs.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from boardsync.plan.cases import PARTED, FileCase

Shape = tuple[int, ...]
"""Width and height; or, where bytes are kept, their number."""


@dataclass(frozen=True, slots=True)
class Picture:
    """What is to have one item of its own: files of one content. paths: in order, of one board."""

    digest: str
    paths: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Measured:
    """A picture, and every shape in which the server may show it."""

    picture: Picture
    shapes: frozenset[Shape]


@dataclass(frozen=True, slots=True)
class Candidate:
    """An item that nothing is linked to, and that carries no mark."""

    item_id: str
    version: str
    shape: Shape
    size: int | None = None


@dataclass(slots=True)
class Group:
    """Pictures and items that may be the same: nothing outside of it comes into question."""

    pictures: list[Picture] = field(default_factory=list)
    items: list[Candidate] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Claim:
    """Whose look an item has. fresh: the picture had no item yet; otherwise it is one too many."""

    picture: Picture
    fresh: bool


def is_adoptable(case: FileCase, *, one_item: bool) -> bool:
    """Tell whether a file is still without any item that could be known as its own.

    What is known already is linked by the next pass, or left alone on purpose.
    """
    if case.of_path or case.own or case.origin is not None or case.trashed is not None:
        return False
    if any(known.state in PARTED for known in case.of_digest):
        return False
    return not (one_item and any(known.item_there for known in case.of_digest))


def pictures_of(files: Iterable[tuple[bytes, str]], *, one_item: bool) -> list[Picture]:
    """Gather the files (path, digest) of one board into pictures, in order of their paths.

    one_item: files of one content share an item; otherwise each has its own.
    """
    if not one_item:
        return [Picture(digest, (path,)) for path, digest in sorted(files)]
    paths: defaultdict[str, list[bytes]] = defaultdict(list)
    for path, digest in sorted(files):
        paths[digest].append(path)
    return [Picture(digest, tuple(found)) for digest, found in paths.items()]


def grouped(pictures: Iterable[Measured], items: Iterable[Candidate]) -> list[Group]:
    """Put together what may be the same. Items keep their order.

    Groups without an item, or without a picture, are left out. A picture and its shape on its
    side are in one group, so that each picture is in one only.
    """
    groups: defaultdict[Shape, Group] = defaultdict(Group)
    wanted: set[Shape] = set()
    for one in pictures:
        groups[_either_way(next(iter(one.shapes)))].pictures.append(one.picture)
        wanted |= one.shapes
    for item in items:
        if item.shape in wanted:
            groups[_either_way(item.shape)].items.append(item)
    return [group for group in groups.values() if group.items]


def _either_way(shape: Shape) -> Shape:
    return tuple(sorted(shape))


class Pairing:
    """Pairs the items of one group, as their looks are seen, with the pictures that have them."""

    def __init__(self) -> None:
        self._by_look: defaultdict[str, list[int]] = defaultdict(list)
        self._pictures: list[Picture] = []
        self._paired: set[int] = set()

    def expect(self, picture: Picture, looks: Iterable[str]) -> None:
        """Add a picture, and every look under which it may be on the board."""
        self._pictures.append(picture)
        for look in set(looks):
            self._by_look[look].append(len(self._pictures) - 1)

    def claim(self, look: str) -> Claim | None:
        """Return whose item this is: of several equal pictures the first without one.

        None: nobody's. Give the oldest item first: it is the one that is kept.
        """
        alike = self._by_look.get(look)
        if not alike:
            return None
        free = next((one for one in alike if one not in self._paired), None)
        if free is None:
            return Claim(self._pictures[alike[0]], fresh=False)
        self._paired.add(free)
        return Claim(self._pictures[free], fresh=True)
