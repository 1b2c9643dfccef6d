"""A folder, its index, and what a test asks of both."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from boardsync.index.database import Index, using
from boardsync.index.query import parse_query
from boardsync.index.records import Hit, Place, Standing
from boardsync.index.refresh import Refreshed, refresh
from boardsync.index.search import Answer, Order, Wanted, search
from boardsync.index.standing import standing_of
from boardsync.local.ignore import Rules
from generation_samples import png

T = TypeVar("T")


def parameters(
    prompt: str, seed: int = 1, *, negative: str = "blurry", model: str = "sd_xl_base_1.0",
    sampler: str = "Euler a", size: str = "512x768", loras: str = "",
) -> str:  # fmt: skip
    """Return the text that AUTOMATIC1111 writes."""
    return (
        f"{prompt}\nNegative prompt: {negative}\nSteps: 20, Sampler: {sampler}, Schedule type:"
        f" Karras, CFG scale: 7, Seed: {seed}, Size: {size}, Model hash: 67ab2fd8ec, Model:"
        f" {model}{loras}, Version: v1.10.1"
    )


class Indexed:
    """A folder of pictures and an index. Pictures are old: what was just written is doubted."""

    def __init__(self, base: Path, mirror: str | None = None) -> None:
        self.folder = base / "pictures"
        self.folder.mkdir(exist_ok=True)
        self.path = base / "cache" / "index.db"
        self.mirror = mirror
        self._moment = 1_000_000_000

    def write(self, name: str | bytes, content: bytes) -> Path:
        """Write a file, older than now and younger than those before it."""
        path = Path(os.fsdecode(os.path.join(os.fsencode(self.folder), os.fsencode(name))))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        self._moment += 1
        os.utime(path, (self._moment, self._moment))
        return path

    def picture(self, name: str | bytes, prompt: str, seed: int = 1, **more: str) -> Path:
        """Write a picture that tells how it was made."""
        return self.write(name, png({"parameters": parameters(prompt, seed, **more)}))

    def refresh(self) -> Refreshed:
        """Bring the index up to date."""
        return refresh(self.path, self.place, Rules(pull_into=None))

    @property
    def place(self) -> Place:
        return Place(os.path.realpath(os.fsencode(self.folder)), self.mirror)

    def using(self, work: Callable[[Index], T]) -> T:
        return using(self.path, work)

    def search(
        self, query: str = "", *, below: bytes | None = None, mirror: str | None = None,
        order: Order = Order.NEWEST, limit: int = 1000,
    ) -> Answer:  # fmt: skip
        wanted = Wanted(parse_query(query), below, mirror, order, limit)
        return using(self.path, lambda index: search(index, wanted))

    def hits(self, query: str = "") -> tuple[Hit, ...]:
        return self.search(query).hits

    def names(self, query: str = "") -> list[str]:
        """Return the names of what is found, in order of the alphabet."""
        return sorted(os.path.basename(hit.name) for hit in self.hits(query))

    def standing(self) -> Standing:
        [one] = using(self.path, standing_of)
        return one
