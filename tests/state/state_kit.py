"""A small state for tests of its queries: one mirror, one board, and short ways to fill them."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from boardsync.model import FileStat, Item
from boardsync.state import items_seen, links, observations, places
from boardsync.state.database import State, open_state
from boardsync.state.links import NewLink
from boardsync.state.records import BoardRecord
from boardsync.telemetry.logging import configure

KEY = "m"
A, B, C = ("aa" * 32, "bb" * 32, "cc" * 32)
"""Digests of three pictures."""
STAT = FileStat(size=10, mtime_ns=100, ctime_ns=100, inode=1)


@contextmanager
def opened(path: Path, *, inline: bool = True) -> Iterator[State]:
    """Open a state, and close it whatever happens."""
    state = open_state(path, inline=inline)
    try:
        yield state
    finally:
        state.close()


@contextmanager
def logged() -> Iterator[list[dict[str, Any]]]:
    """Collect what is logged in the block, as a machine would read it; filled at its end."""
    told: list[dict[str, Any]] = []
    root, config, stream = logging.getLogger(), structlog.get_config(), io.StringIO()
    handlers, level = root.handlers[:], root.level
    configure("info", "json", stream)
    try:
        yield told
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        structlog.configure(**config)
    told += [json.loads(line) for line in stream.getvalue().splitlines()]


@dataclass
class Small:
    """One mirror with one board in an open state."""

    state: State
    mirror: int
    board: BoardRecord

    def do(self, query: Any, *arguments: Any, **options: Any) -> Any:
        """Run a query that writes."""
        return self.state.write_now(lambda c: query(c, *arguments, **options))

    def ask(self, query: Any, *arguments: Any, **options: Any) -> Any:
        """Run a query that reads; streams are read to their end."""
        with self.state.read() as connection:
            answer = query(connection, *arguments, **options)
            return list(answer) if isinstance(answer, Iterator) else answer

    def put_file(self, path: bytes = b"a.png", digest: str = A, now_ns: int = 1000) -> None:
        """Record a file that is seen and hashed."""
        self.do(observations.put_file, self.mirror, path, STAT, digest, now_ns)

    def put_item(self, item_id: str = "i1", version: str = "1", board: int | None = None) -> None:
        """Record an item that is listed and described."""
        where = self.board.id if board is None else board
        item = Item(item_id, None, version=version, category="general")
        self.do(items_seen.describe_items, where, [(item, None)])

    def agree(
        self, path: bytes = b"a.png", digest: str = A, item_id: str = "i1", version: str = "1",
        board: int | None = None, now_ms: int = 5, **more: Any,
    ) -> int:  # fmt: skip
        """Record a link."""
        new = self.new(path, digest, item_id, version, board, **more)
        number: int = self.do(links.agree, new, now_ms)
        return number

    def new(
        self, path: bytes = b"a.png", digest: str = A, item_id: str = "i1", version: str = "1",
        board: int | None = None, **more: Any,
    ) -> NewLink:  # fmt: skip
        """Make a link that is not recorded yet."""
        where = self.board.id if board is None else board
        return NewLink(self.mirror, path, digest, where, item_id, version, "push", **more)


@contextmanager
def small(path: Path) -> Iterator[Small]:
    """Make a state with a mirror and its board."""
    with opened(path) as state:
        mirror = state.write_now(lambda c: places.mirror_id(c, KEY))
        board = state.write_now(lambda c: places.bind_board(c, mirror, b"", "b1", "board"))
        yield Small(state, mirror, board)
