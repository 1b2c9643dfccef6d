"""Fixtures for tests on real folders."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from boardsync.local.watch import Watcher
from local.inbox import Inbox, Make, wait_until
from places import shared_folder


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder that other users can reach."""
    with shared_folder() as folder:
        yield folder


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    return folder


@pytest.fixture
def make(inbox: Inbox) -> Iterator[Make]:
    made: list[Watcher] = []

    def make_watcher(root: Path, **options: object) -> Watcher:
        watcher = Watcher(root, inbox.receive, mode="native", **options)  # type: ignore[arg-type]
        made.append(watcher)
        watcher.start()
        return watcher

    before = set(threading.enumerate())
    yield make_watcher
    for watcher in made:
        watcher.stop()
    wait_until(lambda: set(threading.enumerate()) <= before)
