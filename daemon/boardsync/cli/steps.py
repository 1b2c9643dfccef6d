"""Progress of many things, one after the other: a bar on a terminal, plain lines elsewhere.

On standard error, so that standard output holds nothing but the result.
"""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Final, Self

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text


class RateColumn(ProgressColumn):
    """Steps per second of late, with which the time left is reckoned; empty while unknown."""

    def render(self, task: Task) -> Text:
        """Return the rate as it is shown."""
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:.1f}/s")


COLUMNS: Final = (
    TextColumn("{task.description}"),
    BarColumn(),
    MofNCompleteColumn(),
    RateColumn(),
    TimeRemainingColumn(),
)


class Steps:
    """Counts steps up to a total. Use it as a context manager.

    bar, lines: whether it is shown at all on a terminal, and elsewhere.
    """

    def __init__(self, total: int, verb: str, *, bar: bool = True, lines: bool = True) -> None:
        terminal = sys.stderr.isatty()
        self._total = total
        self._count = 0
        self._lines = lines and not terminal
        self._bar = Progress(
            *COLUMNS,
            console=Console(stderr=True),
            transient=True,
            disable=not (bar and terminal),
        )
        self._task = self._bar.add_task(verb, total=total)

    def done(self, words: str, count: int = 1) -> None:
        """Count steps. words: what became of them, already printable."""
        self._count += count
        self._bar.advance(self._task, count)
        if self._lines:
            click.echo(f"{self._count}/{self._total} {words}", err=True)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()
