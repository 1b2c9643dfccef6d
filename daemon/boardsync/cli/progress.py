"""Progress of a pass on the terminal: done, to do, rate and time left. Silent in pipes."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator

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

EVERY_SECONDS = 0.25


@contextlib.asynccontextmanager
async def following(assembly: Assembly) -> AsyncIterator[None]:
    """Show the transfers of all mirrors while the body runs."""
    if not sys.stderr.isatty():
        yield
        return
    task = asyncio.create_task(_follow(assembly))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _follow(assembly: Assembly) -> None:
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
        done = 0

        def count(_: object) -> None:
            nonlocal done
            done += 1

        for carrier in assembly.carriers.values():
            carrier.finished = count
        while True:
            left = _left(assembly)
            speed = progress.tasks[0].speed
            progress.update(
                bar,
                description="mirroring" if left or done else "looking",
                completed=done,
                total=done + left or None,
                rate=f"{speed:.1f}/s" if speed else "",
            )
            await asyncio.sleep(EVERY_SECONDS)


def _left(assembly: Assembly) -> int:
    with assembly.state.read() as connection:
        return transfers.count(connection, [mirror.number for mirror in assembly.mirrors])
