"""Attempts to get into the API over TCP, one after the other, and what comes of each."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Any

import httpx
import pytest

from boardsync.config.http import Address
from boardsync.errors import SettingsError
from boardsync.telemetry import names
from boardsync.telemetry.counters import counters
from boardsync.web import guard
from boardsync.web.guard import LARGEST_BODY, LARGEST_HEAD, MOST_AT_ONCE, Guard, Rules, rules_for

TOKEN = "correct-horse-battery-staple"
HERE = "127.0.0.1:8765"
BEARER = {"authorization": f"Bearer {TOKEN}"}
LOOPBACK = rules_for(Address("127.0.0.1", 8765), ["mirror.example"], TOKEN)
NO_TOKEN = rules_for(Address("127.0.0.1", 8765), [], None)
EXPOSED = rules_for(Address("0.0.0.0", 8765), ["nas.local"], TOKEN)


class Api:
    """Stands behind the guard: remembers what reached it, and answers with the body."""

    def __init__(self) -> None:
        self.reached: list[str] = []
        self.wait: asyncio.Event | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.reached.append(f"{scope['method']} {scope['path']}")
        body = (await receive())["body"]
        if self.wait is not None:
            await self.wait.wait()
        headers = [(b"content-type", b"text/plain")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body or b"well"})


@pytest.fixture
def api() -> Api:
    return Api()


def asking(api: Api, rules: Rules = LOOPBACK) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(Guard(api, rules))
    return httpx.AsyncClient(transport=transport, base_url=f"http://{HERE}")


async def attempt(
    api: Api, method: str, path: str = "/status", rules: Rules = LOOPBACK, **given: Any
) -> httpx.Response:
    async with asking(api, rules) as client:
        return await client.request(method, path, **given)


class TestNames:
    """A page that made its own name mean this machine must not read anything."""

    @pytest.mark.parametrize(
        "host",
        ["127.0.0.1:8765", "localhost", "LOCALHOST:8765", "localhost.", "[::1]:8765", "[::1]",
         "mirror.example", "Mirror.Example.:443", "127.0.0.1:9"],
    )  # fmt: skip
    async def test_its_own_names_are_let_in(self, api: Api, host: str) -> None:
        answer = await attempt(api, "GET", headers={"host": host})
        assert (answer.status_code, api.reached) == (200, ["GET /status"])

    @pytest.mark.parametrize(
        "host",
        ["evil.example", "evil.example:8765", "127.0.0.1.evil.example", "localhost.evil.example",
         "evil.example#localhost", "localhost@evil.example", "127.0.0.2", "0.0.0.0:8765",
         "2130706433", "127.1", "[::ffff:127.0.0.1]", "[::1", "::1]", "::1", "::1:8765",
         "localhost:8765:8765",
         "localhost:", "localhost:x", "localhost evil.example", "localhost,evil.example", "",
         "xn--localhost", "localhost\t", "mirror.example.evil.example"],
    )  # fmt: skip
    async def test_a_name_of_others_is_not(self, api: Api, host: str) -> None:
        for method in ("GET", "POST"):
            answer = await attempt(api, method, headers={"host": host, **BEARER})
            assert answer.status_code == HTTPStatus.FORBIDDEN
        assert api.reached == []

    async def test_two_names_are_none(self, api: Api) -> None:
        headers = [("host", "localhost"), ("host", "evil.example")]
        for given in (headers, headers[::-1]):
            assert (await attempt(api, "GET", headers=given)).status_code == 403
        assert api.reached == []

    async def test_a_request_without_a_name_is_refused(self, api: Api) -> None:
        assert await raw(api, headers=[]) == 403

    async def test_of_an_address_that_means_all_only_configured_names_are_known(
        self, api: Api
    ) -> None:
        for host, status in (("nas.local", 200), ("0.0.0.0", 403), ("192.0.2.7", 403)):
            answer = await attempt(api, "GET", rules=EXPOSED, headers={"host": host, **BEARER})
            assert answer.status_code == status


class TestOtherPages:
    """A page of somebody else's, open in a browser on this machine."""

    @pytest.mark.parametrize(
        "origin",
        ["http://evil.example", "null", "http://127.0.0.1", "http://127.0.0.1:8080",
         "http://localhost:8765", "https://127.0.0.1", "file://", "http://127.0.0.1:8765/path",
         "http://127.0.0.1:8765@evil.example", "http://user@127.0.0.1:8765", "http://[",
         "moz-extension://127.0.0.1:8765", "http://127.0.0.1:8765, http://evil.example", ""],
    )  # fmt: skip
    async def test_its_requests_are_refused_even_with_the_token(
        self, api: Api, origin: str
    ) -> None:
        for method in ("GET", "POST", "OPTIONS"):
            answer = await attempt(api, method, headers={"origin": origin, **BEARER})
            assert answer.status_code == HTTPStatus.FORBIDDEN
            assert "access-control-allow-origin" not in answer.headers
        assert api.reached == []

    async def test_a_form_that_it_posts_is_refused(self, api: Api) -> None:
        answer = await attempt(
            api, "POST", "/undo", data={"run": "1"},
            headers={"origin": "http://evil.example", "sec-fetch-site": "cross-site"},
        )  # fmt: skip
        assert (answer.status_code, api.reached) == (403, [])

    async def test_a_form_of_an_old_browser_that_names_no_origin_lacks_the_token(
        self, api: Api
    ) -> None:
        answer = await attempt(api, "POST", "/undo", content="{}")
        assert (answer.status_code, api.reached) == (401, [])

    @pytest.mark.parametrize("site", ["cross-site", "same-site", "anything"])
    async def test_what_it_embeds_is_refused(self, api: Api, site: str) -> None:
        answer = await attempt(api, "GET", headers={"sec-fetch-site": site})
        assert (answer.status_code, api.reached) == (403, [])

    @pytest.mark.parametrize(
        ("host", "origin"),
        [
            (HERE, f"http://{HERE}"),
            ("[::1]:8765", "http://[::1]:8765"),
            ("localhost:80", "http://localhost"),
            ("mirror.example", "https://mirror.example"),
            ("mirror.example:443", "https://mirror.example"),
        ],
    )
    async def test_a_page_of_its_own_origin_is_let_in(
        self, api: Api, host: str, origin: str
    ) -> None:
        headers = {"host": host, "origin": origin, "sec-fetch-site": "same-origin"}
        assert (await attempt(api, "GET", headers=headers)).status_code == 200


class TestToken:
    @pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "X"])
    async def test_every_change_needs_it(self, api: Api, method: str) -> None:
        answer = await attempt(api, method, "/once")
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == 'Bearer realm="boardsync"'
        assert api.reached == []
        assert (await attempt(api, method, "/once", headers=BEARER)).status_code == 200

    @pytest.mark.parametrize(
        "given",
        [
            f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", f"Bearer {TOKEN.upper()}", "Bearer ",
            "Bearer", TOKEN, f"Basic {TOKEN}", f"Bearer {TOKEN} {TOKEN}", "",
            f"Bearer{TOKEN}", "Bearer null", f'Bearer "{TOKEN}"', f"Bearer {TOKEN}\xe9",
        ],
    )  # fmt: skip
    async def test_a_wrong_one_is_refused(self, api: Api, given: str) -> None:
        headers = [("authorization", given.encode("latin-1"))]
        assert (await attempt(api, "POST", headers=headers)).status_code == 401
        assert api.reached == []

    async def test_two_of_them_are_refused(self, api: Api) -> None:
        headers = [("authorization", f"Bearer {TOKEN}"), ("authorization", "Bearer other")]
        for given in (headers, headers[::-1]):
            assert (await attempt(api, "POST", headers=given)).status_code == 401

    @pytest.mark.parametrize("scheme", ["bearer", "BEARER"])
    async def test_the_scheme_has_no_case(self, api: Api, scheme: str) -> None:
        headers = {"authorization": f"{scheme} {TOKEN}"}
        assert (await attempt(api, "POST", headers=headers)).status_code == 200

    @pytest.mark.parametrize(
        "query", ["token=?", "access_token=?", "Token=?", "%74oken=?", "a=b&token=?", "token"]
    )
    async def test_one_in_the_address_is_refused_wherever_else_it_is(
        self, api: Api, query: str
    ) -> None:
        path = f"/status?{query.replace('?', TOKEN)}"
        for headers in ({}, BEARER):
            answer = await attempt(api, "GET", path, rules=EXPOSED, headers=known(headers))
            assert answer.status_code == 400
            assert TOKEN not in answer.text
        assert api.reached == []

    async def test_a_cookie_is_no_token(self, api: Api) -> None:
        assert (await attempt(api, "POST", headers={"cookie": f"token={TOKEN}"})).status_code == 401

    async def test_without_one_set_nothing_can_be_changed(self, api: Api) -> None:
        for headers in ({}, BEARER, {"authorization": "Bearer "}):
            answer = await attempt(api, "POST", rules=NO_TOKEN, headers=headers)
            assert answer.status_code == 403
        assert (await attempt(api, "GET", rules=NO_TOKEN)).status_code == 200
        assert api.reached == ["GET /status"]


class TestBeyondThisMachine:
    @pytest.mark.parametrize(
        "path",
        ["/status", "/metrics", "/openapi.json", "/", "/health/ready", "/health/live/",
         "//health/live", "/health/live/../../status", "/health/live%00", "/health/live;/status",
         "/HEALTH/LIVE", "/x/../health/live", "/health/live%2F..%2F..%2Fstatus"],
    )  # fmt: skip
    async def test_every_look_needs_the_token(self, api: Api, path: str) -> None:
        assert await raw(api, path=path, rules=EXPOSED) == 401
        assert api.reached == []
        headers = [(b"host", b"nas.local"), (b"authorization", f"Bearer {TOKEN}".encode())]
        assert await raw(api, path=path, rules=EXPOSED, headers=headers) == 200

    async def test_everybody_may_ask_whether_it_lives_and_not_change_that(self, api: Api) -> None:
        for method, status in (("GET", 200), ("HEAD", 200), ("POST", 401), ("DELETE", 401)):
            answer = await attempt(api, method, "/health/live", EXPOSED, headers=known())
            assert answer.status_code == status

    def test_no_rules_are_made_without_a_token(self) -> None:
        with pytest.raises(SettingsError, match="can be reached from other machines"):
            rules_for(Address("nas.local", 8765), [], None)
        with pytest.raises(SettingsError, match="can be reached from other machines"):
            rules_for(Address("localhost", 8765), [], None, exposed=True)


class TestSize:
    async def test_a_body_up_to_its_limit_arrives_whole(self, api: Api) -> None:
        body = bytes(range(256)) * (LARGEST_BODY // 256)
        answer = await attempt(api, "POST", content=body, headers=BEARER)
        assert answer.content == body

    async def test_a_longer_one_is_refused_whatever_it_says_of_itself(self, api: Api) -> None:
        async def endless() -> AsyncIterator[bytes]:
            for _ in range(LARGEST_BODY // 1000 + 2):
                yield bytes(1000)

        for content in (bytes(LARGEST_BODY + 1), endless()):
            answer = await attempt(api, "POST", content=content, headers=BEARER)
            assert answer.status_code == 413
        assert api.reached == []

    async def test_a_large_head_is_refused(self, api: Api) -> None:
        for given in ({"x": "a" * LARGEST_HEAD}, {f"x{n}": "a" * 100 for n in range(200)}):
            answer = await attempt(api, "GET", headers=given)
            assert answer.status_code == 431
        assert (await attempt(api, "GET", "/" + "a" * LARGEST_HEAD)).status_code == 431
        assert api.reached == []

    async def test_a_body_that_never_ends_is_given_up(self, api: Api) -> None:
        never = asyncio.Event()

        async def silence() -> Any:
            await never.wait()

        headers = [(b"host", b"localhost"), (b"authorization", f"Bearer {TOKEN}".encode())]
        async with asyncio.timeout(20):
            told = await raw(api, method="POST", headers=headers, receive=silence, seconds=0.01)
        assert told == 408

    async def test_who_is_refused_may_finish_sending_and_no_longer(self, api: Api) -> None:
        sent = [b"a" * 1000, b"b" * 1000, b"c" * 1000]

        async def sending() -> Any:
            await asyncio.sleep(0)
            part = sent.pop(0)
            return {"type": "http.request", "body": part, "more_body": bool(sent)}

        assert await raw(api, method="POST", receive=sending) == 401
        assert (sent, api.reached) == ([], [])

        async def endless() -> Any:
            sent.append(b"x" * (1 << 16))
            return {"type": "http.request", "body": sent[-1], "more_body": True}

        assert await raw(api, method="POST", receive=endless) == 401
        assert 0 < sum(map(len, sent)) < 2 * LARGEST_BODY

    async def test_who_asks_first_is_refused_before_sending(self, api: Api) -> None:
        async def never() -> Any:
            raise AssertionError("the body was asked for")

        headers = [(b"host", b"localhost"), (b"expect", b"100-continue")]
        assert await raw(api, method="POST", headers=headers, receive=never) == 401

    async def test_who_is_refused_and_says_nothing_more_is_answered_and_keeps_nobody_waiting(
        self, api: Api, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(guard, "REFUSED_SECONDS", 0.2)
        silent = asyncio.Event()

        async def silence() -> Any:
            await silent.wait()

        one = Guard(api, LOOPBACK)
        async with asyncio.timeout(20):
            waiting = [
                asyncio.ensure_future(raw(api, method="POST", receive=silence, through=one))
                for _ in range(MOST_AT_ONCE)
            ]
            await asyncio.sleep(0.01)
            assert await raw(api, through=one) == 200
            assert set(await asyncio.gather(*waiting)) == {401}

    async def test_too_many_at_one_time_are_turned_away_and_later_ones_are_not(
        self, api: Api
    ) -> None:
        api.wait = asyncio.Event()
        async with asyncio.timeout(20), asking(api) as client:
            waiting = [asyncio.ensure_future(client.get("/status")) for _ in range(MOST_AT_ONCE)]
            while len(api.reached) < MOST_AT_ONCE:
                await asyncio.sleep(0)
            assert (await client.get("/status")).status_code == 503
            api.wait.set()
            assert {one.status_code for one in await asyncio.gather(*waiting)} == {200}
            assert (await client.get("/status")).status_code == 200


class TestAnswers:
    async def test_every_answer_keeps_browsers_from_using_it_otherwise(self, api: Api) -> None:
        for answer in (
            await attempt(api, "GET"),
            await attempt(api, "POST"),
            await attempt(api, "GET", headers={"host": "evil.example"}),
        ):
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["x-frame-options"] == "DENY"
            assert answer.headers["cache-control"] == "no-store"
            assert "default-src 'none'" in answer.headers["content-security-policy"]
            assert not [name for name in answer.headers if name.startswith("access-control")]

    async def test_a_refusal_is_counted_and_says_why_without_the_token(self, api: Api) -> None:
        before = counters.value(names.HTTP_REFUSED, reason="token")
        answer = await attempt(api, "POST", headers={"authorization": f"Bearer {TOKEN}0"})
        assert counters.value(names.HTTP_REFUSED, reason="token") == before + 1
        assert "the token is missing or wrong" in answer.json()["detail"]
        assert TOKEN not in answer.text

    async def test_nothing_but_http_is_let_in(self, api: Api) -> None:
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        headers = [(b"host", b"localhost"), (b"authorization", f"Bearer {TOKEN}".encode())]
        await Guard(api, LOOPBACK)(
            {"type": "websocket", "path": "/", "headers": headers}, _nothing, send
        )
        await Guard(api, LOOPBACK)({"type": "lifespan"}, _nothing, send)
        assert (sent, api.reached) == ([{"type": "websocket.close", "code": 1008}], [])


def known(headers: dict[str, str] | None = None) -> dict[str, str]:
    return {"host": "nas.local", **(headers or {})}


async def _nothing() -> Any:
    return {"type": "http.request", "body": b"", "more_body": False}


async def raw(
    api: Api, *, method: str = "GET", path: str = "/status", rules: Rules = LOOPBACK,
    headers: Any = None, receive: Any = _nothing, seconds: float = 20.0,
    through: Guard | None = None,
) -> int:  # fmt: skip
    """Ask as no client of good manners would; return the answer's status."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    host = b"nas.local" if rules is EXPOSED else b"localhost"
    scope = {
        "type": "http", "method": method, "path": path, "query_string": b"",
        "headers": [(b"host", host)] if headers is None else headers,
    }  # fmt: skip
    await (through or Guard(api, rules, body_seconds=seconds))(scope, receive, send)
    return int(sent[0]["status"])
