"""Progress of a pass: a bar with rate and time left on a terminal, else a line now and then."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeRemainingColumn,
)

from boardsync.engine.assembly import Assembly
from boardsync.state import transfers

BAR_SECONDS = 0.25
LINE_SECONDS = 10.0


@dataclass(slots=True)
class Tracker:
    """Counts finished transfers and asks the state for those that are left."""

    assembly: Assembly
    began: float = field(default_factory=time.monotonic)
    done: int = 0

    def __post_init__(self) -> None:
        for carrier in self.assembly.carriers.values():
            carrier.finished = self._count

    def _count(self, _: object) -> None:
        self.done += 1

    def left(self) -> int:
        """Return how many transfers are not finished."""
        with self.assembly.state.read() as connection:
            return transfers.count(connection, [m.number for m in self.assembly.mirrors])

    def rate(self) -> float:
        """Return finished transfers per second so far."""
        return self.done / max(time.monotonic() - self.began, 1e-3)


@contextlib.asynccontextmanager
async def following(assembly: Assembly) -> AsyncIterator[None]:
    """Show the transfers of all mirrors on standard error while the body runs."""
    tracker = Tracker(assembly)
    show = _bar(tracker) if sys.stderr.isatty() else _lines(tracker)
    task = asyncio.create_task(show)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _lines(tracker: Tracker) -> None:
    while True:
        await asyncio.sleep(LINE_SECONDS)
        left, rate = tracker.left(), tracker.rate()
        seconds = f", about {left / rate:.0f} s left" if rate > 0 and left else ""
        click.echo(f"{tracker.done} done, {left} to go, {rate:.1f}/s{seconds}", err=True)


async def _bar(tracker: Tracker) -> None:
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("looking", total=None, rate="")
        while True:
            left = tracker.left()
            progress.update(
                bar,
                description="mirroring" if left or tracker.done else "looking",
                completed=tracker.done,
                total=tracker.done + left or None,
                rate=f"{tracker.rate():.1f}/s" if tracker.done else "",
            )
            await asyncio.sleep(BAR_SECONDS)
