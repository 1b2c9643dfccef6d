"""Boards of this machine are listed when something happened there, and else left alone."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from boardsync.engine.board_news import BoardNews
from boardsync.engine.crew import Crew
from boardsync.engine.watching import Watching
from boardsync.model import Listing
from engine.world import World, picture, world

POLL = {"listing_poll_min": "2 s", "listing_poll_max": "50 s"}


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path) as made:
        made.settings["schedule"] = POLL
        made.write("a.png")
        await made.restart()
        await made.look()
        yield made


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def looking(here: World, *, live: bool) -> AsyncIterator[None]:
    """Run the mirror's worker; begin when it has listed its board and nothing was news since."""
    worker = here.assembly.workers["m"]
    worker.hear_of_boards(live=live)
    worker.hint_everything("start")
    task = asyncio.create_task(worker.run())
    before = worker.walks
    await until(lambda: worker.walks > before)
    here.server.calls.clear()
    try:
        yield
    finally:
        worker.stop()
        await task


async def pass_time(here: World, seconds: float) -> None:
    """Let time pass for the worker, which a hint at nothing wakes again and again."""
    until_then = here.clock.ahead + seconds
    while here.clock.ahead < until_then:
        here.clock.skip(10)
        here.assembly.workers["m"].wake()
        await asyncio.sleep(0.01)


async def test_boards_that_are_heard_of_are_not_listed_by_the_clock(here: World) -> None:
    async with looking(here, live=True):
        await pass_time(here, 1000)
        assert here.server.calls["listing"] == 0


async def test_boards_that_are_not_are(here: World) -> None:
    async with looking(here, live=False):
        await pass_time(here, 1000)
        assert here.server.calls["listing"] >= 10


async def test_news_of_a_board_that_takes_a_second_to_list_wait_for_ten(
    here: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    listing, worker = here.server.listing, here.assembly.workers["m"]

    async def slow(*arguments: Any) -> Listing:
        here.clock.skip(1.0)
        return await listing(*arguments)

    monkeypatch.setattr(here.server, "listing", slow)
    async with looking(here, live=True):
        told = here.clock.monotonic()
        worker.hint_board_news()
        await until(lambda: here.server.calls["listing"] == 1)
        assert here.clock.monotonic() - told < 15


async def test_a_slow_disk_of_ours_does_not_put_off_the_next_listing(
    here: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = here.state.write

    async def slow(work: Any) -> Any:
        here.clock.skip(1.0)
        return await write(work)

    monkeypatch.setattr(here.state, "write", slow)
    here.server.put(here.board().board_id, "new.png", picture(2), size=(24, 16))
    async with looking(here, live=False):
        listed = here.clock.monotonic()
        await until(lambda: here.server.calls["listing"] == 1)
        assert here.clock.monotonic() - listed < 15


async def test_news_have_them_listed_once(here: World) -> None:
    worker = here.assembly.workers["m"]
    async with looking(here, live=True):
        here.clock.skip(60)
        worker.hint_board_news()
        await until(lambda: here.server.calls["listing"] == 1)
        await pass_time(here, 1000)
        assert here.server.calls["listing"] == 1


async def test_news_do_not_have_them_listed_more_often_than_the_clock_would(here: World) -> None:
    worker = here.assembly.workers["m"]
    async with looking(here, live=True):
        for _ in range(100):
            worker.hint_board_news()
            await asyncio.sleep(0)
        assert here.server.calls["listing"] == 0
        here.clock.skip(60)
        worker.wake()
        await until(lambda: here.server.calls["listing"] == 1)


async def test_what_was_listed_in_part_is_listed_again_by_the_clock(here: World) -> None:
    mirror = here.assembly.mirrors[0]
    async with looking(here, live=True):
        mirror.partly_listed.add(1)
        here.clock.skip(60)
        here.assembly.workers["m"].wake()
        await until(lambda: here.server.calls["listing"] >= 1)


async def test_when_they_are_heard_of_no_more_the_clock_is_back(here: World) -> None:
    worker = here.assembly.workers["m"]
    async with looking(here, live=True):
        here.clock.skip(60)
        worker.hear_of_boards(live=False)
        await until(lambda: here.server.calls["listing"] >= 1)


class TestHearing:
    """The worker of a mirror is tied to a directory of this machine."""

    @pytest.fixture
    def boards(self, here: World, tmp_path: Path) -> Path:
        """Where the boards would be; the server in memory stands for one that has them there."""
        directory = tmp_path / "boards"
        (directory / str(here.board().board_id)).mkdir(parents=True)
        here.server.capabilities = replace(here.server.capabilities, directory=str(directory))
        return directory

    async def test_a_change_on_the_mirrors_board_is_heard_and_on_others_it_is_not(
        self, here: World, boards: Path
    ) -> None:
        worker = here.assembly.workers["m"]
        crew = Crew(here.clock)
        crew.begin(worker)
        try:
            await until(lambda: worker._boards_told)
            await until(lambda: not worker.has_board_news)  # it was listed after that
            (boards / "another").mkdir()
            (boards / "another" / "b.png").write_bytes(picture(2))
            await asyncio.sleep(0.1)
            assert not worker.has_board_news
            listings = here.server.calls["listing"]
            (boards / str(here.board().board_id) / "b.png").write_bytes(picture(2))
            await until(lambda: here.server.calls["listing"] > listings)
        finally:
            worker.stop()
            await crew.end_all()

    @pytest.mark.usefixtures("boards")
    async def test_watches_are_given_back_to_a_folder_that_has_none(self, here: World) -> None:
        watching = Watching(here.assembly.workers["m"], here.clock)
        news = BoardNews(here.assembly.workers["m"], watching, here.clock)
        watching._start_or_check()
        try:
            assert news._check() is True
            assert watching._watcher is not None
            before = watching._watcher
            watching._watcher._mode = "polling"
            watching._watcher._close()
            watching._watcher.check()
            assert watching.kind == "polling"
            assert news._check() is False
            watching._start_or_check()
            assert watching._watcher is not before  # tried anew, with the watches that are free
            assert watching.kind == "native"
            assert news._check() is False
        finally:
            news._close()
            assert watching._watcher is not None
            watching._watcher.stop()
