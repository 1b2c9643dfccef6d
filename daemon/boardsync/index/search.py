"""Finds pictures in the index: conditions become a statement, and what they hold is bound."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from boardsync.errors import QueryRefused
from boardsync.index.database import Index
from boardsync.index.hits import hits_of
from boardsync.index.paths import IN_PATH, files_with, pattern
from boardsync.index.query import Condition, InPath, Seeds, Size, Term, Words
from boardsync.index.records import Hit, Standing, seed_key
from boardsync.index.standing import standing_of

FEW: Final = 2000
"""Pictures up to which all that a condition leads to are looked up and sorted. Of more the newest
pictures are gone through until enough fulfil everything."""
RANKED: Final = 1000
"""The newest pictures, which are put in order of relevance."""
_LISTED: Final = 10_000
"""Numbers in a statement, which must not become too long."""
_WINDOW: Final = 4000
"""The newest pictures, in which enough that have a common word are looked for first."""


class Order(StrEnum):
    """What comes first.

    RELEVANCE: by how much of what is told the words make up, of the newest `RANKED` pictures.
    """

    NEWEST = "newest"
    RELEVANCE = "relevance"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to search for. below: only in this folder, absolute. mirror: only in that of this name.

    limit: so many at most.
    """

    terms: Sequence[Term] = ()
    below: bytes | None = None
    mirror: str | None = None
    order: Order = Order.NEWEST
    limit: int = 100


@dataclass(frozen=True, slots=True)
class Answer:
    """What was found, whether there is more, and how the index stands with each folder."""

    hits: tuple[Hit, ...]
    more: bool
    standing: tuple[Standing, ...]


@dataclass(slots=True)
class _Statement:
    """A statement in the making.

    match: what FTS5 is asked for. few: all files that fulfil a condition, where they are few.
    """

    match: list[str] = field(default_factory=list)
    few: set[int] | None = None
    unwanted: list[str] = field(default_factory=list)
    where: list[str] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)

    def add(self, condition: str, *values: Any, wanted: bool = True) -> None:
        """Add a condition. What is not known fulfils none, and does not fulfil its opposite."""
        self.where.append(condition if wanted else f"NOT coalesce({condition}, 0)")
        self.values += values


def search(index: Index, wanted: Wanted) -> Answer:
    """Search. Raises QueryRefused for a mirror that is not in the index."""
    with index.reading():
        standing = standing_of(index)
        statement = _Statement()
        for term in wanted.terms:
            _add_term(statement, term, standing, index)
        if wanted.mirror is not None:
            _require_mirror(wanted.mirror, standing, 0)
            statement.add(_MIRROR, wanted.mirror)
        if wanted.below is not None:
            _add_below(statement, wanted.below, index)
        _leave_out_doubles(statement, index)
        numbers = _numbers(index, statement, wanted)
        hits = hits_of(index, numbers[: wanted.limit])
    return Answer(hits, len(numbers) > wanted.limit, standing)


_MIRROR: Final = "folder IN (SELECT id FROM folder WHERE mirror = ? COLLATE NOCASE)"


def _add_term(
    statement: _Statement, term: Term, standing: Iterable[Standing], index: Index
) -> None:
    one: Condition = term.condition
    if isinstance(one, Words):
        (statement.match if term.wanted else statement.unwanted).append(_match(one))
    elif isinstance(one, Seeds):
        ends = {">=": one.lowest, "<=": one.highest}
        given = {sign: seed_key(end) for sign, end in ends.items() if end is not None}
        between = " AND ".join(f"+seed {sign} ?" for sign in given)
        _add_looked_up(statement, "file_seed", f"({between})", tuple(given.values()), term, index)
    elif isinstance(one, Size):
        condition, size = "(+width = ? AND +height = ?)", (one.width, one.height)
        _add_looked_up(statement, "file_size", condition, size, term, index)
    elif isinstance(one, InPath):
        files = files_with(index, one.pieces, FEW) if term.wanted else None
        _add_few(statement, files, IN_PATH, (pattern(one.pieces),), wanted=term.wanted)
    else:
        _require_mirror(one.name, standing, term.place)
        statement.add(_MIRROR, one.name, wanted=term.wanted)


def _match(words: Words) -> str:
    """Say it as FTS5 does: what stands in quotation marks is text, whatever it holds."""
    text = words.text.replace('"', '""')
    star = " *" if words.prefix else ""
    return f'{{{" ".join(words.columns)}}} : "{text}"{star}'


def _add_looked_up(
    statement: _Statement, name: str, condition: str, values: tuple[Any, ...], term: Term,
    index: Index,
) -> None:  # fmt: skip
    """Add a condition that an index of the database leads to.

    The plus in it keeps SQLite from going that way when it leads to more than a few.
    """
    files: list[int] | None = None
    if term.wanted:
        straight = condition.replace("+", "")
        source = f"file INDEXED BY {name} WHERE {straight}"
        rows = index.ask(f"SELECT id FROM {source} LIMIT ?", (*values, FEW + 1))
        files = [number for (number,) in rows]
    _add_few(statement, files, condition, values, wanted=term.wanted)


def _add_few(
    statement: _Statement, files: list[int] | None, condition: str, values: tuple[Any, ...], *,
    wanted: bool,
) -> None:  # fmt: skip
    """Add the files that fulfil a condition, where they are few, otherwise the condition."""
    if files is None or len(files) > FEW:
        statement.add(condition, *values, wanted=wanted)
    else:
        statement.few = set(files) if statement.few is None else statement.few & set(files)


def _require_mirror(name: str, standing: Iterable[Standing], place: int) -> None:
    names = [one.mirror for one in standing if one.mirror is not None]
    if name.lower() not in (each.lower() for each in names):
        there = ", ".join(sorted(names)) or "none"
        raise QueryRefused(
            f"the mirror {name!r} is not in the index; in it are: {there}", place=place
        )


def _add_below(statement: _Statement, below: bytes, index: Index) -> None:
    """Only what lies below a folder, which may hold others, or be a part of one."""
    conditions, values = ["0"], list[Any]()
    for number, root in index.ask("SELECT id, root FROM folder"):
        if root == below or root.startswith(_prefix(below)):
            conditions.append("folder = ?")
            values.append(number)
        elif below.startswith(_prefix(root)):
            first, end = _range(below[len(_prefix(root)) :])
            conditions.append("(folder = ? AND path >= ? AND path < ?)")
            values += (number, first, end)
    statement.add(f"({' OR '.join(conditions)})", *values)


def _leave_out_doubles(statement: _Statement, index: Index) -> None:
    """Of folders that lie in one another, let each picture be told by the innermost."""
    folders = index.ask("SELECT id, root FROM folder")
    for number, root in folders:
        for _, inner in folders:
            if inner != root and inner.startswith(_prefix(root)):
                first, end = _range(inner[len(_prefix(root)) :])
                statement.add(
                    "NOT (folder = ? AND path >= ? AND path < ?)", number, first, end
                )  # fmt: skip


def _prefix(root: bytes) -> bytes:
    return root if root.endswith(b"/") else root + b"/"


def _range(directory: bytes) -> tuple[bytes, bytes]:
    """Return between which paths those below a directory are."""
    return directory + b"/", directory + b"0"


def _numbers(index: Index, statement: _Statement, wanted: Wanted) -> list[int]:
    """Return the numbers of the files, one more than wanted if there is more."""
    if statement.unwanted:
        unwanted = " OR ".join(f"({one})" for one in statement.unwanted)
        statement.add("telling NOT IN (SELECT rowid FROM word WHERE word MATCH ?)", unwanted)
    match = " AND ".join(f"({one})" for one in statement.match)
    if not match or wanted.order is not Order.RELEVANCE:
        return [number for number, _ in _newest(index, statement, match, wanted.limit + 1)]
    found = _newest(index, statement, match, max(wanted.limit + 1, RANKED))
    ranks = _ranks(index, match, {telling for _, telling in found})
    found.sort(key=lambda one: ranks.get(one[1], 0.0))
    return [number for number, _ in found[: wanted.limit + 1]]


def _newest(
    index: Index, statement: _Statement, match: str, most: int
) -> list[tuple[int, int]]:  # fmt: skip
    """Return the numbers of the newest files, and of what they tell."""
    few = statement.few
    if match and few is None and _are_few(index, match):
        telling = index.ask(f"SELECT mtime_ns, file.id, telling {_THAT_TELL}", (match, FEW))
        if not statement.where:
            telling.sort(reverse=True)
            return [(number, text) for _, number, text in telling[:most]]
        few, match = {number for _, number, _ in telling}, ""
    if few is None:
        return _newest_of_many(index, statement, match, most)
    among, source = f"id IN ({', '.join(map(str, few))})", "file NOT INDEXED"
    if not match:
        return _ask(index, source, statement, most, among)
    [ends] = index.ask(f"SELECT min(telling), max(telling) FROM {source} WHERE {among}")
    return _ask(index, source, statement, most, f"{among} AND {_TELLS}", match, *ends)


_THAT_TELL: Final = (
    "FROM word CROSS JOIN file INDEXED BY file_telling ON telling = word.rowid AND telling != 0"
    " WHERE word MATCH ? LIMIT ?"
)
"""Goes through indexes of the database alone: rows are not looked at."""


def _are_few(index: Index, match: str) -> bool:
    [(count,)] = index.ask(f"SELECT count(*) FROM (SELECT 1 {_THAT_TELL})", (match, FEW + 1))
    return bool(count <= FEW)


def _newest_of_many(
    index: Index, statement: _Statement, match: str, most: int
) -> list[tuple[int, int]]:  # fmt: skip
    """Go through the newest files, and through all only if too few of those are found."""
    if not match:
        return _ask(index, "file", statement, most)
    source = "file INDEXED BY file_newest"
    [(oldest, *ends)] = index.ask(
        "SELECT min(mtime_ns), min(telling), max(telling) FROM"
        f" (SELECT mtime_ns, telling FROM {source} ORDER BY mtime_ns DESC LIMIT {_WINDOW})"
    )
    # Those that are as old as the oldest may be outside as well.
    inside = f"mtime_ns > ? AND {_TELLS}"
    found = _ask(index, source, statement, most, inside, oldest, match, *ends)
    if len(found) < most:
        found = _ask(index, source, statement, most, _TELLS, match, 0, _LAST)
    return found


_TELLS: Final = "telling IN (SELECT rowid FROM word WHERE word MATCH ? AND rowid BETWEEN ? AND ?)"
_LAST: Final = (1 << 63) - 1


def _ask(
    index: Index, source: str, statement: _Statement, most: int, first: str = "1", *values: Any
) -> list[tuple[int, int]]:  # fmt: skip
    """Ask for files, the newest first, that fulfil a first condition and the statement's."""
    rows = index.ask(
        f"SELECT file.id, telling FROM {source} WHERE {' AND '.join((first, *statement.where))}"
        " ORDER BY mtime_ns DESC, file.id DESC LIMIT ?",
        (*values, *statement.values, most),
    )
    return [(number, telling) for number, telling in rows]


def _ranks(index: Index, match: str, tellings: set[int]) -> dict[int, float]:
    """Return how well texts fulfil a match: the lowest best.

    The plus keeps SQLite from asking anew for each of them, and counting all others each time.
    """
    if not tellings:
        return {}
    among = f"+rowid IN ({', '.join(map(str, tellings))})" if len(tellings) <= _LISTED else "1"
    rows = index.ask(
        f"SELECT rowid, rank FROM word WHERE word MATCH ? AND rowid BETWEEN ? AND ? AND {among}",
        (match, min(tellings), max(tellings)),
    )
    return dict(rows)
