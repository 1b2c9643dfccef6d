"""Where pictures to upload come from: files, folders, standard input and the web."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

import click

from boardsync.errors import BoardsyncError, PictureRefused, TryAgain
from boardsync.files.snapshot import read_snapshot
from boardsync.local.ignore import IGNORE_FILE, Rules
from boardsync.local.root import read_ignore_file
from boardsync.local.scan import Found, ScanReport, scan
from boardsync.plan.names import safe_name
from boardsync.servers.elsewhere import Bounds, fetch, is_address, shown

STANDARD_INPUT: Final = "-"


@dataclass(frozen=True, slots=True)
class Given:
    """The bytes of a picture, and the name to keep where it is no file."""

    content: bytes = field(repr=False)
    name: str | None = None


class Source(Protocol):
    """One picture that somebody wants to be sent. path: how it is called, without secrets."""

    @property
    def path(self) -> str: ...

    async def read(self) -> Given:
        """Get its bytes, once. Raises BoardsyncError where that fails."""
        ...


@dataclass(frozen=True, slots=True)
class File:
    """A file. found: in a folder, so that no link is followed; a named one is."""

    path: str
    limit: int
    found: bool = False

    async def read(self) -> Given:
        return Given(await asyncio.to_thread(self._content))

    def _content(self) -> bytes:
        if not os.path.lexists(self.path) or not (self.found or os.path.exists(self.path)):
            raise PictureRefused("there is no such file")
        path = self.path if self.found else os.path.realpath(self.path)
        return read_snapshot(path, self.limit).content


@dataclass(frozen=True, slots=True)
class Content:
    """What was read from standard input."""

    content: bytes = field(repr=False)
    name: str | None = None
    path: str = STANDARD_INPUT

    async def read(self) -> Given:
        return Given(self.content, self.name)


@dataclass(frozen=True, slots=True)
class Address:
    """A picture behind a URL."""

    address: str = field(repr=False)
    bounds: Bounds
    name: str | None = None

    @property
    def path(self) -> str:
        return shown(self.address)

    async def read(self) -> Given:
        arrived = await fetch(self.address, self.bounds)
        return Given(arrived.content, self.name or arrived.name)


@dataclass(frozen=True, slots=True)
class Unusable:
    """What is known to fail, kept so that it has its result in its place."""

    path: str
    error: BoardsyncError

    async def read(self) -> Given:
        raise self.error


def sources_of(
    paths: Sequence[str], content: bytes | None, name: str | None, bounds: Bounds, limit: int
) -> Sequence[Source]:
    """Return the pictures that are meant, in their order, those of a folder by their paths.

    content: what was read from standard input. name: of the only one that is no file. limit:
    most bytes of a file. Raises UsageError.
    """
    nameless = [path for path in paths if path == STANDARD_INPUT or is_address(path)]
    if nameless.count(STANDARD_INPUT) > 1:
        raise click.UsageError("Standard input can be read once: give - once.")
    if name is not None and len(nameless) != 1:
        raise click.UsageError(
            f"--name is the name of one picture from standard input or a URL: here are "
            f"{len(nameless) or 'none'} of them."
        )
    kept = None if name is None else safe_name(name)
    sources: list[Source] = []
    for path in paths:
        if path == STANDARD_INPUT:
            sources.append(Content(content or b"", kept))
        elif is_address(path):
            sources.append(Address(path, bounds, kept))
        elif os.path.isdir(path):
            sources += _of_folder(path, limit)
        else:
            sources.append(File(path, limit))
    return sources


def _of_folder(folder: str, limit: int) -> Sequence[Source]:
    """List the pictures in a folder as a mirror would: its rules hold, and no link is followed."""
    report = ScanReport()
    root = os.fsencode(folder)
    sources: list[Source] = []
    try:
        rules = Rules(ignore_file=read_ignore_file(root), pull_into=None)
        sources += [
            File(_below(folder, found), limit, found=True) for found in scan(root, rules, report)
        ]
    except BoardsyncError as error:
        return [*sources, Unusable(folder, error)]
    sources += _unseen(folder, report)
    return sources or [Unusable(folder, PictureRefused(_nothing_in(report)))]


def _below(folder: str, found: Found) -> str:
    return os.path.join(folder, os.fsdecode(found.path))


def _unseen(folder: str, report: ScanReport) -> Iterator[Source]:
    for path, why in report.unreadable:
        name = os.path.join(folder, os.fsdecode(path))
        yield Unusable(name, TryAgain(f"it cannot be looked at: {why}"))


def _nothing_in(report: ScanReport) -> str:
    nothing = "there are no pictures in this folder"
    if not report.ignored:
        return nothing
    return f"{nothing} but what is left alone by its name or by {IGNORE_FILE.decode()}"
