"""The faults of the proxy, seen from a client and a server that speak through it."""

from __future__ import annotations

import random
import socket
import threading
import time
from collections.abc import Iterator

import httpx
import pytest

from real.tcp_proxy import (
    BLACK_HOLE,
    STEADY,
    Ending,
    FaultProxy,
    Line,
    Program,
    troubled,
)
from servers.fake_http import HttpServer, Request, Response, in_thread

SECONDS = 10.0
PICTURE = bytes(range(256)) * 400


class Echo:
    """An HTTP server that remembers what it was asked and answers with what was sent."""

    def __init__(self) -> None:
        self.done: list[str] = []

    async def __call__(self, request: Request) -> Response:
        self.done.append(f"{request.method} {request.path}")
        return Response(200, request.body or PICTURE, "application/octet-stream")


@pytest.fixture
def echo() -> Echo:
    return Echo()


@pytest.fixture
def port(echo: Echo) -> Iterator[int]:
    with in_thread(HttpServer(echo)) as server:
        yield server.port


@pytest.fixture
def proxy(port: int) -> Iterator[FaultProxy]:
    with FaultProxy(port, seed=1, seconds=60) as proxy:
        yield proxy


@pytest.fixture
def client(proxy: FaultProxy) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=proxy.url, timeout=SECONDS) as client:
        yield client


def always(line: Line) -> Program:
    return lambda number, chance: line


class TestWithoutFaults:
    def test_requests_and_answers_of_one_connection_pass_whole_and_are_noted(
        self, proxy: FaultProxy, client: httpx.Client, echo: Echo
    ) -> None:
        assert client.post("/images/upload?a=1", content=PICTURE).content == PICTURE
        assert client.get("/images/full").content == PICTURE
        assert list(proxy.requests) == ["POST /images/upload?a=1", "GET /images/full"]
        assert echo.done == ["POST /images/upload", "GET /images/full"]
        assert not proxy.happened

    def test_what_is_no_http_passes_too(self) -> None:
        with (
            socket.create_server(("127.0.0.1", 0)) as server,
            FaultProxy(server.getsockname()[1], seconds=60) as proxy,
            socket.create_connection(("127.0.0.1", proxy.port), SECONDS) as client,
        ):
            proxy.lose("GET /")
            client.sendall(b"\x00\x01 hello\n")
            answering, _ = server.accept()
            with answering:
                answering.settimeout(SECONDS)
                assert answering.recv(100) == b"\x00\x01 hello\n"
                answering.sendall(b"\x02")
                assert client.recv(100) == b"\x02"

    def test_a_server_that_is_away_is_a_closed_connection(self, port: int) -> None:
        with socket.create_server(("127.0.0.1", 0)) as nobody:
            free = nobody.getsockname()[1]
        # Closed while the request lies there unread, a connection is reset.
        closed = (httpx.RemoteProtocolError, httpx.ReadError)
        with FaultProxy(free, seconds=60) as proxy, pytest.raises(closed):
            httpx.get(proxy.url, timeout=SECONDS)


class TestLines:
    @pytest.mark.parametrize(
        ("ending", "error"),
        [(Ending.CLOSE, httpx.RemoteProtocolError), (Ending.RESET, httpx.ReadError)],
    )
    def test_an_answer_is_cut_after_so_many_bytes(
        self, proxy: FaultProxy, client: httpx.Client, ending: Ending, error: type[Exception]
    ) -> None:
        proxy.behave(always(Line(down=50_000, ending=ending)))
        got = 0
        with pytest.raises(error), client.stream("GET", "/") as answer:  # noqa: PT012
            for piece in answer.iter_raw():
                got += len(piece)
        assert got <= 50_000
        assert proxy.happened == {ending.value: 1}

    def test_a_request_is_cut_after_so_many_bytes_and_never_carried_out(
        self, proxy: FaultProxy, client: httpx.Client, echo: Echo
    ) -> None:
        proxy.behave(always(Line(up=1_000)))
        with pytest.raises(httpx.TransportError):
            client.post("/", content=PICTURE)
        assert echo.done == []

    def test_a_black_hole_takes_everything_and_gives_nothing(
        self, proxy: FaultProxy, echo: Echo
    ) -> None:
        proxy.behave(always(BLACK_HOLE))
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(proxy.url, content=PICTURE, timeout=0.2)
        assert echo.done == []
        assert proxy.happened == {"silent": 1}

    def test_silence_may_begin_in_the_middle_of_an_answer(
        self, proxy: FaultProxy, echo: Echo
    ) -> None:
        proxy.behave(always(Line(down=1_000, ending=Ending.SILENCE)))
        with pytest.raises(httpx.ReadTimeout):
            httpx.get(f"{proxy.url}/there", timeout=0.2)
        assert echo.done == ["GET /there"]

    def test_a_delay_and_a_narrow_line_take_their_time(
        self, proxy: FaultProxy, client: httpx.Client
    ) -> None:
        proxy.behave(always(Line(delay=0.05, bytes_per_second=1_000_000)))
        began = time.monotonic()
        assert client.get("/").content == PICTURE
        # A sleep may end a moment early.
        assert time.monotonic() - began >= 0.9 * (0.1 + len(PICTURE) / 1_000_000)

    def test_the_same_seed_gives_the_same_lines(self) -> None:
        program = troubled(0.5)

        def lines(seed: int) -> list[Line]:
            return [program(n, random.Random(f"{seed} {n}")) for n in range(200)]

        assert lines(7) == lines(7)
        assert lines(7) != lines(8)
        assert 60 <= sum(line is not STEADY for line in lines(7)) <= 140


class TestAnswers:
    def test_a_lost_answer_belongs_to_a_request_that_was_carried_out(
        self, proxy: FaultProxy, client: httpx.Client, echo: Echo
    ) -> None:
        proxy.lose("POST /images", every=2)
        assert client.post("/images/1").status_code == 200
        with pytest.raises(httpx.RemoteProtocolError):
            client.post("/images/2", content=PICTURE)
        assert client.get("/images/3").status_code == 200
        assert client.post("/images/4").status_code == 200
        assert echo.done == ["POST /images/1", "POST /images/2", "GET /images/3", "POST /images/4"]
        assert proxy.happened == {"lost": 1}

    def test_only_so_many_answers_are_lost(self, proxy: FaultProxy, client: httpx.Client) -> None:
        proxy.lose("GET /", times=1)
        with pytest.raises(httpx.RemoteProtocolError):
            client.get("/")
        assert client.get("/").status_code == 200

    def test_a_late_answer_belongs_to_a_request_that_was_carried_out_at_once(
        self, proxy: FaultProxy, echo: Echo
    ) -> None:
        proxy.delay("POST /", 30, times=1)
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{proxy.url}/slow", content=PICTURE, timeout=0.3)
        assert echo.done == ["POST /slow"]
        proxy.calm()
        proxy.delay("POST /", 0.2)
        began = time.monotonic()
        assert httpx.post(proxy.url, content=PICTURE, timeout=SECONDS).content == PICTURE
        assert time.monotonic() - began >= 0.2

    def test_the_callback_comes_after_the_work_and_before_the_answer(
        self, proxy: FaultProxy, client: httpx.Client, echo: Echo
    ) -> None:
        seen: list[list[str]] = []
        passed_on = threading.Event()

        def look() -> None:
            assert not passed_on.is_set()
            seen.append(list(echo.done))

        proxy.when_answered("POST /images", look, after=2)
        client.post("/images/1")
        assert seen == []
        assert client.post("/images/2", content=PICTURE).content == PICTURE
        passed_on.set()
        client.post("/images/3")
        assert seen == [["POST /images/1", "POST /images/2"]]

    def test_calm_lets_everything_pass_again_and_frees_who_hangs(
        self, proxy: FaultProxy, client: httpx.Client
    ) -> None:
        proxy.behave(always(BLACK_HOLE))
        proxy.lose("GET /")
        ended: list[Exception] = []

        def hang() -> None:
            try:
                client.get("/hangs")
            except httpx.TransportError as error:
                ended.append(error)

        hanging = threading.Thread(target=hang)
        hanging.start()
        while not proxy.happened:
            time.sleep(0.01)
        proxy.calm()
        hanging.join(SECONDS)
        assert [type(error) for error in ended] == [httpx.RemoteProtocolError]
        assert client.get("/").content == PICTURE


def test_it_stops_by_itself(port: int) -> None:
    with FaultProxy(port, seconds=0.2) as proxy:
        assert httpx.get(proxy.url, timeout=SECONDS).content == PICTURE
        proxy._thread.join(SECONDS)
        assert not proxy._thread.is_alive()
        proxy.calm()
        with pytest.raises(httpx.ConnectError):
            httpx.get(proxy.url, timeout=SECONDS)
