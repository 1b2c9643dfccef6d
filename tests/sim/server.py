"""A memory server behind a network that one seed drives: late, lost, busy, and not always true."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeVar

from boardsync.errors import (
    OutcomeUnknown,
    ServerBusy,
    ServerFault,
    ServerUnreachable,
)
from boardsync.model import Board, Item, Listing, Mark, Outcome, Upload, UploadResult
from boardsync.servers.memory import MemoryServer
from boardsync.servers.port import BoardId
from boardsync.servers.wrappers.wrapper import Wrapper
from sim.pictures import encoded_anew
from sim.process import Process

T = TypeVar("T")

NOT_STORED = frozenset(
    {"create_board", "upload", "move", "trash", "untrash", "delete", "rename_board"}
)
"""Operations that change something: their answers can get lost."""


@dataclass(slots=True)
class Weather:
    """How bad the network and the server are, each a chance from 0 to 1 of one call.

    refused: nothing was sent. busy: 429 or 503, with a time to wait. fault: 500. lost: it
    happened, but the answer was lost. dropped: it did not, and the answer was lost. late: an
    upload is stored only after its answer was lost, up to `latest` seconds later. ghost: an
    upload is listed and never becomes whole. short: a listing leaves something out. slow:
    seconds that a call may take. down, maintained: until when (by the loop's time) all calls are
    refused, or answered with 409. restarts: how often the server began anew; what was under way
    then never arrives.
    """

    refused: float = 0.0
    busy: float = 0.0
    fault: float = 0.0
    lost: float = 0.0
    dropped: float = 0.0
    late: float = 0.0
    latest: float = 2.0
    ghost: float = 0.0
    short: float = 0.0
    slow: float = 0.05
    down: float = 0.0
    maintained: float = 0.0
    restarts: int = 0
    late_ones: list[tuple[asyncio.TimerHandle, Callable[[], None]]] = field(default_factory=list)

    def commit_late(self) -> None:
        """Store now what was to be stored late: no proxy holds it for hours."""
        for timer, store in self.late_ones:
            if not timer.cancelled() and timer.when() > asyncio.get_running_loop().time():
                timer.cancel()
                store()
        self.late_ones.clear()


class SimServer(Wrapper):
    """One process's way to the server. Everything it asks is written into the journal."""

    def __init__(
        self, inner: MemoryServer, process: Process, weather: Weather, source: random.Random,
        journal: Callable[[str], None],
    ) -> None:  # fmt: skip
        super().__init__(inner)
        self._memory = inner
        self._process = process
        self._weather = weather
        self._source = source
        self._journal = journal

    async def _call(self, operation: str, call: Callable[[], Awaitable[T]]) -> T:
        """Carry out one call through the weather. A call that was begun outlives its process."""
        self._process.step(f"asking: {operation}")
        await asyncio.sleep(self._source.uniform(0.0, self._weather.slow))
        self._process.step(f"asked: {operation}")
        self._strike(operation)
        if operation in NOT_STORED and self._happens(self._weather.dropped):
            self._journal(f"{operation}: lost on the way")
            raise self._lost(operation)
        try:
            answer = await call()
        except Exception as error:
            self._journal(f"{operation}: {error!r}")
            raise
        self._journal(f"{operation}: {_words(answer)}")
        self._process.step(f"done: {operation}")
        await asyncio.sleep(self._source.uniform(0.0, self._weather.slow))
        self._process.step(f"answered: {operation}")
        if operation in NOT_STORED and operation != "upload" and self._happens(self._weather.lost):
            raise self._lost(operation)
        return answer

    def _strike(self, operation: str) -> None:
        """Raise what the weather brings before a call reaches the server."""
        weather, loop = self._weather, asyncio.get_running_loop()
        name = self.name
        if loop.time() < weather.down or self._happens(weather.refused):
            self._journal(f"{operation}: refused")
            raise ServerUnreachable(f"server {name}: connection refused")
        if loop.time() < weather.maintained:
            self._journal(f"{operation}: in maintenance")
            raise ServerBusy(f"server {name}: in maintenance")
        if self._happens(weather.busy):
            self._journal(f"{operation}: busy")
            seconds = self._source.choice((None, 1.0, 7.0))
            raise ServerBusy(f"server {name}: too many requests", retry_after=seconds)
        if self._happens(weather.fault):
            self._journal(f"{operation}: fault")
            raise ServerFault(f"server {name}: internal error")

    async def listing(self, board_id: BoardId, known: str | None = None) -> Listing:
        """List a board; at times as if some of its items, or all, were not there."""
        whole = await super().listing(board_id, None)
        entries = whole.entries or ()
        if entries and self._happens(self._weather.short):
            kept = [one for one in entries if self._happens(0.7)] if self._happens(0.7) else []
            honest = self._happens(0.3)
            text = "\n".join(f"{one.item_id}\0{one.version}" for one in kept)
            digest = hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
            self._journal(f"listing: {len(kept)} of {len(entries)}, honest {honest}")
            whole = Listing(board_id, digest, tuple(kept), complete=not honest)
        return replace(whole, entries=None) if whole.digest == known else whole

    async def upload(self, board_id: BoardId, uploads: Sequence[Upload]) -> list[UploadResult]:
        """Store what comes, each with a fate of its own."""
        if self.capabilities.reencodes:
            uploads = [replace(one, content=encoded_anew(one.content)) for one in uploads]
        fates = [self._fate(upload) for upload in uploads]
        sent = [one for one, fate in zip(uploads, fates, strict=True) if fate in ("", "lost")]
        try:
            answers = await super().upload(board_id, sent)
        except OutcomeUnknown as error:
            return [UploadResult(Outcome.UNKNOWN, error=error) for _ in uploads]
        told = iter(answers)
        results = []
        for upload, fate in zip(uploads, fates, strict=True):
            answer = next(told) if fate in ("", "lost") else None
            results.append(self._result(board_id, upload, fate, answer))
        return results

    def _fate(self, upload: Upload) -> str:
        for fate in ("lost", "late", "ghost"):
            if self._happens(getattr(self._weather, fate)):
                return fate
        return ""

    def _result(
        self, board_id: BoardId, upload: Upload, fate: str, answer: UploadResult | None
    ) -> UploadResult:
        if answer is not None and not (fate == "lost" and answer.item is not None):
            return answer
        if fate == "late":
            self._later(partial(self._store_late, board_id, upload, self._weather.restarts))
        if fate == "ghost" and upload.replaces is None:
            self._memory.put_upload(board_id, upload, upload.name, whole=False)
        self._journal(f"upload of {upload.mark.file[:8]}: {fate}")
        return UploadResult(Outcome.UNKNOWN, error=self._lost(upload.name))

    async def delete(self, item: Item) -> None:
        """Delete an item, at times only after the answer was lost."""
        if self._happens(self._weather.late):
            self._later(partial(self._delete_late, item, self._weather.restarts))
            self._journal(f"delete of {item.item_id}: late")
            raise self._lost("delete")
        await super().delete(item)

    def _later(self, change: Callable[[], None]) -> None:
        wait = self._source.uniform(0.5, self._weather.latest)
        timer = asyncio.get_running_loop().call_later(wait, change)
        self._weather.late_ones.append((timer, change))

    def _delete_late(self, item: Item, restarts: int) -> None:
        there = self._memory._stock.get(item.board_id, item.item_id)
        if (
            there is None
            or there.item.version != item.version
            or restarts != self._weather.restarts
        ):
            return
        if self.capabilities.names_kept and there.item.board_id != item.board_id:
            return
        self._memory._stock.drop(there)
        self._journal(f"deleted late: {item.item_id}")

    def _store_late(self, board_id: BoardId, upload: Upload, restarts: int) -> None:
        if board_id not in self._memory._boards or restarts != self._weather.restarts:
            return
        result = self._memory._receive(board_id, upload)
        self._journal(f"stored late: {upload.mark.file[:8]}: {result.outcome.value}")

    def _lost(self, what: str) -> OutcomeUnknown:
        return OutcomeUnknown(f"server {self.name}: {what}: the answer was lost")

    def _happens(self, chance: float) -> bool:
        return chance > 0 and self._source.random() < chance


def _words(answer: object) -> str:
    """Tell an answer in short."""
    if isinstance(answer, Listing):
        ids = " ".join(f"{one.item_id}:{one.version}" for one in answer.entries or ())
        return f"{answer.board_id}: {ids}"
    if isinstance(answer, Item):
        return f"{answer.board_id}/{answer.item_id}:{answer.version}"
    if isinstance(answer, Board):
        return f"{answer.board_id} {answer.name}"
    if isinstance(answer, UploadResult):
        return f"{answer.outcome.value} {_words(answer.item or answer.error)}"
    if isinstance(answer, Mark):
        return f"{answer.mirror} {answer.file[:8]}"
    if isinstance(answer, list):
        return ", ".join(_words(one) for one in answer)
    if isinstance(answer, dict):
        return ", ".join(f"{key} {_words(value)}" for key, value in answer.items())
    if isinstance(answer, set):
        return " ".join(sorted(answer))
    return repr(answer)
