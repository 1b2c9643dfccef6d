"""The API on TCP: one server for both sockets, and who connects gets what their socket allows."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from boardsync.config.http import Address, HttpSettings
from boardsync.engine.service import Service
from boardsync.errors import NeedsPerson, SettingsError
from boardsync.web.control import serving
from boardsync.web.guard import LARGEST_HEAD, Guard, rules_for
from boardsync.web.listening import (
    HEAD_SECONDS,
    MOST_CONNECTIONS,
    Server,
    any_exposed,
    listen_on_tcp,
)
from engine.world import World, world

TOKEN = "correct-horse-battery-staple"
BEARER = {"authorization": f"Bearer {TOKEN}"}


@pytest.fixture
def ipv6() -> None:
    """Skip where this machine has no IPv6, not even to itself."""
    try:
        free_port("::1")
    except OSError as error:
        pytest.skip(f"::1 is not there: {error}")


def free_port(host: str = "127.0.0.1") -> int:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as asking:
        asking.bind((host, 0))
        return int(asking.getsockname()[1])


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path) as made:
        yield made


def service_at(here: World, tmp_path: Path, listen: object, token: str = TOKEN) -> Service:
    """Return a service whose settings ask for TCP."""
    place = tmp_path / "token"
    place.write_text(f"{token}\n")
    place.chmod(0o600)
    http = HttpSettings.model_validate({"listen": listen, "token": {"file": str(place)}})
    here.assembly.settings = here.assembly.settings.model_copy(update={"http": http})
    return Service(here.assembly)


@contextlib.asynccontextmanager
async def asking(port: int, host: str = "127.0.0.1") -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=f"http://{host}:{port}", timeout=20) as made:
        yield made


class TestSockets:
    async def test_one_server_answers_on_both_and_each_has_its_own_rules(
        self, here: World, tmp_path: Path
    ) -> None:
        port, path = free_port(), tmp_path / "run" / "control.sock"
        service = service_at(here, tmp_path, port)
        unix = httpx.AsyncHTTPTransport(uds=str(path))
        async with (
            serving(service, path),
            asking(port) as tcp,
            httpx.AsyncClient(transport=unix, base_url="http://anything") as own,
        ):
            body = {"subject": "nowhere.png"}
            assert (await own.post("/again", json=body)).status_code == 200
            assert (await tcp.post("/again", json=body)).status_code == 401
            assert (await tcp.post("/again", json=body, headers=BEARER)).status_code == 200
            assert (await tcp.get("/version")).json() == (await own.get("/version")).json()
            other = await tcp.get("/version", headers={"host": "evil.example"})
            assert other.status_code == 403
            assert "server" not in other.headers
        with pytest.raises(httpx.ConnectError):
            async with asking(port) as tcp:
                await tcp.get("/version")
        assert not path.exists()

    async def test_tcp_alone_is_served_when_there_is_no_socket(
        self, here: World, tmp_path: Path
    ) -> None:
        port = free_port()
        async with serving(service_at(here, tmp_path, port), None), asking(port) as tcp:
            assert (await tcp.get("/version")).status_code == 200

    async def test_a_port_that_is_taken_is_told_and_leaves_nothing_behind(
        self, here: World, tmp_path: Path
    ) -> None:
        path = tmp_path / "control.sock"
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            with pytest.raises(NeedsPerson, match=f"127.0.0.1:{port}: the daemon cannot listen"):
                await serving(service_at(here, tmp_path, port), path).__aenter__()
        assert not path.exists()

    async def test_the_port_is_free_again_when_the_unix_socket_cannot_be_made(
        self, here: World, tmp_path: Path
    ) -> None:
        port, path = free_port(), tmp_path / "control.sock"
        path.write_bytes(b"a picture")
        with pytest.raises(NeedsPerson, match="is there and no socket"):
            await serving(service_at(here, tmp_path, port), path).__aenter__()
        socket.create_server(("127.0.0.1", port)).close()

    async def test_a_name_of_this_machine_that_others_can_reach_needs_the_token_for_all(
        self, here: World, tmp_path: Path
    ) -> None:
        """Whatever `localhost` stands for in this machine's files."""

        def everywhere(address: Address, _: object) -> list[socket.socket]:
            return [socket.create_server(("0.0.0.0", address.port))]

        port = free_port()
        service = service_at(here, tmp_path, f"localhost:{port}")
        async with serving(service, None, everywhere), asking(port) as tcp:
            assert (await tcp.get("/version")).status_code == 401
            assert (await tcp.get("/version", headers=BEARER)).status_code == 200

        http = service.assembly.settings.http.model_copy(update={"token": None})
        service.assembly.settings = service.assembly.settings.model_copy(update={"http": http})
        with pytest.raises(SettingsError, match="other machines"):
            await serving(service, None, everywhere).__aenter__()
        socket.create_server(("127.0.0.1", port)).close()

    @pytest.mark.usefixtures("ipv6")
    async def test_the_loopback_of_ipv6_is_this_machine_to_itself_alone(
        self, here: World, tmp_path: Path
    ) -> None:
        port = free_port("::1")
        service = service_at(here, tmp_path, f"[::1]:{port}")
        async with serving(service, None), asking(port, "[::1]") as tcp:
            assert (await tcp.get("/version")).status_code == 200
            assert (await tcp.post("/again", json={"subject": "a"})).status_code == 401
            answer = await tcp.post("/again", json={"subject": "a"}, headers=BEARER)
            assert answer.status_code == 200
            for host, status in (
                (f"[::1]:{port}", 200), ("[::1]", 200), (f"[0:0:0:0:0:0:0:1]:{port}", 200),
                (f"localhost:{port}", 200), (f"[::2]:{port}", 403), (f"::1:{port}", 403),
            ):  # fmt: skip
                assert (await tcp.get("/version", headers={"host": host})).status_code == status
            with pytest.raises(httpx.ConnectError):
                async with asking(port) as other:
                    await other.get("/version")

    @pytest.mark.usefixtures("ipv6")
    async def test_it_lets_look_without_a_token_and_all_addresses_of_ipv6_do_not(
        self, here: World, tmp_path: Path
    ) -> None:
        port = free_port("::1")
        service = service_at(here, tmp_path, f"[::1]:{port}")
        http = service.assembly.settings.http.model_copy(update={"token": None})
        service.assembly.settings = service.assembly.settings.model_copy(update={"http": http})
        async with serving(service, None), asking(port, "[::1]") as tcp:
            assert (await tcp.get("/version")).status_code == 200
            assert (await tcp.post("/again", json={"subject": "a"})).status_code == 403

        service = service_at(here, tmp_path, f"[::]:{port}")
        async with serving(service, None), asking(port, "[::1]") as tcp:
            assert (await tcp.get("/version")).status_code == 401
            assert (await tcp.get("/version", headers=BEARER)).status_code == 200
            async with asking(port) as old:  # one socket answers for the other protocol, too
                assert (await old.get("/version", headers=BEARER)).status_code == 200

    async def test_a_token_that_could_be_guessed_is_refused(
        self, here: World, tmp_path: Path
    ) -> None:
        with pytest.raises(SettingsError, match="shorter than 16"):
            await serving(service_at(here, tmp_path, free_port(), "hunter2"), None).__aenter__()

    def test_a_name_that_nobody_knows_is_told(self) -> None:
        with pytest.raises(NeedsPerson, match=r"nobody\.invalid:80: the daemon cannot listen"):
            listen_on_tcp(Address("nobody.invalid", 80))

    def test_an_address_that_this_machine_does_not_have_is_told(self) -> None:
        with pytest.raises(NeedsPerson, match="cannot listen there: Cannot assign"):
            listen_on_tcp(Address("192.0.2.7", free_port()))

    def test_what_other_machines_can_reach_is_told_by_the_socket_not_by_its_name(self) -> None:
        with contextlib.ExitStack() as stack:
            for host, exposed in (("127.0.0.1", False), ("localhost", False), ("0.0.0.0", True)):
                made = listen_on_tcp(Address(host, free_port()))
                for one in made:
                    stack.callback(one.close)
                assert any_exposed(made) is exposed


class TestConnections:
    """What somebody can do who reaches the port and says nothing that makes sense."""

    @pytest.fixture
    async def port(self) -> AsyncIterator[int]:
        async with answering(HEAD_SECONDS) as made:
            yield made

    @pytest.fixture
    async def impatient(self) -> AsyncIterator[int]:
        async with answering(1.0) as made:
            yield made

    async def test_a_head_that_does_not_end_is_given_up(self, impatient: int) -> None:
        async with connected(impatient) as (reader, writer):
            writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-")
            assert await read_all(reader) == b""

    async def test_nor_does_a_second_head_on_the_same_connection(self, impatient: int) -> None:
        async with connected(impatient) as (reader, writer):
            writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert (await reader.readuntil(b"well")).startswith(b"HTTP/1.1 200")
            writer.write(b"GET ")
            assert await read_all(reader) == b""

    async def test_silence_is_given_up(self, impatient: int) -> None:
        async with connected(impatient) as (reader, _):
            assert await read_all(reader) == b""

    async def test_an_endless_head_is_refused(self, port: int) -> None:
        async with connected(port) as (reader, writer):
            writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ")
            writer.write(b"a" * LARGEST_HEAD)
            assert (await read_all(reader)).startswith(b"HTTP/1.1 400")

    async def test_two_lengths_or_two_requests_in_one_are_no_way_around(self, port: int) -> None:
        smuggled = b"POST /once HTTP/1.1\r\nHost: localhost\r\n\r\n"
        for head in (
            b"Content-Length: 0\r\nContent-Length: 44\r\n",
            b"Content-Length: 44\r\nTransfer-Encoding: chunked\r\n",
        ):
            async with connected(port) as (reader, writer):
                writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n" + head + b"\r\n" + smuggled)
                told = await read_all(reader)
            assert b"401" in told or told.startswith(b"HTTP/1.1 400")
            assert told.count(b"200") <= 1

    async def test_an_upgrade_is_not_followed(self, port: int) -> None:
        async with connected(port) as (reader, writer):
            writer.write(
                b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade\r\n"
                b"Upgrade: websocket\r\n\r\n"
            )
            assert (await reader.readuntil(b"well")).startswith(b"HTTP/1.1 200")

    async def test_too_many_connections_are_closed_and_the_others_stay(self, port: int) -> None:
        async with contextlib.AsyncExitStack() as stack:
            pairs = [await stack.enter_async_context(connected(port)) for _ in range(
                MOST_CONNECTIONS + 1
            )]  # fmt: skip
            pairs[0][1].write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert (await pairs[0][0].readuntil(b"well")).startswith(b"HTTP/1.1 200")
            assert await read_all(pairs[-1][0]) == b""


@contextlib.asynccontextmanager
async def answering(head_seconds: float) -> AsyncIterator[int]:
    """Serve an API that is well, on TCP; yield its port."""

    async def api(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"content-length", b"4")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"well"})

    port = free_port()
    address = Address("127.0.0.1", port)
    guard = Guard(api, rules_for(address, [], TOKEN))
    server = Server(api, guard, head_seconds=head_seconds)
    task = asyncio.create_task(server.serve(sockets=listen_on_tcp(address)))
    try:
        while not server.started:
            await asyncio.sleep(0.01)
        yield port
    finally:
        server.end()
        await task


@contextlib.asynccontextmanager
async def connected(
    port: int,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def read_all(reader: asyncio.StreamReader) -> bytes:
    """Read until the other side closes, or cuts, the connection."""
    try:
        async with asyncio.timeout(10):
            return await reader.read()
    except ConnectionError:
        return b""
