"""The index follows the passes: what settled, and nothing that nobody asked for."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from boardsync.engine import indexing
from boardsync.engine.assembly import nobody
from boardsync.engine.clock import SystemClock
from boardsync.engine.indexing import Indexing
from boardsync.engine.passes import Look, Pass
from boardsync.engine.steering import pause, resume
from boardsync.errors import TryAgain
from boardsync.index import reading
from boardsync.index.database import remove, using
from boardsync.index.query import parse_query
from boardsync.index.search import Wanted, search
from boardsync.index.standing import standing_of
from engine.world import World, world
from generation_samples import png
from index.index_kit import parameters


class Followed:
    """A world whose passes an index follows."""

    def __init__(self, here: World) -> None:
        self.here = here
        self.indexing = Indexing(here.assembly)
        self.moment = 1_000_000_000
        self.index = here.base / "index.db"

    def picture(self, name: str, prompt: str) -> Path:
        path = self.here.write(name, png({"parameters": parameters(prompt)}))
        self.moment += 1
        os.utime(path, (self.moment, self.moment))
        return path

    async def follow(self, *, look: bool = True) -> None:
        """Make a pass, and let the index follow for as long as it has something to do."""
        if look:
            await self.here.look()
        task = asyncio.create_task(self.indexing.run())
        for _ in range(10):
            while self.indexing.at_work:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.03)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    def names(self, query: str) -> list[str]:
        wanted = Wanted(parse_query(query))
        found = using(self.index, lambda index: search(index, wanted)).hits
        return sorted(os.path.basename(hit.name) for hit in found)


@pytest.fixture
async def followed(tmp_path: Path) -> AsyncIterator[Followed]:
    async with world(tmp_path) as here:
        yield Followed(here)


async def test_it_follows_what_passes_see(followed: Followed) -> None:
    path = followed.picture("a.png", "a cat")
    followed.picture("sub/b.png", "a cat")
    await followed.follow()
    assert followed.names("cat") == ["a.png", "b.png"]
    path.rename(followed.here.folder / "c.png")
    followed.picture("sub/b.png", "a dog")
    await followed.follow()
    assert (followed.names("cat"), followed.names("dog")) == (["c.png"], ["b.png"])
    (followed.here.folder / "c.png").unlink()
    await followed.follow()
    assert followed.names("") == ["b.png"]


async def test_what_could_not_be_read_is_read_at_the_next_walk(
    followed: Followed, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = reading.read

    def failing(path: bytes, **_: bool) -> object:
        raise reading.TryAgain(f"{os.fsdecode(path)}: the disk hums")

    followed.picture("a.png", "a cat")
    monkeypatch.setattr(reading, "read", failing)
    await followed.follow()
    assert followed.names("cat") == []
    monkeypatch.setattr(reading, "read", read)
    await followed.follow()
    assert followed.names("cat") == ["a.png"]


async def test_a_paused_mirror_is_left_alone(followed: Followed) -> None:
    followed.picture("a.png", "a cat")
    await followed.here.look()
    await pause(followed.here.assembly, [])
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(followed.indexing.run(), 0.3)
    assert not followed.index.exists()
    await resume(followed.here.assembly, [])
    await followed.follow()
    assert followed.names("cat") == ["a.png"]


async def test_a_place_that_cannot_be_written_stops_nothing_and_heals(followed: Followed) -> None:
    followed.picture("a.png", "a cat")
    followed.index.mkdir()
    await followed.follow()
    followed.index.rmdir()
    await followed.follow()
    assert followed.names("cat") == ["a.png"]


@pytest.mark.parametrize("asked_for", [False, True])
async def test_what_a_pass_noted_before_it_failed_is_found_after_the_next(
    followed: Followed, monkeypatch: pytest.MonkeyPatch, asked_for: bool
) -> None:
    """The next pass sees nothing new: the state knows it already."""
    followed.picture("a.png", "a cat")
    await followed.follow()
    followed.picture("b.png", "a cat")
    followed.here.clock.skip(120.0)
    [worker] = followed.here.assembly.workers.values()
    look = worker.reconciler.look

    async def failing(asked: Look) -> Pass:
        await look(asked)
        raise TryAgain("the state's disk hums")

    monkeypatch.setattr(worker.reconciler, "look", failing)
    if asked_for:
        with pytest.raises(TryAgain):
            await worker.pass_now(Look.everywhere("asked"))
    else:
        await worker._guarded(Look.everywhere("event"))
    monkeypatch.setattr(worker.reconciler, "look", look)
    await followed.follow()
    assert followed.names("cat") == ["a.png", "b.png"]


async def test_what_was_noted_while_a_folder_went_away_is_found_when_it_is_back(
    followed: Followed,
) -> None:
    followed.picture("a.png", "a cat")
    await followed.follow()
    followed.picture("b.png", "a cat")
    followed.here.assembly.passed = nobody
    await followed.here.look()
    followed.here.assembly.passed = followed.indexing.hear
    followed.here.folder.rename(followed.here.base / "away")
    await followed.here.look()
    (followed.here.base / "away").rename(followed.here.folder)
    await followed.follow()
    assert followed.names("cat") == ["a.png", "b.png"]


async def test_when_what_stood_in_the_way_is_over_no_pass_is_needed(
    followed: Followed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexing, "RETRY_SECONDS", 0.01)
    monkeypatch.setattr(followed.here.clock, "wait", SystemClock().wait)
    followed.picture("a.png", "a cat")
    followed.index.mkdir()
    await followed.follow()
    followed.index.rmdir()
    await followed.follow(look=False)
    assert followed.names("cat") == ["a.png"]


async def test_a_removed_index_is_made_anew_at_once(
    followed: Followed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(followed.here.clock, "wait", SystemClock().wait)
    followed.picture("a.png", "a cat")
    await followed.follow()
    remove(followed.index)
    followed.indexing.begin_anew()
    await followed.follow(look=False)
    assert followed.names("cat") == ["a.png"]


async def test_a_pass_that_sees_nothing_new_notes_when_it_looked(followed: Followed) -> None:
    followed.picture("a.png", "a cat")
    await followed.follow()
    [before] = using(followed.index, standing_of)
    await followed.follow()
    [after] = using(followed.index, standing_of)
    assert (before.looked_ms or 0) < (after.looked_ms or 0)
    assert (after.mirror, after.unread) == ("m", 0)


def test_a_daemon_with_nothing_to_index_holds_nothing_for_it() -> None:
    script = (
        "import sys; import boardsync.engine.service\n"
        "print(*(name for name in sys.modules if name.startswith(('boardsync.index', "
        "'boardsync.metadata', 'boardsync.picture.generation'))))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.stdout.strip(), done.returncode) == ("", 0), done.stderr
