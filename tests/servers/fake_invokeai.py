"""A fake InvokeAI on a real socket: its API for boards and images, with its quirks and faults.

    async with FakeInvokeAI() as fake:
        server = fake.server()              # an InvokeAIServer that talks to it
        fake.inject("upload", LOST)         # the next upload is stored, its answer is lost

`version` chooses whose behaviour is imitated, 5.15 to 6.14.2. `fake.store` holds boards
and images and may be changed at will; `fake.requests` counts requests by route. Measured
against the real server by `tests/real/test_invokeai_real.py`. As a script it runs in the
foreground: `python -m servers.fake_invokeai --port 9090` (with `tests` as PYTHONPATH).
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import json
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final, Self

from boardsync.servers.invokeai import InvokeAIClient, InvokeAIServer
from servers.fake_http import Delivery, HttpServer, Request, Response, in_thread, json_response
from servers.fake_invokeai_routes import Routes
from servers.fake_invokeai_store import Clock, FakeStore
from servers.fake_invokeai_wire import refusal

PAGE: Final = Response(200, b"<!DOCTYPE html><title>Invoke</title>", "text/html; charset=utf-8")
OPEN_ROUTES: Final = frozenset({"version", "auth_status", "login"})
FILE_ROUTES: Final = frozenset(
    {"upload", "full", "thumbnail", "star", "unstar", "move", "move_many", "remove_many"}
    | {"delete_image", "delete_images"}
)
"""What storage maintenance blocks."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that goes wrong with one request.

    works: the request is carried out before its answer goes astray. answer: given instead
    of the real one; None keeps the real one and only delivers it badly.
    """

    works: bool = False
    answer: Response | None = None
    delivery: Delivery = Delivery.WHOLE


LOST: Final = Fault(works=True, delivery=Delivery.NEVER)
DROPPED: Final = Fault(delivery=Delivery.NEVER, answer=Response(200, b""))
HANGING: Final = Fault(works=True, delivery=Delivery.HANGING)
CUT: Final = Fault(works=True, delivery=Delivery.CUT)
WEB_PAGE: Final = Fault(answer=PAGE)


def status(code: int, detail: str = "out of order", **headers: str) -> Fault:
    """Answer with an error of the API instead of working. Underscores become dashes."""
    return Fault(answer=json_response({"detail": detail}, code, **headers))


def proxy_page(code: int) -> Fault:
    """Answer as a proxy in front of the server would."""
    return Fault(answer=Response(code, b"<html>proxy</html>", "text/html"))


class FakeInvokeAI:
    """One fake server. Start it with `async with`, `start` and `stop`, or `in_thread`.

    accounts: e-mails and passwords; with any, the server asks for a login. maintenance:
    files are being moved. torn_reads: how many reads of a new upload come too early.
    requests, log, bodies: counts, heads and last bodies of what was asked, by route.
    reencode: False keeps PNGs as they come, which is quicker and otherwise alike.
    """

    def __init__(
        self,
        version: str = "6.14.2",
        *,
        accounts: Mapping[str, str] | None = None,
        prefix: str = "",
        reencode: bool = True,
        clock_ms: Clock | None = None,
        port: int = 0,
    ) -> None:
        self.version = version
        self.store = FakeStore(clock_ms, reencode=reencode)
        self.requests: Counter[str] = Counter()
        self.log: deque[Request] = deque(maxlen=1000)
        self.bodies: dict[str, bytes] = {}
        self.accounts = dict(accounts or {})
        self.maintenance = False
        self.torn_reads = 0
        self.hidden_boards: set[str] = set()
        self._prefix = prefix
        self._tokens: dict[str, str] = {}
        self._issued = 0
        self._faults: dict[str, deque[Fault]] = {}
        self.routes = Routes(self)
        self._http = HttpServer(self._handle, port)

    @property
    def url(self) -> str:
        """The address that goes into the settings."""
        return f"http://127.0.0.1:{self._http.port}{self._prefix}"

    @property
    def release(self) -> tuple[int, ...]:
        """The version as numbers."""
        return tuple(int(number) for number in self.version.split("."))

    def server(self, name: str = "fake", **options: Any) -> InvokeAIServer:
        """Return a new adapter that talks to this fake; close it with `aclose`."""
        return InvokeAIServer(name, self.url, **options)

    def client(self, name: str = "fake", **options: Any) -> InvokeAIClient:
        """Return a new client that talks to this fake; close it with `aclose`."""
        return InvokeAIClient(name, self.url, **options)

    def inject(self, route: str, *faults: Fault, times: int = 1) -> None:
        """Let the next requests of a route go wrong, in this order, the last `times` times."""
        queue = self._faults.setdefault(route, deque())
        queue.extend(faults[:-1])
        queue.extend([faults[-1]] * times)

    def revoke_tokens(self) -> None:
        """Make all tokens invalid, as a change of the password does."""
        self._tokens.clear()

    async def start(self) -> Self:
        """Begin to listen; after `stop` on the same port again."""
        await self._http.start()
        return self

    async def stop(self) -> None:
        """Refuse connections from now on and break the open ones. The data stays."""
        await self._http.stop()

    @contextmanager
    def in_thread(self) -> Iterator[Self]:
        """Run in a thread of its own, for tests without an event loop."""
        with in_thread(self._http):
            yield self

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def _handle(self, request: Request) -> Response:
        self.log.append(replace(request, body=b""))
        route, arguments = self.routes.find(request, self._prefix)
        self.requests[route] += 1
        self.bodies[route] = request.body
        fault = self._fault(route)
        if fault is None:
            return self._answer(route, request, arguments)
        answer = fault.answer
        if fault.works:
            answer = self._answer(route, request, arguments)
        assert answer is not None
        return replace(answer, delivery=fault.delivery)

    def _fault(self, route: str) -> Fault | None:
        for name in (route, "any"):
            if self._faults.get(name):
                return self._faults[name].popleft()
        return None

    def _answer(self, route: str, request: Request, arguments: list[str]) -> Response:
        if route == "unknown":
            return self._unknown(request)
        if self.accounts and route not in OPEN_ROUTES and not self._authorised(request):
            return refusal(401, "Missing authentication credentials")
        if self.maintenance and route in FILE_ROUTES:
            return refusal(409, "Image storage maintenance is active")
        answer = self.routes.call(route, request, arguments)
        if self.accounts and request.method != "GET" and answer.status < 400 and route != "login":
            renewed = self._token(self.user_of(request))
            answer = replace(answer, headers={**answer.headers, "x-refreshed-token": renewed})
        return self._packed(route, request, answer)

    def _unknown(self, request: Request) -> Response:
        if request.method == "GET" and self.release >= (6, 12):
            return PAGE
        return refusal(404 if request.method == "GET" else 405, "Not Found")

    def _packed(self, route: str, request: Request, answer: Response) -> Response:
        """Pack what the server packs: up to 6.13 that is everything, pictures too."""
        asked = "gzip" in request.headers.get("accept-encoding", "")
        picture = answer.media_type.startswith("image/")
        if not asked or (picture and self.release >= (6, 14)) or len(answer.body) < 1000:
            return answer
        headers = {**answer.headers, "content-encoding": "gzip"}
        return replace(answer, body=gzip.compress(answer.body, 1), headers=headers)

    def _authorised(self, request: Request) -> bool:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        return token in self._tokens

    def user_of(self, request: Request) -> str:
        """Return the id of the account that a request comes from; without accounts, of all."""
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        return self._tokens.get(token, "system")

    def _token(self, user_id: str) -> str:
        self._issued += 1
        token = f"token-{self._issued}"
        self._tokens[token] = user_id
        return token

    def login(self, body: Mapping[str, object]) -> Response:
        """Answer a login."""
        if not self.accounts:
            return refusal(403, "Multiuser mode is disabled.")
        email = str(body.get("email"))
        if email not in self.accounts or self.accounts[email] != body.get("password"):
            return refusal(401, "Incorrect email or password")
        days = 7 if body.get("remember_me") else 1
        user_id = f"user of {email}"
        user = {"user_id": user_id, "email": email, "is_admin": True}
        answer = {"token": self._token(user_id), "user": user, "expires_in": days * 86_400}
        return json_response(answer, set_cookie="invokeai_media_token=abc; HttpOnly; Path=/")


async def _serve(port: int, version: str) -> None:
    async with FakeInvokeAI(version, port=port, reencode=False) as fake:
        print(json.dumps({"url": fake.url, "version": fake.version}), flush=True)
        await asyncio.Event().wait()


def main() -> None:
    """Run a fake in the foreground; it prints its address as one line of JSON."""
    parser = argparse.ArgumentParser(description="Run a fake InvokeAI.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--version", default="6.14.2")
    options = parser.parse_args()
    try:
        asyncio.run(_serve(options.port, options.version))
    except KeyboardInterrupt:
        print("Stopping.")


if __name__ == "__main__":
    main()
