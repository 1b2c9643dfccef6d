"""One pass over all or some mirrors for somebody who waits for the result."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from boardsync.config.named import require_known
from boardsync.engine.assembly import Assembly
from boardsync.engine.passes import Look, Pass
from boardsync.engine.report import show
from boardsync.engine.worker import Worker
from boardsync.errors import FolderAway, NoRoom, ServerBusy, ServerUnreachable
from boardsync.state import failed_readings, runs, summary, transfers

AWAY = (ServerUnreachable, ServerBusy, FolderAway)
PATIENCE_SECONDS = 45.0
"""How long one file may take to settle, or one transfer to move on, before we stop waiting."""
EXAMPLES = 5


@dataclass(frozen=True, slots=True)
class MirrorResult:
    """What a pass did for one mirror.

    left: transfers that are still waiting. held: removals that wait for consent. refused:
    pictures that stand refused, since whenever; they are told after every pass and leave it
    good, or one broken file would fail an unattended job for ever. unreachable: the server or
    the folder is away. resting: why nothing was carried out, by a person's wish or the settings';
    what is left then is no failure. paused: it was not even looked at.
    """

    mirror: str
    uploaded: int
    downloaded: int
    linked: int
    moved: int
    trashed: int
    refused: int
    failed: int
    left: int
    held: int
    settling: int
    synced: int
    trouble: str | None
    unreachable: bool
    errors: tuple[str, ...] = ()
    resting: str | None = None
    paused: bool = False

    @property
    def good(self) -> bool:
        if self.resting is not None:
            return self.paused or not (self.trouble or self.held)
        return not (self.trouble or self.left or self.failed or self.settling or self.held)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {"good": self.good}


def chosen_workers(assembly: Assembly, names: Sequence[str]) -> list[Worker]:
    """Return the workers of the named mirrors, or all. Raises SettingsError for a stranger."""
    known = assembly.workers
    require_known("mirror", names, known)
    return [known[name] for name in dict.fromkeys(names or known)]


async def once(
    assembly: Assembly, names: Sequence[str] = (), patience: float = PATIENCE_SECONDS,
    *, even_paused: bool = False,
) -> list[MirrorResult]:  # fmt: skip
    """Reconcile mirrors and carry out what comes of it. The carriers must be running.

    Mirrors that are paused are left alone, and in quiet hours nothing is carried out, unless
    even_paused.
    """
    workers = chosen_workers(assembly, names)
    one = _even_paused if even_paused else _one
    return list(await asyncio.gather(*(one(worker, patience) for worker in workers)))


async def _even_paused(worker: Worker, patience: float) -> MirrorResult:
    with worker.mirror.brake.lifted():
        return await _pass(worker, patience)


async def _one(worker: Worker, patience: float) -> MirrorResult:
    brake = worker.mirror.brake
    if brake.pause() is not None:
        result = _result(worker, Pass(), _totals(worker))
        return replace(result, resting=brake.words(), paused=True, unreachable=False)
    return replace(await _pass(worker, patience), resting=brake.words())


async def _pass(worker: Worker, patience: float) -> MirrorResult:
    before = _totals(worker)
    await worker.hurry()
    done = await worker.pass_now(Look.everywhere("asked"))
    await worker.settle(patience)
    return _result(worker, done, before)


def _totals(worker: Worker) -> dict[str, int]:
    with worker.mirror.state.read() as connection:
        return runs.totals(connection, worker.mirror.number)


def _result(worker: Worker, done: Pass, before: dict[str, int]) -> MirrorResult:
    mirror = worker.mirror
    with mirror.state.read() as connection:
        after = runs.totals(connection, mirror.number)
        tally = summary.tally(connection, mirror.number, mirror.layout)
        failing = transfers.failing(connection, mirror.number, EXAMPLES)
        unread = failed_readings.of_mirror(connection, mirror.number, EXAMPLES)
    errors = [t.error for t in failing if t.error] + [
        f"{show(one.path)}: {one.reason}" for one in unread
    ]
    did = {name: after[name] - before[name] for name in after}
    troubles: list[Exception] = [*(worker.last or done).troubles]
    shortage = mirror.brake.lacks_room()
    if shortage is not None:
        troubles.append(NoRoom(shortage))
    return MirrorResult(
        mirror=mirror.name,
        uploaded=did["uploaded"],
        downloaded=did["downloaded"],
        linked=did["linked"],
        moved=did["moved"],
        trashed=did["trashed"],
        refused=tally.refused,
        failed=tally.failing,
        left=tally.waiting,
        held=tally.held,
        settling=tally.settling,
        synced=tally.synced,
        trouble="; ".join(str(error) for error in troubles) or None,
        unreachable=any(isinstance(error, AWAY) for error in troubles),
        errors=tuple(dict.fromkeys(errors)),
    )
