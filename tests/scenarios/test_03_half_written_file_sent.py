"""3. Half-written file sent: whatever a writer does, no picture on the server is ever truncated."""

from __future__ import annotations

import contextlib
import heapq
import itertools
import os
import random
import time
from pathlib import Path

import pytest

from boardsync.plan.settling import LEFT_ALONE_SECONDS
from scenarios.ground import Ground, shown
from scenarios.reality import SCALE, Kept, scaled, wait
from scenarios.writers import FORMATS, WRITERS, drawn
from torture.writing import visible


def require_whole(here: Ground, wanted: set[str]) -> int:
    """Everything on the server shows a whole picture; return how many are on the board."""
    held = [shown(content) for content in here.hands.contents().values()]
    assert set(held) <= wanted
    assert {shown(content) for content in here.hands.trash()} <= wanted
    return len(held)


async def test_slow_writers_of_every_kind_and_format(here: Ground, chance: random.Random) -> None:
    """Each rest is longer than any file has to be quiet."""
    writing, wanted = [], set()
    ways = itertools.product(FORMATS, WRITERS.values())
    for seed, (extension, writer) in enumerate(ways):
        content = drawn(extension, seed)
        wanted.add(shown(content))
        path = here.folder / f"{writer.__name__}-{seed}{extension}"
        writing.append(writer(path, content, chance))
    count = len(writing)
    while writing:
        writing = [one for one in writing if next(one, "done") != "done"]
        touch_by_the_clock(here)
        began = here.clock.monotonic()
        await here.look()
        if here.clock.monotonic() - began >= LEFT_ALONE_SECONDS:
            pytest.skip("so busy a machine that this rest was longer than reserved room is awaited")
        require_whole(here, wanted)

    await here.settled()
    assert require_whole(here, wanted) == count
    assert (here.told()["condition"], here.told()["synced"]) == ("synced", count)


async def test_a_picture_that_is_truncated_and_written_anew_is_never_seen_in_between(
    here: Ground, chance: random.Random
) -> None:
    before, after = drawn(".png", 900), drawn(".png", 901)
    path = here.folder / "a.png"
    path.write_bytes(before)
    await here.look()
    with path.open("r+b", buffering=0) as stream:
        for cut in sorted([0, *chance.sample(range(1, len(after)), 3)]):
            stream.seek(0)
            stream.truncate(0)
            stream.write(after[:cut])
            await here.look()
            assert [shown(one) for one in here.hands.contents().values()] == [shown(before)]
        stream.write(after[cut:])

    await here.settled()
    assert [shown(one) for one in here.hands.contents().values()] == [shown(after)]
    assert [shown(one) for one in here.hands.trash()] == [shown(before)]


def touch_by_the_clock(here: Ground) -> None:
    """What was just written was written now, although the clock is ahead of the disk's."""
    now = here.clock.now_ns()
    for path in visible(here.folder):
        os.utime(path, ns=(now, now))


@pytest.mark.parametrize("kind", ["memory", "invokeai"], indirect=True)
async def test_a_writer_that_never_ends_is_told_and_never_sent(here: Ground) -> None:
    content = drawn(".png", 902)
    (here.folder / "torn.png").write_bytes(content[:-30])
    for _ in range(3):
        await here.look()
    told = here.told()
    assert (told["condition"], told["refused"], here.server.sent) == ("incomplete", 1, 0)
    assert "cut short" in told["refusals"][0]["reason"]


@pytest.mark.real
def test_a_thousand_slow_writers(tmp_path: Path, chance: random.Random) -> None:
    """All at once, each with rests of up to 6 s, longer than a file has to be quiet here."""
    kept = Kept(tmp_path)
    kept.configure(quiet="500ms")
    writing, wanted = [], set()
    for seed in range(scaled(1000)):
        extension, writer = chance.choice([*FORMATS]), chance.choice([*WRITERS.values()])
        content = drawn(extension, seed)
        wanted.add(shown(content))
        path = kept.folder / f"{writer.__name__}-{seed:04}{extension}"
        steps = writer(path, content, random.Random(chance.random()))
        heapq.heappush(writing, (time.monotonic() + chance.uniform(0, 10), seed, steps))
    count = len(writing)
    seen: dict[tuple[str, int], str] = {}
    with kept.living():
        while writing:
            moment, seed, steps = heapq.heappop(writing)
            while time.monotonic() < moment:
                look_at(kept, seen)
                time.sleep(0.05)
            if next(steps, "done") != "done":
                later = time.monotonic() + chance.uniform(0.2, 6)
                heapq.heappush(writing, (later, seed, steps))
        wait(lambda: kept.told()["synced"] == count, 120 + 400 * SCALE, "all are in step")
        look_at(kept, seen)
    assert set(seen.values()) == wanted
    assert sorted(shown(one) for one in kept.items().values()) == sorted(wanted)


def look_at(kept: Kept, seen: dict[tuple[str, int], str]) -> None:
    """Look once at everything that ever lay on the board, in its trash too."""
    for path in [*visible(kept.boards), *visible(kept.boards / ".boardsync" / "trash")]:
        with contextlib.suppress(FileNotFoundError):
            key = (path.name, path.stat().st_ino)
            if key not in seen:
                seen[key] = shown(path.read_bytes())
