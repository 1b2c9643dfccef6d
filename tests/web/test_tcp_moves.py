"""The way in over TCP changes while the daemon runs: nobody is cut off, nothing is half done."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from boardsync.config.http import HttpSettings
from boardsync.config.model import Settings
from boardsync.engine.service import Service
from boardsync.errors import SettingsError
from boardsync.web.control import serving
from boardsync.web.listening import listen_on_tcp
from boardsync.web.tcp import Tcp
from engine.world import World, world
from web.test_tcp import BEARER, TOKEN, asking, free_port, service_at

OTHER = {"authorization": "Bearer another-horse-battery-staple"}


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path) as made:
        yield made


class Api:
    """An application whose requests wait until they are let go."""

    def __init__(self) -> None:
        self.app = FastAPI()
        self.began, self.go = asyncio.Event(), asyncio.Event()

        @self.app.get("/slow")
        async def slow() -> str:
            self.began.set()
            await self.go.wait()
            return "done"

        @self.app.get("/quick")
        async def quick() -> str:
            return "done"


def at(listen: object, **more: object) -> Settings:
    return Settings(http=HttpSettings.model_validate({"listen": listen, **more}))


async def follow(tcp: Tcp, settings: Settings) -> None:
    change = await tcp.follow(settings)
    assert change is not None
    change.make()


async def refused(port: int) -> bool:
    try:
        async with asking(port) as tcp:
            await tcp.get("/quick")
    except httpx.ConnectError:
        return True
    return False


@pytest.fixture
def api() -> Api:
    return Api()


@pytest.fixture
async def tcp(api: Api) -> AsyncIterator[Tcp]:
    made = Tcp(lambda: api.app, listen_on_tcp)
    yield made
    await made.close()


class TestMoving:
    async def test_a_request_under_way_at_the_old_address_is_answered(
        self, api: Api, tcp: Tcp
    ) -> None:
        old, new = free_port(), free_port()
        await follow(tcp, at(old))
        async with asking(old) as before, asking(new) as after:
            waiting = asyncio.create_task(before.get("/slow"))
            await asyncio.wait_for(api.began.wait(), 10)
            await follow(tcp, at(new))
            assert (await after.get("/quick")).json() == "done"
            assert await refused(old)
            api.go.set()
            assert (await waiting).json() == "done"

    async def test_one_that_never_ends_is_cut_off_when_the_daemon_stops(
        self, api: Api, tcp: Tcp
    ) -> None:
        old = free_port()
        await follow(tcp, at(old))
        async with asking(old) as before:
            waiting = asyncio.create_task(before.get("/slow"))
            await asyncio.wait_for(api.began.wait(), 10)
            await follow(tcp, at(None))
            async with asyncio.timeout(10):
                await tcp.close()
            with pytest.raises(httpx.HTTPError):
                await waiting

    async def test_the_old_address_stays_until_the_new_one_is_taken_into_use(
        self, tcp: Tcp
    ) -> None:
        old, new = free_port(), free_port()
        await follow(tcp, at(old))
        change = await tcp.follow(at(new))
        assert change is not None
        assert not await refused(old)
        change.drop()
        assert not await refused(old)
        socket.create_server(("127.0.0.1", new)).close()

    @pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
    async def test_the_same_port_on_more_addresses_is_no_hindrance_and_back(
        self, tcp: Tcp, tmp_path: Path, host: str
    ) -> None:
        place, port = tmp_path / "token", free_port()
        place.write_text(TOKEN)
        await follow(tcp, at(f"{host}:{port}"))
        await follow(tcp, at(f"0.0.0.0:{port}", token={"file": str(place)}))
        async with asking(port) as after:
            assert (await after.get("/quick")).status_code == 401
            assert (await after.get("/quick", headers=BEARER)).status_code == 200
        with pytest.raises(OSError, match="in use"):
            socket.create_server(("127.0.0.1", port), reuse_port=False)
        await follow(tcp, at(f"{host}:{port}"))
        assert not await refused(port)

    async def test_it_is_opened_and_closed(self, tcp: Tcp) -> None:
        port = free_port()
        assert await tcp.follow(at(None)) is None
        await follow(tcp, at(port))
        assert not await refused(port)
        assert await tcp.follow(at(port)) is None
        await follow(tcp, at(None))
        assert await refused(port)


class TestToken:
    async def test_a_new_token_counts_at_once_on_connections_that_are_open(
        self, tcp: Tcp, tmp_path: Path
    ) -> None:
        place, port = tmp_path / "token", free_port()
        place.write_text(TOKEN)
        settings = at(f"0.0.0.0:{port}", token={"file": str(place)})
        await follow(tcp, settings)
        async with asking(port) as open_all_the_time:
            assert (await open_all_the_time.get("/quick", headers=BEARER)).status_code == 200
            place.write_text(OTHER["authorization"].removeprefix("Bearer "))
            await follow(tcp, settings)
            assert (await open_all_the_time.get("/quick", headers=BEARER)).status_code == 401
            assert (await open_all_the_time.get("/quick", headers=OTHER)).status_code == 200

    async def test_one_that_is_gone_leaves_the_old_one(self, tcp: Tcp, tmp_path: Path) -> None:
        place, port = tmp_path / "token", free_port()
        place.write_text(TOKEN)
        settings = at(f"0.0.0.0:{port}", token={"file": str(place)})
        await follow(tcp, settings)
        place.unlink()
        with pytest.raises(SettingsError, match="cannot be read"):
            await tcp.follow(settings)
        async with asking(port) as asked:
            assert (await asked.get("/quick", headers=BEARER)).status_code == 200


async def test_a_port_that_is_taken_is_told_and_both_ways_in_stay(
    here: World, tmp_path: Path
) -> None:
    port, path = free_port(), tmp_path / "control.sock"
    service: Service = service_at(here, tmp_path, port)
    unix = httpx.AsyncHTTPTransport(uds=str(path))
    async with (
        serving(service, path),
        httpx.AsyncClient(transport=unix, base_url="http://boardsync") as own,
    ):
        inode = path.stat().st_ino
        [follower] = service.followers[1:]
        with socket.create_server(("127.0.0.1", 0)) as taken:
            wanted = taken.getsockname()[1]
            with pytest.raises(SettingsError, match=f"127.0.0.1:{wanted}: the daemon cannot list"):
                await follower(at(wanted))
        assert not await refused(port)
        change = await follower(at(None))
        assert change is not None
        change.make()
        assert (await own.get("/version")).status_code == 200
        assert path.stat().st_ino == inode
        assert await refused(port)
