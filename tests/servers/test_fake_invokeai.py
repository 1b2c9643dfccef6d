"""The fake InvokeAI as other tests use it: in a loop, in a thread, stopped and started."""

from __future__ import annotations

import asyncio
import json
import urllib.request

import httpx
import pytest

from servers.fake_invokeai import HANGING, LOST, FakeInvokeAI, status
from servers.invokeai_kit import png


def version_of(url: str) -> object:
    with urllib.request.urlopen(f"{url}/api/v1/app/version", timeout=5) as answer:
        return json.load(answer)["version"]


def test_it_serves_tests_without_a_loop_from_a_thread() -> None:
    with FakeInvokeAI("6.0.2").in_thread() as fake:
        assert version_of(fake.url) == "6.0.2"
        assert fake.requests["version"] == 1


async def test_it_keeps_its_port_and_its_data_over_a_restart() -> None:
    fake = FakeInvokeAI()
    async with fake:
        url = fake.url
        fake.store.add_board("one")
    async with fake:
        assert fake.url == url
        assert await asyncio.to_thread(version_of, url) == "6.14.2"
        assert len(fake.store.boards) == 1


async def test_faults_strike_in_their_order_and_then_end() -> None:
    async with FakeInvokeAI() as fake, httpx.AsyncClient(base_url=fake.url) as http:
        fake.inject("version", status(503), status(500), times=2)
        answers = [await http.get("/api/v1/app/version") for _ in range(4)]
        assert [answer.status_code for answer in answers] == [503, 500, 500, 200]


async def test_a_lost_answer_has_done_its_work() -> None:
    async with FakeInvokeAI() as fake, httpx.AsyncClient(base_url=fake.url) as http:
        fake.inject("create_board", LOST)
        with pytest.raises(httpx.RemoteProtocolError):
            await http.post("/api/v1/boards/", params={"board_name": "one"})
        assert len(fake.store.boards) == 1


async def test_it_stops_although_a_request_hangs() -> None:
    async with FakeInvokeAI() as fake, httpx.AsyncClient(base_url=fake.url) as http:
        fake.inject("version", HANGING)
        asking = asyncio.ensure_future(http.get("/api/v1/app/version"))
        while not fake.requests["version"]:
            await asyncio.sleep(0)
        await fake.stop()
        with pytest.raises(httpx.HTTPError):
            await asking


async def test_times_never_repeat_even_when_the_clock_stands_still() -> None:
    fake = FakeInvokeAI(clock_ms=lambda: 1_795_218_301_250)
    images = [fake.store.add_image(png()) for _ in range(3)]
    assert len({image.created_at for image in images}) == 3
    assert images[0].created_at == "2026-11-20 23:45:01.250"
