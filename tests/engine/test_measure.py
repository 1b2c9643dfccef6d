"""The numbers that a running daemon tells are those of its state and of what it does."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from boardsync.engine.measure import PATIENCE_SECONDS, Measuring
from boardsync.engine.remembered import Remembered
from boardsync.engine.service import Service
from boardsync.errors import ServerUnreachable
from boardsync.index.database import using
from boardsync.index.records import Place
from boardsync.index.refresh import refresh
from boardsync.local.ignore import Rules
from boardsync.telemetry import names
from boardsync.telemetry.counters import Sample, counters
from boardsync.telemetry.names import Metric
from engine.world import World, picture, world

Told = dict[tuple[str, ...], float]


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path, policies={"file_deleted": "trash"}) as made:
        yield made


async def measured(here: World) -> list[Sample]:
    return await asyncio.to_thread(Measuring(Service(here.assembly)).samples)


async def value(here: World, metric: Metric, *labels: str) -> float:
    """Return one number as it is told now."""
    found = [
        one.value for one in await measured(here) if one.metric is metric and one.labels == labels
    ]
    assert len(found) == 1
    assert isinstance(found[0], int | float)
    return found[0]


def grown(metric: Metric, **labels: str) -> float:
    return counters.value(metric, **labels)


async def test_a_mirror_is_counted(here: World) -> None:
    for seed in (1, 2, 3):
        here.write(f"{seed}.png", seed=seed)
    here.write("torn.png", picture(4)[:-20])
    size = sum(path.stat().st_size for path in here.folder.iterdir())
    await here.look()
    (here.folder / "torn.png").unlink()
    here.write("later.png", seed=5)
    told = {one.metric: one.value for one in await measured(here) if one.labels == ("m",)}
    assert (told[names.FILES], told[names.ITEMS], told[names.SYNCED]) == (4, 3, 3)
    assert (told[names.FILE_BYTES], told[names.REFUSED], told[names.SETTLING]) == (size, 1, 0)
    assert (told[names.PARTED], told[names.TRASHED], told[names.HELD]) == (0, 0, 0)
    for what in ("contents", "pictures"):
        counted = await value(here, names.COUNTED, "m", what)
        assert counted == pytest.approx(here.clock.now_ns() / 1e9, abs=5)


async def test_the_index_is_counted_as_it_is(here: World) -> None:
    settings = here.assembly.settings
    assert settings.index is not None

    async def told() -> tuple[float, ...]:
        pictures = await value(here, names.INDEX_PICTURES, "m")
        waiting = await value(here, names.INDEX_WAITING, "m")
        return pictures, waiting, await value(here, names.INDEX_FOLLOWED, "m")

    assert await told() == (0, 0, 0)
    assert not settings.index.exists()
    for seed in (1, 2, 3):
        here.write(f"{seed}.png", seed=seed)
    refresh(settings.index, Place(os.path.realpath(os.fsencode(here.folder)), "m"), Rules())
    using(settings.index, lambda index: index.tell("UPDATE file SET reader = 0 WHERE id = 1"))
    pictures, waiting, followed = await told()
    assert (pictures, waiting) == (3, 1)
    assert followed == pytest.approx(time.time(), abs=600)
    settings.index.write_bytes(b"spoilt" * 1000)
    assert await told() == (0, 0, 0)


async def test_an_order_is_kept_in_which_every_metric_is_told_in_one_piece(here: World) -> None:
    samples = await measured(here)
    keys = [(one.metric.name, one.labels) for one in samples]
    assert keys == sorted(keys)
    assert len(set(keys)) == len(keys)


async def test_transfers_are_counted_by_what_became_of_them(here: World) -> None:
    labels = {"mirror": "m", "kind": "upload"}
    outcomes = ("finished", "refused", "failed", "waiting")
    before = [grown(names.TRANSFERS, outcome=one, **labels) for one in outcomes]
    here.write("a.png")
    here.write("torn.png", picture(2)[:-20])
    await here.look()
    after = [grown(names.TRANSFERS, outcome=one, **labels) for one in outcomes]
    assert [b - a for a, b in zip(before, after, strict=True)] == [1, 1, 0, 0]


async def test_what_fails_waits_and_is_told_with_its_age(here: World) -> None:
    await here.look()
    before = grown(names.TRANSFERS, mirror="m", kind="upload", outcome="failed")
    upload = here.server.upload

    async def away(*_: object) -> object:
        raise ServerUnreachable("nobody answers")

    here.server.upload = away  # type: ignore[assignment, method-assign]
    here.write("a.png")
    await here.look(patience=1.0)
    assert grown(names.TRANSFERS, mirror="m", kind="upload", outcome="failed") > before
    assert await value(here, names.WAITING, "m", "upload") == 1
    assert await value(here, names.WAITING, "m", "download") == 0
    assert await value(here, names.FAILING, "m") == 1
    assert await value(here, names.SERVER_UP, "server") == 0
    here.clock.skip(3600)
    assert await value(here, names.OLDEST, "m") >= 3600

    here.server.upload = upload  # type: ignore[method-assign]
    await here.look()
    assert await value(here, names.WAITING, "m", "upload") == 0
    assert await value(here, names.OLDEST, "m") == 0
    assert await value(here, names.SERVER_UP, "server") == 1


async def test_the_last_success_stays_where_it_was_while_a_side_is_away(here: World) -> None:
    assert await value(here, names.LAST_SUCCESS, "m") == 0
    await here.look()
    seen = await value(here, names.LAST_SUCCESS, "m")
    assert seen == pytest.approx(here.clock.now_ns() / 1e9, abs=5)
    assert await value(here, names.TROUBLE, "m") == 0

    here.folder.rename(here.base / "away")
    await here.look()
    here.clock.skip(600)
    assert await value(here, names.LAST_SUCCESS, "m") == seen
    assert await value(here, names.TROUBLE, "m") >= 600

    (here.base / "away").rename(here.folder)
    await here.look()
    assert await value(here, names.LAST_SUCCESS, "m") > seen
    assert await value(here, names.TROUBLE, "m") == 0


async def test_a_trip_of_the_guard_is_told_as_long_as_the_state_lives(here: World) -> None:
    for seed in range(20):
        here.write(f"{seed:02}.png", seed=seed)
    await here.look()
    assert await value(here, names.GUARD_TRIPS, "m") == 0
    for seed in range(15):
        (here.folder / f"{seed:02}.png").unlink()
    await here.look()
    assert await value(here, names.HELD, "m") == 15
    assert await value(here, names.GUARD_TRIPS, "m") == 1

    for seed in range(15):
        here.write(f"{seed:02}.png", seed=seed)
    await here.look()
    assert await value(here, names.HELD, "m") == 0
    await here.restart()
    assert await value(here, names.GUARD_TRIPS, "m") == 1


async def test_growth_can_be_seen_from_the_first_time_on(here: World) -> None:
    assert await value(here, names.WATCH_LOSSES, "m", "thread") >= 0
    assert await value(here, names.TRANSFERS, "m", "trash-file", "failed") >= 0
    assert await value(here, names.PASSES, "m", "failed") >= 0


async def test_passes_and_hints_are_counted(here: World) -> None:
    worker = here.assembly.workers["m"]
    before = (
        grown(names.PASSES, mirror="m", outcome="done"),
        grown(names.PASSES, mirror="m", outcome="trouble"),
        grown(names.HINTS, mirror="m", subject="path"),
    )
    worker.hint_path(b"a.png", closed=True)
    await here.look()
    here.folder.rename(here.base / "away")
    await here.look()
    assert grown(names.PASSES, mirror="m", outcome="done") > before[0]
    assert grown(names.PASSES, mirror="m", outcome="trouble") > before[1]
    assert grown(names.HINTS, mirror="m", subject="path") >= before[2] + 1


async def test_the_daemon_tells_of_itself_and_of_its_disk(here: World) -> None:
    told = {one.metric: one.value for one in await measured(here) if not one.labels}
    disk, size = told[names.STATE_DISK_BYTES], told[names.STATE_BYTES]
    assert 0 < told[names.STATE_FREE_BYTES] <= disk  # type: ignore[operator]
    assert size >= here.state.path.stat().st_size  # type: ignore[operator]
    assert await value(here, names.WATCHING, "m", "stopped") == 1
    assert await value(here, names.WATCHING, "m", "native") == 0


async def test_a_state_that_cannot_be_read_leaves_the_rest_to_be_told(here: World) -> None:
    await here.look()
    measuring = Measuring(Service(here.assembly))

    def broken() -> object:
        raise ServerUnreachable("the state cannot be read")

    here.state.read = broken  # type: ignore[assignment, method-assign]
    told = {one.metric for one in await asyncio.to_thread(measuring.samples)}
    assert names.FILES not in told
    assert names.LAST_SUCCESS not in told
    assert {names.SERVER_UP, names.PROCESS_MEMORY, names.TRANSFERS} <= told


async def test_counting_ends_with_the_service_and_leaves_the_state_alone(here: World) -> None:
    """A count of a million would go on for seconds, and pin the state's log meanwhile."""
    measuring = Measuring(Service(here.assembly))
    counting = measuring._counted(here.assembly.mirrors[0])
    begun, endless = (
        threading.Event(),
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION SELECT i + 1 FROM n)",
    )

    def count(connection: Connection) -> int:
        begun.set()
        return int(connection.execute(text(f"{endless} SELECT count(*) FROM n")).scalar_one())

    counting.pictures = Remembered(  # type: ignore[assignment]
        counting._dated(count), 1, measuring._turn
    )
    counting.pictures.begin()
    assert await asyncio.to_thread(begun.wait, 20)
    await asyncio.to_thread(measuring.close)
    assert counting.pictures.newest(20) is None
    assert counting._connection is None
    measuring.samples()
    assert here.state.health._damage is None


async def test_who_asks_does_not_wait_for_what_takes_long_to_count(here: World) -> None:
    measuring = Measuring(Service(here.assembly))
    with measuring._turn:  # somebody counts
        began = time.monotonic()
        told = {one.metric for one in await asyncio.to_thread(measuring.samples)}
        assert time.monotonic() - began < PATIENCE_SECONDS + 5
    assert names.FILES not in told
    assert names.LAST_SUCCESS in told
