"""Uploads go side by side only to versions that go on working meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from boardsync.errors import NotAuthorised, ServerBusy, ServerUnreachable
from boardsync.model import Outcome, Upload, UploadResult
from boardsync.servers.invokeai import InvokeAIServer
from boardsync.servers.port import Server
from boardsync.servers.wrappers import Policy, compose
from servers.fake_http import Request, Response
from servers.fake_invokeai import DROPPED, LOST, WEB_PAGE, FakeInvokeAI, Fault, proxy_page, status
from servers.invokeai_kit import png, upload_of
from servers.meters import Meters

STORING_SECONDS = 0.02
PICTURES = [png((shade, 0, 0)) for shade in range(6)]


class SlowInvokeAI(FakeInvokeAI):
    """A fake that takes its time to store a picture. most: uploads that ran at one time."""

    under_way = 0
    most = 0

    async def _handle(self, request: Request) -> Response:
        if not request.path.endswith("/images/upload"):
            return await super()._handle(request)
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            await asyncio.sleep(STORING_SECONDS)
            return await super()._handle(request)
        finally:
            self.under_way -= 1


@asynccontextmanager
async def slow(version: str, *, paced: bool = True) -> AsyncIterator[tuple[Server, SlowInvokeAI]]:
    """Give a server as the engine has it, two uploads at one time, on a slow fake."""
    async with SlowInvokeAI(version) as fake:
        bare = fake.server(paced=paced)
        server = compose(bare, Policy(uploads_at_once=2), Meters())
        try:
            yield server, fake
        finally:
            await server.aclose()


@pytest.fixture
async def fake() -> AsyncIterator[FakeInvokeAI]:
    async with FakeInvokeAI("6.13.8") as fake:
        yield fake


@pytest.fixture
async def server(fake: FakeInvokeAI) -> AsyncIterator[InvokeAIServer]:
    server = fake.server()
    yield server
    await server.aclose()


def uploads() -> list[Upload]:
    return [upload_of(content) for content in PICTURES]


async def send_together(server: Server) -> list[Outcome]:
    """Send all pictures at one time, as the engine does while there is room."""
    answers = await asyncio.gather(*(server.upload(None, [one]) for one in uploads()))
    return [result.outcome for [result] in answers]


async def send(server: Server, number: int = 0) -> UploadResult:
    [result] = await server.upload(None, [uploads()[number]])
    return result


@pytest.mark.parametrize(
    ("version", "most"), [("5.15.0", 1), ("6.8.1", 1), ("6.13.8", 1), ("6.14.2", 2)]
)
async def test_a_version_that_stands_still_gets_one_upload_at_a_time_without_any_probe(
    version: str, most: int
) -> None:
    async with slow(version) as (server, fake):
        assert await send_together(server) == [Outcome.STORED] * len(PICTURES)
        assert fake.most == most
        assert server.capabilities.uploads_at_once == most
        assert fake.requests["version"] == 1


async def test_the_number_that_a_person_chose_wins() -> None:
    async with slow("6.13.8", paced=False) as (server, fake):
        assert await send_together(server) == [Outcome.STORED] * len(PICTURES)
        assert fake.most == 2
        assert fake.requests["version"] == 0


@pytest.mark.parametrize(
    ("before", "after", "most"), [("6.13.8", "6.14.2", 2), ("6.14.2", "6.13.8", 1)]
)
async def test_after_a_lost_connection_the_version_may_be_another(
    before: str, after: str, most: int
) -> None:
    async with slow(before) as (server, fake):
        await send_together(server)
        await fake.stop()
        with pytest.raises(ServerUnreachable):
            await send(server)
        fake.version, fake.most = after, 0
        await fake.start()
        assert await send_together(server) == [Outcome.STORED] * len(PICTURES)
        assert fake.most == most
        assert server.capabilities.uploads_at_once == most


async def test_a_probe_tells_the_version_too(server: InvokeAIServer, fake: FakeInvokeAI) -> None:
    await server.probe()
    await send(server)
    assert fake.requests["version"] == 1


@pytest.mark.parametrize("fault", [WEB_PAGE, status(403), status(500)])
async def test_while_the_version_cannot_be_known_uploads_go_one_by_one(fault: Fault) -> None:
    async with slow("6.14.2") as (server, fake):
        fake.inject("version", fault, times=len(PICTURES))
        assert await send_together(server) == [Outcome.STORED] * len(PICTURES)
        assert fake.most == 1
        fake.most = 0
        await send_together(server)
        assert fake.most == 2


@pytest.mark.parametrize(
    ("fault", "error"),
    [(DROPPED, ServerUnreachable), (proxy_page(502), ServerBusy), (status(401), NotAuthorised)],
)
async def test_a_server_that_is_not_there_is_told_before_the_picture_is_sent(
    server: InvokeAIServer, fake: FakeInvokeAI, fault: Fault, error: type[Exception]
) -> None:
    fake.inject("version", fault, times=2)
    with pytest.raises(error):
        await send(server)
    assert fake.requests["upload"] == 0


async def test_an_upload_that_fails_or_is_given_up_lets_the_next_one_go() -> None:
    async with slow("6.13.8") as (server, fake):
        fake.inject("upload", LOST)
        assert (await send(server)).outcome is Outcome.UNKNOWN
        given_up = asyncio.create_task(send(server, 1))
        while not fake.under_way:
            await asyncio.sleep(0)
        given_up.cancel()
        with pytest.raises(asyncio.CancelledError):
            await given_up
        assert (await send(server, 2)).outcome is Outcome.STORED
