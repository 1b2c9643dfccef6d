"""Renames and moves: which file that appeared is which file that vanished."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple


class Vanished(NamedTuple):
    """A linked file that is not where it was. inode: as last seen, None when not known."""

    path: bytes
    digest: str
    inode: int | None = None


class Appeared(NamedTuple):
    """A file that nothing is linked to."""

    path: bytes
    digest: str
    inode: int | None = None


def pair(vanished: Iterable[Vanished], appeared: Iterable[Appeared]) -> dict[bytes, bytes]:
    """Return for vanished paths where their pictures lie now. Each path is used once.

    Only equal digests are one picture. Where several fit, the same inode decides, then the same
    name, then the same folder, then the order of the paths: the same input, the same pairs.
    """
    free: defaultdict[str, list[Appeared]] = defaultdict(list)
    for one in sorted(appeared):
        free[one.digest].append(one)
    pairs: dict[bytes, bytes] = {}
    waiting = sorted(vanished)
    for fits in (_same_inode, _same_name, _same_folder, _any):
        left = []
        for gone in waiting:
            found = next((one for one in free[gone.digest] if fits(gone, one)), None)
            if found is None:
                left.append(gone)
            else:
                free[gone.digest].remove(found)
                pairs[gone.path] = found.path
        waiting = left
    return pairs


def _same_inode(gone: Vanished, one: Appeared) -> bool:
    return gone.inode is not None and gone.inode == one.inode


def _same_name(gone: Vanished, one: Appeared) -> bool:
    return gone.path.rpartition(b"/")[2] == one.path.rpartition(b"/")[2]


def _same_folder(gone: Vanished, one: Appeared) -> bool:
    return gone.path.rpartition(b"/")[0] == one.path.rpartition(b"/")[0]


def _any(_: Vanished, __: Appeared) -> bool:
    return True
