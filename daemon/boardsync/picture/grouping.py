"""Groups pictures whose seeds follow one another: what a generator made in one go.

Pure: names and seeds in, groups out. It must not know files or how generation data is read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from boardsync.formats import format_by_extension
from boardsync.picture.generation.record import Told

_ID_AND_SEED: Final = re.compile(r"([0-9]{1,100})-([0-9]{1,100})\Z")

IN_NAME: Final = "name"
"""The source of a seed that the picture's name tells."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture as far as grouping is concerned. None is what is not told.

    name: without its directory. source: where the seed was read, `IN_NAME` or a place in the
    generation data. other: the seed of the generation data where it is not that of the name.
    error: why the generation data could not be read; try_again: whether it may be later.
    """

    name: str
    id: int | None = None
    seed: int | None = None
    source: str | None = None
    other: Told[int] | None = None
    error: str | None = None
    try_again: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """Pictures of one directory whose seeds follow one another, or one that stands alone.

    number: counts from 1 in each directory. directory: relative to the folder that was asked
    for, empty for the folder itself. pictures: at least one.
    """

    directory: str
    number: int
    pictures: tuple[Picture, ...]

    @property
    def id(self) -> int | None:
        """The first picture's id."""
        return self.pictures[0].id

    @property
    def first_seed(self) -> int | None:
        """The first picture's seed: the lowest. None stands for a picture without one."""
        return self.pictures[0].seed

    @property
    def last_seed(self) -> int | None:
        """The last picture's seed: the highest."""
        return self.pictures[-1].seed


def id_and_seed(name: str) -> tuple[int, int] | tuple[None, None]:
    """Return id and seed of a picture named `{id}-{seed}.ext`; twice None for any other name.

    name: without its directory.
    """
    found = _ID_AND_SEED.match(name.rpartition(".")[0])
    if found is None or format_by_extension(name) is None:
        return None, None
    return int(found[1]), int(found[2])


def in_order(names: Iterable[str]) -> list[Picture]:
    """Return the pictures of one directory in the order in which they are grouped.

    That is by numeric id, then by name; those without an id come last, by name. The order rests
    on names alone, so that generation data can be read on the way, one picture at a time.
    """
    pictures = [_named(name) for name in names]
    pictures.sort(key=_place)
    return pictures


def grouped(pictures: Iterable[Picture], directory: str = "") -> Iterator[Group]:
    """Group the pictures of one directory, which come in order.

    A group goes on while a seed is the one before it plus one. Ids are running numbers: what is
    missing among them splits nothing. A picture without a seed stands alone, where it stands.
    Only the group in the making is in memory.
    """
    number = 0
    group: list[Picture] = []
    for picture in pictures:
        if group and not _follows(group[-1], picture):
            number += 1
            yield Group(directory, number, tuple(group))
            group.clear()
        group.append(picture)
    if group:
        yield Group(directory, number + 1, tuple(group))


def _named(name: str) -> Picture:
    number, seed = id_and_seed(name)
    return Picture(name, number, seed, None if seed is None else IN_NAME)


def _place(picture: Picture) -> tuple[bool, int, str]:
    return picture.id is None, picture.id or 0, picture.name


def _follows(before: Picture, picture: Picture) -> bool:
    return before.seed is not None and picture.seed == before.seed + 1
