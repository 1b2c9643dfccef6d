"""What a container, a load balancer or a person is answered about the daemon's health."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from boardsync.engine.service import Service
from boardsync.web.control import make_app
from engine.world import World, world
from servers.fake_http import HttpServer, Request, Response, json_response

STUCK = 300.0


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path) as made:
        yield made


@pytest.fixture
def service(here: World) -> Service:
    return Service(here.assembly)


@pytest.fixture
async def asking(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(make_app(service))
    async with httpx.AsyncClient(transport=transport, base_url="http://boardsync") as made:
        yield made


async def test_a_daemon_that_was_looked_at_and_is_well_is_ready(
    here: World, asking: httpx.AsyncClient
) -> None:
    here.write("a.png")
    answer = await asking.get("/health/ready")
    assert answer.status_code == 503
    told = answer.json()
    assert (told["ready"], told["healthy"]) == (False, True)
    assert told["reasons"] == ["m: the first look is under way"]

    await here.look()
    answer = await asking.get("/health/ready")
    assert answer.status_code == 200
    assert answer.json() == {"ready": True, "healthy": True, "reasons": [], "causes": []}


async def test_what_is_stuck_makes_it_red_with_the_reason(
    here: World, asking: httpx.AsyncClient
) -> None:
    here.server.faults.unreachable = True
    await here.look(patience=0.0)
    answer = await asking.get("/health/ready")
    assert (answer.status_code, answer.json()["reasons"]) == (200, [])
    [cause] = answer.json()["causes"]
    assert (cause["cause"], cause["stuck"], cause["level"]) == ("server:server", False, "warning")

    here.clock.skip(STUCK)
    answer = await asking.get("/health/ready")
    told = answer.json()
    assert (answer.status_code, told["ready"], told["healthy"]) == (503, False, False)
    [reason] = told["reasons"]
    assert reason.startswith("m waits: server server: connection refused")
    assert (await asking.get("/health/live")).status_code == 200, "no restart mends a server"

    here.server.faults.unreachable = False
    await here.look()
    assert (await asking.get("/health/ready")).status_code == 200


async def test_status_tells_what_the_last_look_found(
    here: World, service: Service, asking: httpx.AsyncClient
) -> None:
    here.server.faults.unreachable = True
    await here.look(patience=0.0)
    here.clock.skip(STUCK)
    service.health.look()
    service.health.look()
    [cause] = (await asking.get("/status")).json()["health"]
    assert (cause["cause"], cause["subject"]) == ("server:server", "server")


async def test_a_daemon_whose_writer_does_not_answer_is_not_alive(
    here: World, service: Service, asking: httpx.AsyncClient
) -> None:
    answer = await asking.get("/health/live")
    assert (answer.status_code, answer.json()) == (200, {"live": True, "reasons": []})
    service.health.answer_seconds = 0.05
    hold = threading.Event()
    blocking = asyncio.ensure_future(here.state.write(lambda _: hold.wait(20)))
    await asyncio.sleep(0.02)
    answer = await asking.get("/health/live")
    hold.set()
    await blocking
    assert answer.status_code == 503
    assert answer.json()["reasons"] == ["the state file could not be written within 0.05 s"]


async def test_alarms_can_be_tried_on_a_running_daemon(here: World) -> None:
    got: list[Request] = []

    async def handle(request: Request) -> Response:
        got.append(request)
        return json_response({})

    server = await HttpServer(handle).start()
    here.settings["alarms"] = {
        "channels": [
            {"webhook": f"http://127.0.0.1:{server.port}/hook"},
            {"command": ["/nothing/there"]},
        ]
    }
    await here.restart()
    transport = httpx.ASGITransport(make_app(Service(here.assembly)))
    async with httpx.AsyncClient(transport=transport, base_url="http://boardsync") as asking:
        told = (await asking.post("/alarms/test")).json()
    await server.stop()
    assert [(one["channel"], one["arrived"]) for one in told] == [
        ("webhook at 127.0.0.1", True), ("command /nothing/there", False),
    ]  # fmt: skip
    assert [one.json()["event"] for one in got] == ["test"]
