"""The control API: its socket is its owner's alone, its answers are the engine's."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import stat
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from boardsync import __version__
from boardsync.engine.service import Service, carrying
from boardsync.errors import NeedsPerson, NoRoom
from boardsync.telemetry import names
from boardsync.telemetry.counters import counters
from boardsync.web.control import GRACE_SECONDS, make_app, serving
from engine.world import World, picture, world


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path) as made:
        yield made


@pytest.fixture
def service(here: World) -> Service:
    return Service(here.assembly)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run" / "control.sock"


def client(path: Path) -> httpx.AsyncClient:
    transport = httpx.AsyncHTTPTransport(uds=str(path))
    return httpx.AsyncClient(transport=transport, base_url="http://boardsync", timeout=20)


class TestSocket:
    async def test_it_is_its_owners_alone_and_gone_afterwards(
        self, service: Service, path: Path
    ) -> None:
        async with serving(service, path), client(path) as asking:
            mode = path.lstat().st_mode
            assert (stat.S_ISSOCK(mode), stat.S_IMODE(mode)) == (True, 0o600)
            assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
            told = (await asking.get("/version")).json()
            assert told == {"version": __version__, "pid": os.getpid()}
        assert not path.exists()

    async def test_no_socket_is_made_where_none_is_wanted(
        self, service: Service, tmp_path: Path
    ) -> None:
        before = sorted(os.listdir(tmp_path))
        async with serving(service, None):
            assert sorted(os.listdir(tmp_path)) == before

    async def test_the_socket_of_a_dead_process_is_replaced(
        self, service: Service, path: Path
    ) -> None:
        path.parent.mkdir()
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(path))
        async with serving(service, path), client(path) as asking:
            assert (await asking.get("/version")).status_code == 200

    @pytest.mark.parametrize("backlog", [8, 0])
    async def test_the_socket_of_a_living_process_is_left_to_it(
        self, service: Service, path: Path, backlog: int
    ) -> None:
        path.parent.mkdir()
        with listening(path, backlog):
            with pytest.raises(NeedsPerson, match="another boardsync"):
                await serving(service, path).__aenter__()
            assert path.is_socket()

    async def test_a_picture_in_its_place_is_not_removed(
        self, service: Service, path: Path
    ) -> None:
        path.parent.mkdir()
        path.write_bytes(picture(1))
        with pytest.raises(NeedsPerson, match="is there and no socket"):
            await serving(service, path).__aenter__()
        assert path.read_bytes() == picture(1)

    async def test_a_place_where_none_can_be_made_is_told(
        self, service: Service, tmp_path: Path
    ) -> None:
        (tmp_path / "file").write_bytes(b"")
        with pytest.raises(NeedsPerson, match="cannot be made there"):
            await serving(service, tmp_path / "file" / "control.sock").__aenter__()

    async def test_what_another_process_put_in_its_place_stays(
        self, service: Service, path: Path
    ) -> None:
        async with serving(service, path):
            path.unlink()
            path.write_bytes(b"not ours")
        assert path.read_bytes() == b"not ours"

    async def test_whoever_waits_for_a_pass_is_told_when_the_daemon_stops(
        self, here: World, service: Service, path: Path
    ) -> None:
        never = NeverAnswering(here)
        async with asyncio.timeout(20), serving(service, path), client(path) as asking:
            waiting = asyncio.ensure_future(asking.post("/once", json={}))
            await never.asked.wait()
            service.stop()
            answer = await waiting
        assert answer.status_code == 503
        assert "boardsync is stopping" in answer.json()["detail"]

    async def test_an_answer_that_never_comes_does_not_hold_up_the_end(
        self, here: World, service: Service, path: Path
    ) -> None:
        never = NeverAnswering(here)
        async with asyncio.timeout(20), client(path) as asking:
            async with serving(service, path):
                waiting = asyncio.ensure_future(asking.post("/once", json={}))
                await never.asked.wait()
                began = time.monotonic()
            assert time.monotonic() - began < GRACE_SECONDS + 3
            with contextlib.suppress(httpx.HTTPError):
                assert (await waiting).status_code == 500


class NeverAnswering:
    """Has a world's server take a question and say nothing."""

    def __init__(self, here: World) -> None:
        self.asked = asyncio.Event()
        here.server.boards = self._boards  # type: ignore[assignment]

    async def _boards(self) -> None:
        self.asked.set()
        await asyncio.Event().wait()


@contextlib.contextmanager
def listening(path: Path, backlog: int) -> Iterator[None]:
    """Listen as another process would; with no backlog, as one that is too busy to accept."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(socket.socket(socket.AF_UNIX))
        server.bind(str(path))
        server.listen(backlog)
        if backlog == 0:
            stack.enter_context(socket.socket(socket.AF_UNIX)).connect(str(path))
        yield


class TestAnswers:
    """Through the application itself: what the socket adds is tested above."""

    @pytest.fixture
    async def asking(self, service: Service) -> AsyncIterator[httpx.AsyncClient]:
        transport = httpx.ASGITransport(make_app(service))
        async with (
            carrying(service.assembly),
            httpx.AsyncClient(transport=transport, base_url="http://boardsync") as made,
        ):
            yield made

    async def test_once_mirrors_and_tells_what_it_did(
        self, here: World, asking: httpx.AsyncClient
    ) -> None:
        here.write("a.png")
        here.clock.skip(60)
        [told] = (await asking.post("/once", json={"mirrors": ["m"]})).json()
        assert (told["mirror"], told["uploaded"], told["good"]) == ("m", 1, True)
        assert len(here.items()) == 1

    async def test_status_why_and_history_tell_the_same_story(
        self, here: World, asking: httpx.AsyncClient
    ) -> None:
        here.write("a.png")
        here.clock.skip(60)
        await asking.post("/once", json={})
        status = (await asking.get("/status")).json()
        assert status["daemon"] == {"pid": os.getpid(), "version": __version__}
        [mirror] = status["mirrors"]
        assert (mirror["condition"], mirror["synced"], mirror["under_way"]) == ("synced", 1, 0)
        [why] = (await asking.get("/why", params={"subject": "a.png"})).json()
        [run] = (await asking.get("/history", params={"mirror": "m", "limit": 5})).json()
        assert why["links"][0]["run"] == run["id"]
        assert run["uploaded"] == 1

    async def test_again_starts_a_refused_picture_anew_whatever_its_name(
        self, here: World, asking: httpx.AsyncClient
    ) -> None:
        here.write(b"torn\xff\n.png", picture(1)[:-20])
        here.clock.skip(60)
        await asking.post("/once", json={})
        # A lone surrogate is a byte that is no UTF-8; JSON carries it as an escape.
        body = b'{"subject": "pictures/torn\\udcff\\n.png", "here": "%s"}'
        answer = await asking.post(
            "/again", content=body % os.fsencode(here.base),
            headers={"Content-Type": "application/json"},
        )  # fmt: skip
        assert answer.json() == {"m": ["the file is looked at again"]}
        assert (await asking.post("/again", json={"subject": "nowhere.png"})).json() == {}

    async def test_a_stranger_of_a_mirror_is_404_with_the_known_ones(
        self, asking: httpx.AsyncClient
    ) -> None:
        for answer in (
            await asking.post("/once", json={"mirrors": ["nobody"]}),
            await asking.get("/history", params={"mirror": "nobody"}),
        ):
            assert answer.status_code == 404
            assert "no mirror is called 'nobody'" in answer.json()["detail"]

    async def test_what_heals_by_itself_is_503_with_the_reason(
        self, here: World, asking: httpx.AsyncClient, service: Service
    ) -> None:
        async def full(_: object) -> None:
            raise NoRoom("the disk is full")

        here.state.write = full  # type: ignore[assignment, method-assign]
        answer = await asking.post("/again", json={"subject": "a.png"})
        assert (answer.status_code, answer.json()) == (503, {"detail": "the disk is full"})

    @pytest.mark.parametrize(
        ("path", "body"),
        [
            ("/once", {"mirror": ["m"]}),
            ("/once", {"even_paused": 0}),
            ("/pause", {"seconds": True}),
            ("/pause", {"seconds": "60"}),
            ("/undo", {"run": True}),
            ("/undo", {"run": "1"}),
            ("/undo", {"run": 2**53}),
            ("/undo", {"run": -1}),
            ("/trash/purge", {"entries": [2**64]}),
            ("/holds/answer", {"hold": 1.5, "answer": "approved"}),
        ],
    )
    async def test_what_is_misspelt_or_no_number_of_ours_is_422_and_not_repeated(
        self, asking: httpx.AsyncClient, path: str, body: dict[str, object]
    ) -> None:
        answer = await asking.post(path, json=body)
        assert answer.status_code == 422
        [problem] = answer.json()["detail"]
        assert set(problem) == {"type", "loc", "msg"}

    @pytest.mark.parametrize("limit", ["-1", "100001", "9" * 30, "x"])
    async def test_a_limit_out_of_bounds_is_422(
        self, asking: httpx.AsyncClient, limit: str
    ) -> None:
        for path in ("/history", "/trash"):
            assert (await asking.get(path, params={"limit": limit})).status_code == 422

    async def test_what_no_utf8_can_hold_is_answered_all_the_same(
        self, asking: httpx.AsyncClient
    ) -> None:
        headers = {"Content-Type": "application/json"}
        for path, body in (
            ("/once", rb'{"mirrors": ["\udcff"]}'),
            ("/again", rb'{"everything": "\udcff"}'),
            ("/again", rb'{"subject": "\u0000"}'),
            ("/again", rb'{"subject": "\ud800"}'),
            ("/again", rb'{"subject": "a", "here": "\udbff"}'),
            ("/mend", rb'{"subject": "\udfff"}'),
            ("/undo", rb'{"\udcff": 1}'),
        ):
            answer = await asking.post(path, content=body, headers=headers)
            assert answer.status_code in (200, 404, 422)

    @pytest.mark.parametrize("body", [{}, {"subject": 5}, {"subject": ["a"]}])
    async def test_a_question_that_makes_no_sense_is_422(
        self, asking: httpx.AsyncClient, body: dict[str, object]
    ) -> None:
        assert (await asking.post("/again", json=body)).status_code == 422

    async def test_its_numbers_are_told_as_prometheus_reads_them(
        self, asking: httpx.AsyncClient
    ) -> None:
        counters.add(names.WATCH_LOSSES, mirror="m", reason="overflow")
        answer = await asking.get("/metrics")
        assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
        assert 'boardsync_watch_losses_total{mirror="m",reason="overflow"} ' in answer.text

    async def test_its_description_is_complete(self, asking: httpx.AsyncClient) -> None:
        told = (await asking.get("/openapi.json")).json()
        assert set(told["paths"]) == {
            "/version", "/status", "/why", "/history", "/once", "/again",
            "/metrics",
            "/holds", "/holds/answer", "/trash", "/trash/restore", "/trash/purge", "/undo",
            "/adopt", "/adopt/progress", "/adopt/survey", "/verify", "/verify/progress",
            "/reload", "/mend", "/doctor/mend", "/bundle",
            "/health/live", "/health/ready", "/alarms/test", "/pause", "/resume", "/sync",
        }  # fmt: skip
        for operations in told["paths"].values():
            for method, operation in operations.items():
                assert ("security" in operation) is (method == "post")
                assert {"401", "403", "503"} <= operation["responses"].keys()


class TestRemovals:
    """What is asked about removals; what comes of it is tested with the engine."""

    @pytest.fixture
    async def here(self, tmp_path: Path) -> AsyncIterator[World]:
        async with world(tmp_path, policies={"file_deleted": "trash"}) as made:
            for seed in range(20):
                made.write(f"{seed:02}.png", seed=seed)
            await made.look()
            yield made

    @pytest.fixture
    async def asking(self, service: Service) -> AsyncIterator[httpx.AsyncClient]:
        transport = httpx.ASGITransport(make_app(service))
        async with httpx.AsyncClient(transport=transport, base_url="http://boardsync") as made:
            yield made

    async def test_a_hold_is_listed_and_answered_and_its_mirror_looked_at(
        self, here: World, asking: httpx.AsyncClient
    ) -> None:
        for seed in range(15):
            (here.folder / f"{seed:02}.png").unlink()
        await here.look()
        [hold] = (await asking.get("/holds")).json()
        assert hold["count"] == 15

        body = {"hold": hold["hold"], "answer": "approved"}
        told = (await asking.post("/holds/answer", json=body)).json()

        assert told == {"hold": hold["hold"], "mirror": "m", "count": 15}
        assert (await asking.get("/holds")).json() == []
        async with carrying(here.assembly), running(here):
            async with asyncio.timeout(20):
                while len(here.items()) != 5:
                    await asyncio.sleep(0.01)
        again = await asking.post("/holds/answer", json=body)
        assert again.status_code == 404
        assert "there is no hold" in again.json()["detail"]

    async def test_what_was_removed_is_listed_restored_undone_and_purged(
        self, here: World, asking: httpx.AsyncClient
    ) -> None:
        for seed in (1, 2, 3):
            (here.folder / f"{seed:02}.png").unlink()
        await here.look()
        [run] = (await asking.get("/history", params={"limit": 1})).json()
        told = (await asking.get("/trash", params={"mirror": "m", "limit": 2})).json()
        assert (told["mirrors"][0]["count"], len(told["trash"])) == (3, 2)
        newest, older = (one["id"] for one in told["trash"])

        restored = (await asking.post("/trash/restore", json={"entries": [newest]})).json()
        purged = (await asking.post("/trash/purge", json={"entries": [older]})).json()
        undone = (await asking.post("/undo", json={"run": run["id"]})).json()
        left = (await asking.post("/trash/restore", json={"run": run["id"]})).json()

        assert [one["done"] for one in (*restored, *purged, *undone["told"])] == [True] * 3
        assert (left, len(here.items())) == ([], 19)

    async def test_what_one_run_removed_is_purged_and_nothing_else(
        self, here: World, asking: httpx.AsyncClient
    ) -> None:
        for seed in (1, 2, 3):
            (here.folder / f"{seed:02}.png").unlink()
        await here.look()
        (here.folder / "04.png").unlink()
        await here.look()
        lying = (await asking.get("/trash")).json()["trash"]
        first = min(one["run"] for one in lying)

        purged = (await asking.post("/trash/purge", json={"run": first})).json()

        assert [one["done"] for one in purged] == [True] * 3
        left = (await asking.get("/trash")).json()["trash"]
        assert [one["path"] for one in left] == ["04.png"]
        assert (await asking.post("/trash/purge", json={"run": first})).json() == []

    @pytest.mark.parametrize("path", ["/trash/purge", "/trash/restore"])
    async def test_either_entries_or_a_run_are_meant(
        self, asking: httpx.AsyncClient, path: str
    ) -> None:
        for body in ({}, {"entries": []}, {"entries": [1], "run": 1}):
            assert (await asking.post(path, json=body)).status_code == 422
        for good in ({"entries": [99]}, {"run": 99}, {"entries": [], "run": 99}):
            assert (await asking.post(path, json=good)).status_code == 200

    async def test_strangers_are_404_and_what_makes_no_sense_is_422(
        self, asking: httpx.AsyncClient
    ) -> None:
        assert (await asking.post("/undo", json={"run": 99})).status_code == 404
        assert (await asking.get("/trash", params={"mirror": "nobody"})).status_code == 404
        for path, body in (
            ("/holds/answer", {"hold": 1, "answer": "perhaps"}),
            ("/undo", {}),
            ("/trash/restore", {"entries": ["all"]}),
        ):
            assert (await asking.post(path, json=body)).status_code == 422

    async def test_a_stopping_daemon_says_so_before_anything_is_changed(
        self, here: World, service: Service, asking: httpx.AsyncClient
    ) -> None:
        here.server.items = asyncio.Event().wait  # type: ignore[assignment]
        [run] = (await asking.get("/history")).json()
        service.stop()
        answer = await asking.post("/undo", json={"run": run["id"]})
        assert answer.status_code == 503
        assert "boardsync is stopping" in answer.json()["detail"]
        assert len(here.items()) == 20


@contextlib.asynccontextmanager
async def running(here: World) -> AsyncIterator[None]:
    """Let the mirrors' workers take their hints."""
    tasks = [asyncio.create_task(worker.run()) for worker in here.assembly.workers.values()]
    try:
        yield
    finally:
        for worker in here.assembly.workers.values():
            worker.stop()
        await asyncio.gather(*tasks)
