"""Aiming: a strike comes with the event that was waited for, and with no other."""

from __future__ import annotations

import os
import random
import threading
from pathlib import Path

import httpx
import pytest

from real.tcp_proxy import FaultProxy
from servers.fake_http import HttpServer, Request, Response, in_thread
from torture.aims import Aim, Aims, Answered, Watched, Whenever
from torture.inotify import Event, Happening, Inotify

SECONDS = 10.0


def moved_in(folder: Path, after: int = 1) -> Watched:
    return Watched("stored", lambda: [folder], Happening.MOVED_IN, lambda event: True, after)


def move_in(folder: Path, name: str) -> None:
    (folder.parent / name).write_bytes(b"picture")
    os.rename(folder.parent / name, folder / name)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "board"
    made.mkdir()
    return made


def test_inotify_tells_what_happened_to_which_name(folder: Path) -> None:
    with Inotify() as inotify:
        inotify.watch([folder], Happening.MADE | Happening.MOVED_IN)
        assert inotify.wait(0.01) == []
        (folder / "made.png").touch()
        move_in(folder, "n\u00e4me.png")
        assert inotify.wait(SECONDS) == [
            Event(Happening.MADE, "made.png"),
            Event(Happening.MOVED_IN, "n\u00e4me.png"),
        ]


def test_inotify_refuses_a_directory_that_is_not_there(folder: Path) -> None:
    with Inotify() as inotify, pytest.raises(FileNotFoundError):
        inotify.watch([folder / "gone"], Happening.MADE)


def test_a_watched_aim_strikes_at_the_nth_event_and_not_before(folder: Path) -> None:
    strikes: list[int] = []
    aim = moved_in(folder, after=2)
    with aim.armed(lambda: strikes.append(len(list(folder.iterdir())))) as wait:
        move_in(folder, "1.png")
        assert not wait(0.05)
    with aim.armed(lambda: strikes.append(len(list(folder.iterdir())))) as wait:
        move_in(folder, "2.png")
        move_in(folder, "3.png")
        assert wait(SECONDS)
    assert strikes == [3]


def test_an_aim_at_a_directory_that_is_not_made_yet_waits_its_time_out(folder: Path) -> None:
    with moved_in(folder / "later").armed(pytest.fail) as wait:
        assert not wait(0.05)


def test_an_answered_aim_strikes_before_the_client_has_its_answer() -> None:
    order: list[str] = []

    async def answer(request: Request) -> Response:
        order.append(f"done {request.path}")
        return Response(200, b"{}")

    with in_thread(HttpServer(answer)) as server, FaultProxy(server.port, seconds=60) as proxy:
        aim = Answered("stored", proxy, "POST /images", 2)
        with aim.armed(lambda: order.append("strike")) as wait:
            for number in (1, 2):
                httpx.post(f"{proxy.url}/images/{number}", timeout=SECONDS)
                order.append("answered")
            assert wait(SECONDS)
        httpx.post(f"{proxy.url}/images/3", timeout=SECONDS)
    assert order == [
        "done /images/1", "answered", "done /images/2", "strike", "answered", "done /images/3",
    ]  # fmt: skip


def test_an_aim_at_random_strikes_whatever_happens() -> None:
    struck = threading.Event()
    with Whenever(0.0).armed(struck.set) as wait:
        assert wait(0.0)
    assert struck.is_set()


def test_the_same_seed_chooses_the_same_aims(folder: Path) -> None:
    def names(seed: int) -> list[str]:
        state = folder / "state.db"
        aims = Aims(random.Random(seed), folder, state, boards=folder)
        chosen: list[Aim] = [aims.choose() for _ in range(100)]
        return [aim.name for aim in chosen]

    assert names(1) == names(1)
    assert names(1) != names(2)
    assert {"at random", "upload stored", "mark written", "in a commit"} < set(names(1))
