"""6. Events lost: all is there after one automatic look, and the loss is counted and told."""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import subprocess
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from boardsync.engine.clock import SystemClock
from boardsync.engine.service import Service
from boardsync.telemetry import names
from boardsync.telemetry.counters import counters
from engine.world import picture
from local.overflow import overflow_the_queue
from places import in_namespace
from scenarios.ground import Ground, ground
from scenarios.reality import SCALE, Kept, names_in, scaled, small, wait

AT_ONCE = {"settle": {"quiet": "0 s", "quiet_uncertain": "0 s", "rewrite": "0 s"}}
SECONDS = 20.0
FILES = 30


@contextlib.asynccontextmanager
async def running(here: Ground) -> AsyncIterator[Service]:
    """Run the daemon's inside, watcher and all, while the block lasts."""
    service, up = Service(here.assembly), asyncio.Event()

    async def ready() -> None:
        up.set()

    task = asyncio.create_task(service.run(ready))
    try:
        await asyncio.wait_for(up.wait(), SECONDS)
        yield service
    finally:
        service.stop()
        await task


async def until(condition: Callable[[], bool], what: object = "") -> None:
    async with asyncio.timeout(SECONDS):
        while not condition():
            await asyncio.sleep(0.02)


@pytest.fixture
async def live(tmp_path: Path, kind: str) -> AsyncIterator[Ground]:
    """A mirror on the real clock."""
    async with ground(tmp_path, kind, clock=SystemClock(), **AT_ONCE) as made:
        yield made


async def test_what_an_overflow_of_the_kernels_queue_hid_is_there_after_one_look(
    live: Ground, chance: random.Random
) -> None:
    before = counters.value(names.WATCH_LOSSES, mirror="m", reason="overflow")
    for folder in ("a", "b/c"):
        (live.folder / folder).mkdir(parents=True)
    moves = {}
    for seed in range(FILES):
        source = live.base / f"{seed}.png"
        source.write_bytes(picture(seed))
        moves[source] = live.folder / chance.choice(["a", "b", "b/c"]) / f"{seed}.png"
    async with running(live) as service:
        watching = service.watching["m"]
        await until(lambda: watching.stats()["watching"] == "native")
        await until(lambda: live.told()["scanned_ms"] is not None)
        overflow_the_queue(live.folder / "a", moves)
        await until(lambda: live.told()["synced"] == FILES)
        stats = watching.stats()

    assert live.shows(range(FILES))
    assert counters.value(names.WATCH_LOSSES, mirror="m", reason="overflow") == before + 1
    assert stats["losses"] == stats["overflows"] == 1
    assert "overflowed" in str(stats["last_loss"])


BEYOND_THE_LIMIT = """
import sys
from pathlib import Path
import httpx
from cli.place_kit import Place, wait_until

place = Place(Path(sys.argv[1]))
place.configure(mirror="poll_interval: 1 s")
Path("/proc/sys/user/max_inotify_watches").write_text("10")

def synced(count):
    return lambda: place.json("status")["mirrors"][0]["synced"] == count

with place.daemon() as daemon:
    wait_until(lambda: place.json("status")["mirrors"][0]["watcher"]["watching"] == "native")
    for seed in range(20):
        place.picture(f"folder {seed}/{seed}.png", seed=seed)
    wait_until(synced(20), daemon.told)
    wait_until(lambda: place.json("status")["mirrors"][0]["watcher"]["watching"] == "polling")
    place.picture("folder 19/later.png", seed=20)
    wait_until(synced(21), daemon.told)
    told = place("status").output
    assert "the limit fs.inotify.max_user_watches is reached" in told, told
    assert "changes may have gone by unseen 1 time since the daemon's start" in told, told
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(place.socket))) as asking:
        numbers = asking.get("http://boardsync/metrics").text
    assert 'boardsync_watch_losses_total{mirror="m",reason="limit"} 1\\n' in numbers, numbers
assert len(place.on_board()) == 21
"""


@pytest.mark.real
def test_folders_beyond_the_limit_on_watches_are_polled_and_the_limit_is_named(
    tmp_path: Path,
) -> None:
    in_namespace(BEYOND_THE_LIMIT, str(tmp_path))


async def test_a_mount_that_tells_nothing_is_polled(tmp_path: Path) -> None:
    """Network mounts are chosen by themselves; here the settings say so."""
    settings = {**AT_ONCE, "watch": "polling", "poll_interval": "1 s"}
    async with (
        ground(tmp_path, "memory", clock=SystemClock(), **settings) as here,
        running(here) as service,
    ):
        await until(lambda: service.watching["m"].stats()["watching"] == "polling")
        await until(lambda: here.told()["scanned_ms"] is not None)
        for seed in range(5):
            here.write(f"late/{seed}.png", seed=seed)
        await until(lambda: here.told()["synced"] == 5)
        assert "looked at every 1 s" in str(service.watching["m"].stats()["remark"])


@pytest.mark.real
def test_a_burst_of_files_into_a_watched_tree(tmp_path: Path) -> None:
    """Copied while the daemon stands still, into folders that are there already: more changes than
    the kernel keeps for it.
    """
    count = scaled(60_000)
    kept, staged = Kept(tmp_path), tmp_path / "staged"
    for number in range(count):
        folder = staged / f"{number // 1000:02}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number:05}.png").write_bytes(small(number))
    for folder in staged.iterdir():
        (kept.folder / folder.name).mkdir()
    with kept.living() as daemon:
        wait(lambda: kept.told()["scanned_ms"] is not None, 20, "watching")
        daemon.process.send_signal(signal.SIGSTOP)
        subprocess.run(["cp", "-r", f"{staged}/.", kept.folder], check=True)
        daemon.process.send_signal(signal.SIGCONT)
        seen = wait(lambda: kept.told()["files"] == count, 300, "all files were seen")
        told = kept.told()
        print(f"{count} files seen {seen:.1f} s after the last: {told['watcher']}")
        assert told["watcher"]["overflows"] >= 1
        assert "changes may have gone by unseen" in kept("status").output
        done = wait(lambda: kept.told()["synced"] == count, 3600 * SCALE + 300, "in step")
        print(f"in step {done:.1f} s later")
    assert names_in(kept.boards / "Board") == count
