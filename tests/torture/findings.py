"""Whether both sides hold what they have to: pure, over what was seen and what was done.

A rewritten file's old version may still be on the board, once at most. The trash may hold
whatever was once a file's. All else that is there has to be accounted for.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from torture.ledger import Ledger


class Kind(Enum):
    """What can be wrong, in the order of how bad it is."""

    LOSS = "losses"
    DOUBLE = "doubles"
    STRANGER = "strangers"
    """A picture that nobody put there: half a file, or one in the wrong place."""
    LITTER = "litter"
    STUCK = "manual steps"
    """It did not come right by itself: somebody would have to do something."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, in words."""

    kind: Kind
    words: str


@dataclass(frozen=True, slots=True)
class Item:
    """A picture on a board. identity: of the file that it was made of, or of its own bytes.

    marked: it carries our mark. name: where it lies, for people.
    """

    name: str
    identity: str
    marked: bool


@dataclass(frozen=True, slots=True)
class Contents:
    """What a server holds. board: the mirror's own. elsewhere: on boards that are none of its."""

    board: Sequence[Item]
    trash: Sequence[Item] = ()
    elsewhere: Sequence[Item] = ()


@dataclass(frozen=True, slots=True)
class Seen:
    """Both sides as they are. files: outside the pulled area; pulled: in it; by path.

    litter: temporary files of ours, and marks without an item.
    """

    files: Mapping[str, str]
    pulled: Mapping[str, str]
    server: Contents
    litter: Collection[str] = ()


def judge(ledger: Ledger, seen: Seen) -> list[Finding]:
    """Return everything that is wrong, the worst first."""
    found = [*_folder(ledger, seen), *_pulled(ledger, seen), *_board(ledger, seen.server)]
    found += _beside(ledger, seen.server)
    found += [Finding(Kind.LITTER, f"left behind: {path}") for path in sorted(seen.litter)]
    return sorted(found, key=lambda one: list(Kind).index(one.kind))


def old_versions(ledger: Ledger, contents: Contents) -> int:
    """Count items on the board whose file has other content by now."""
    old = ledger.past - set(ledger.files.values())
    return sum(1 for item in contents.board if item.identity in old)


def _folder(ledger: Ledger, seen: Seen) -> Iterator[Finding]:
    """The folder holds exactly what was written there."""
    for path, digest in ledger.files.items():
        if path not in seen.files:
            yield Finding(Kind.LOSS, f"file {path} is gone from the folder")
        elif seen.files[path] != digest:
            yield Finding(Kind.LOSS, f"file {path} holds something else than was written")
    for path in seen.files.keys() - ledger.files.keys():
        yield Finding(Kind.STRANGER, f"file {path} was written by nobody")


def _pulled(ledger: Ledger, seen: Seen) -> Iterator[Finding]:
    """The pulled area holds what others put on the board, each once, and nothing else."""
    there = _by_identity(seen.pulled)
    for digest in sorted(ledger.foreign):
        yield from _exactly_once(there.pop(digest, []), f"foreign picture {digest[:12]}", "pulled")
    for paths in there.values():
        yield Finding(Kind.STRANGER, f"pulled, but no foreign picture: {', '.join(paths)}")


def _board(ledger: Ledger, server: Contents) -> Iterator[Finding]:
    """The board holds every picture of both sides once, and old versions once at most."""
    there = _by_identity({item.name: item.identity for item in server.board})
    paths = _by_identity(ledger.files)
    for digest in sorted(paths):
        yield from _exactly_once(there.pop(digest, []), f"file {paths[digest][0]}", "on the board")
    for digest in sorted(ledger.foreign):
        what = f"foreign picture {digest[:12]}"
        yield from _exactly_once(there.pop(digest, []), what, "on the board")
    for item in server.board:
        if item.identity in ledger.foreign and item.marked:
            yield Finding(Kind.STRANGER, f"foreign item {item.name} carries our mark")
    for digest, names in there.items():
        if digest not in ledger.past:
            yield Finding(Kind.STRANGER, f"on the board, but of no file: {', '.join(names)}")
        elif len(names) > 1:
            yield Finding(Kind.DOUBLE, f"an old version is there twice: {', '.join(names)}")


def _beside(ledger: Ledger, server: Contents) -> Iterator[Finding]:
    """The trash holds nothing but what we put away; other boards hold nothing of either side."""
    ours = ledger.past.union(ledger.files.values())
    for item in server.trash:
        if item.identity not in ours:
            yield Finding(Kind.STRANGER, f"in the trash, but never a file's: {item.name}")
    for item in server.elsewhere:
        kind = Kind.DOUBLE if item.identity in ours | ledger.foreign else Kind.STRANGER
        yield Finding(kind, f"on another board: {item.name}")


def _exactly_once(names: Sequence[str], what: str, where: str) -> Iterator[Finding]:
    if not names:
        yield Finding(Kind.LOSS, f"{what} is not {where}")
    elif len(names) > 1:
        yield Finding(Kind.DOUBLE, f"{what} is {where} {len(names)} times: {', '.join(names)}")


def _by_identity(digests: Mapping[str, str]) -> dict[str, list[str]]:
    names: dict[str, list[str]] = {}
    for name, digest in sorted(digests.items()):
        names.setdefault(digest, []).append(name)
    return names
