"""How far `adopt` or `verify` is, shown by a thread: the work may be here or in the daemon.

A bar with rate and time left on a terminal, else a line now and then; on standard error.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from boardsync.cli.access import daemon_request
from boardsync.cli.output import printable
from boardsync.cli.progress import BAR_SECONDS, LINE_SECONDS
from boardsync.cli.steps import RateColumn
from boardsync.config.model import Settings
from boardsync.engine.at_work import COMPARING, LOOKING, AtWork
from boardsync.errors import BoardsyncError

ASKING_SECONDS = 5.0
_WORDS = {LOOKING: "looking at both sides", COMPARING: "comparing"}
Standing = dict[str, Any]
"""A `Progress` as plain values."""


def reading(
    settings: Settings, mirrors: Sequence[str], here: AtWork, path: str
) -> Callable[[], Standing]:
    """Return what tells how far it is: here, or else in the daemon. Empty: it is not known.

    path: of the control API, where the daemon tells it.
    """

    def read() -> Standing:
        found = [asdict(one) for one in list(here)]
        if not found:
            with contextlib.suppress(BoardsyncError):
                asked = daemon_request(
                    settings, "GET", path, timeout=ASKING_SECONDS
                )  # fmt: skip
                found = [one for one in asked or () if not mirrors or one["mirror"] in mirrors]
        return found[-1] if found else {}

    return read


@contextlib.contextmanager
def showing(read: Callable[[], Standing], line_seconds: float = LINE_SECONDS) -> Iterator[None]:
    """Show what `read` tells while the body runs."""
    ended = threading.Event()
    show = partial(_bar if sys.stderr.isatty() else _lines, read, ended, line_seconds)
    thread = threading.Thread(target=show, name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _lines(read: Callable[[], Standing], ended: threading.Event, every: float) -> None:
    of, began = None, time.monotonic()
    while not ended.wait(every):
        now = read()
        if not now:
            continue
        if of != (now["mirror"], now["doing"]):
            of, began = (now["mirror"], now["doing"]), time.monotonic() - every
        click.echo(_line(now, time.monotonic() - began), err=True)


def _line(now: Standing, seconds: float) -> str:
    """Say it in a line. seconds: since it was begun, about."""
    words = f"{printable(now['mirror'])}: {_WORDS.get(now['doing'], now['doing'])}"
    if now["total"] is None:
        return words
    rate = now["done"] / max(seconds, 1e-3)
    left = now["total"] - now["done"]
    words += f": {now['done']} of {now['total']}, {rate:.1f}/s"
    return f"{words}, about {left / rate:.0f} s left" if rate > 0 and left else words


def _bar(read: Callable[[], Standing], ended: threading.Event, _: float) -> None:
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        RateColumn(),
        TimeRemainingColumn(),
        TimeElapsedColumn(),
    )
    of: tuple[str, str] | None = None
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task: TaskID | None = None
        while True:
            if now := read():
                if task is None or of != (now["mirror"], now["doing"]):
                    of = (now["mirror"], now["doing"])
                    if task is not None:
                        bar.remove_task(task)
                    words = f"{printable(of[0])}: {_WORDS.get(of[1], of[1])}"
                    task = bar.add_task(words, total=now["total"])
                bar.update(task, completed=now["done"], total=now["total"])
            if ended.wait(BAR_SECONDS):
                return
