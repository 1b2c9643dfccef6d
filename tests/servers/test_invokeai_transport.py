"""The connection: addresses, limits, logins, and what its failures mean."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from boardsync.errors import (
    NotAuthorised,
    OutcomeUnknown,
    ServerBusy,
    ServerFault,
    ServerUnreachable,
    SettingsError,
)
from boardsync.servers.invokeai import InvokeAIClient
from boardsync.servers.invokeai.address import segment
from boardsync.servers.invokeai.boards import Visibility
from boardsync.servers.invokeai.images import Query
from boardsync.servers.invokeai.places import EVERYWHERE
from servers.fake_http import Response
from servers.fake_invokeai import (
    CUT,
    DROPPED,
    HANGING,
    LOST,
    WEB_PAGE,
    FakeInvokeAI,
    Fault,
    proxy_page,
    status,
)
from servers.invokeai_kit import noisy_png

ACCOUNT = {"ann@studio.lan": "correct horse"}
LOGIN = {"email": "ann@studio.lan", "password": "correct horse"}


@pytest.fixture
async def fake() -> AsyncIterator[FakeInvokeAI]:
    async with FakeInvokeAI() as fake:
        yield fake


@pytest.fixture
async def client(fake: FakeInvokeAI) -> AsyncIterator[InvokeAIClient]:
    async with fake.client() as client:
        yield client


@pytest.fixture
async def guarded() -> AsyncIterator[FakeInvokeAI]:
    async with FakeInvokeAI(accounts=ACCOUNT) as fake:
        yield fake


async def test_a_probe_tells_kind_version_and_address(
    client: InvokeAIClient, fake: FakeInvokeAI
) -> None:
    info = await client.probe()
    assert (info.kind, info.version, info.address) == ("invokeai", "6.14.2", fake.url)
    assert info.remarks == ()


@pytest.mark.parametrize(
    ("version", "remark"),
    [("6.13.8", "stands still"), ("6.12.0", "in parts"), ("5.12.0", "older than 5.13")],
)
async def test_a_probe_tells_what_an_older_version_spoils(version: str, remark: str) -> None:
    async with FakeInvokeAI(version) as fake, fake.client() as client:
        assert any(remark in text for text in (await client.probe()).remarks)


async def test_the_path_of_the_url_is_kept_in_front_of_every_request() -> None:
    async with FakeInvokeAI(prefix="/studio/invoke") as fake, fake.client() as client:
        await client.boards.create("one")
        assert [board.name for board in await client.boards.list()] == ["one"]
        assert {request.path for request in fake.log} == {"/studio/invoke/api/v1/boards/"}


async def test_a_trailing_slash_of_the_url_changes_nothing(fake: FakeInvokeAI) -> None:
    async with InvokeAIClient("fake", fake.url + "/") as client:
        assert (await client.probe()).address == fake.url


@pytest.mark.parametrize(
    "url", ["", "localhost:9090", "ftp://host", "http://", "http://host?a=1", "http://host#x"]
)
def test_an_unusable_url_is_refused_when_the_client_is_made(url: str) -> None:
    with pytest.raises(SettingsError, match="server fake"):
        InvokeAIClient("fake", url)


def test_certificates_that_cannot_be_read_are_refused_when_the_client_is_made(
    tmp_path: Path,
) -> None:
    (tmp_path / "empty.pem").write_text("")
    for name in ("empty.pem", "missing.pem"):
        with pytest.raises(SettingsError, match=name):
            InvokeAIClient("fake", "https://localhost", ca_file=tmp_path / name)


async def test_credentials_in_the_url_are_sent_but_never_shown(fake: FakeInvokeAI) -> None:
    url = fake.url.replace("http://", "http://proxy:hidden@")
    async with InvokeAIClient("fake", url) as client:
        assert (await client.probe()).address == fake.url
        assert fake.log[0].headers["authorization"].startswith("Basic ")
        fake.inject("boards", status(500))
        with pytest.raises(ServerFault) as caught:
            await client.boards.list()
        assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("text", ["..", ".", "a/b", "a?b", "%2e", "ü", "\ud800"])
def test_any_text_becomes_one_segment_of_a_path(text: str) -> None:
    encoded = segment(text)
    assert not set(encoded) & set("/?#")
    assert encoded.strip(".")


async def test_a_web_page_instead_of_the_api_is_told_with_its_address(
    client: InvokeAIClient, fake: FakeInvokeAI
) -> None:
    fake.inject("version", WEB_PAGE)
    with pytest.raises(ServerFault, match="web page") as caught:
        await client.probe()
    assert fake.url in str(caught.value)


async def test_an_address_without_a_server_is_unreachable_and_nothing_is_unknown() -> None:
    fake = await FakeInvokeAI().start()
    await fake.stop()
    async with fake.client() as client:
        with pytest.raises(ServerUnreachable, match="server fake cannot be reached"):
            await client.probe()
        with pytest.raises(ServerUnreachable):
            await client.boards.create("one")


async def test_a_server_that_comes_back_is_reached_again(
    client: InvokeAIClient, fake: FakeInvokeAI
) -> None:
    await client.probe()
    await fake.stop()
    with pytest.raises(ServerUnreachable):
        await client.probe()
    await fake.start()
    assert (await client.probe()).version == "6.14.2"


async def test_a_reading_request_on_a_closed_connection_is_sent_again(
    client: InvokeAIClient, fake: FakeInvokeAI
) -> None:
    fake.inject("boards", DROPPED)
    assert await client.boards.list() == []
    assert fake.requests["boards"] == 2


async def test_a_reading_request_is_repeated_only_once(
    client: InvokeAIClient, fake: FakeInvokeAI
) -> None:
    fake.inject("boards", DROPPED, times=5)
    with pytest.raises(ServerUnreachable):
        await client.boards.list()
    assert fake.requests["boards"] == 2


async def test_a_body_that_breaks_off_is_fetched_again(
    client: InvokeAIClient, fake: FakeInvokeAI
) -> None:
    fake.store.add_board("one")
    fake.inject("boards", CUT)
    assert len(await client.boards.list()) == 1


async def test_a_lost_write_is_unknown_and_never_repeated(
    client: InvokeAIClient, fake: FakeInvokeAI
) -> None:
    fake.inject("create_board", LOST)
    with pytest.raises(OutcomeUnknown):
        await client.boards.create("one")
    assert fake.requests["create_board"] == 1
    assert len(fake.store.boards) == 1


async def test_silence_ends_at_the_read_timeout(fake: FakeInvokeAI) -> None:
    async with fake.client(read_timeout=0.2) as client:
        fake.inject("boards", HANGING)
        with pytest.raises(ServerUnreachable, match="no whole answer"):
            await client.boards.list()
        fake.inject("create_board", HANGING)
        with pytest.raises(OutcomeUnknown):
            await client.boards.create("one")


@pytest.mark.parametrize("code", [502, 503, 504])
async def test_a_proxy_without_a_backend_is_busy_for_reads_and_unknown_for_writes(
    client: InvokeAIClient, fake: FakeInvokeAI, code: int
) -> None:
    fake.inject("boards", proxy_page(code))
    with pytest.raises(ServerBusy):
        await client.boards.list()
    fake.inject("create_board", proxy_page(code))
    with pytest.raises(OutcomeUnknown):
        await client.boards.create("one")


async def test_a_rate_limit_carries_the_seconds_to_wait(
    client: InvokeAIClient, fake: FakeInvokeAI
) -> None:
    fake.inject("boards", status(429, retry_after="12"))
    with pytest.raises(ServerBusy) as caught:
        await client.boards.list()
    assert caught.value.retry_after == 12.0


async def test_redirects_are_told_and_not_followed(
    client: InvokeAIClient, fake: FakeInvokeAI
) -> None:
    target = Response(307, b"", headers={"location": f"{fake.url}/api/v1/app/version"})
    fake.inject("boards", Fault(answer=target))
    with pytest.raises(ServerFault, match="redirects to"):
        await client.boards.list()
    assert fake.requests["version"] == 0


async def test_a_404_of_a_proxy_does_not_say_that_a_board_is_gone(
    client: InvokeAIClient, fake: FakeInvokeAI
) -> None:
    board = fake.store.add_board("one")
    fake.inject("board", Fault(answer=Response(404, b"404 page not found", "text/plain")))
    with pytest.raises(ServerFault):
        await client.boards.show(board.board_id)


async def test_no_more_requests_run_at_once_than_allowed(fake: FakeInvokeAI) -> None:
    async with fake.client(requests_at_once=2) as client:
        fake.inject("boards", HANGING, times=2)
        stuck = [asyncio.ensure_future(client.boards.list()) for _ in range(5)]
        await until(lambda: fake.requests["boards"] == 2)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(stuck[4]), 0.05)
        assert fake.requests["boards"] == 2
        for task in stuck:
            task.cancel()
        await asyncio.gather(*stuck, return_exceptions=True)


async def test_pictures_are_fetched_unpacked_and_lists_packed(fake: FakeInvokeAI) -> None:
    fake.version = "6.13.8"
    image = fake.store.add_image(noisy_png())
    for number in range(40):
        fake.store.add_board(f"board {number}")
    async with fake.client() as client:
        await client.images.download(await client.images.show(image.name), io.BytesIO())
        assert fake.log[-1].headers["accept-encoding"] == "identity"
        assert len(await client.boards.list()) == 40
        assert fake.log[-1].headers["accept-encoding"] == "gzip"


async def test_bytes_that_cannot_be_unpacked_are_a_fault(
    client: InvokeAIClient, fake: FakeInvokeAI
) -> None:
    garbled = Response(200, b"no gzip", headers={"content-encoding": "gzip"})
    fake.inject("boards", Fault(answer=garbled))
    with pytest.raises(ServerFault, match="unpacked"):
        await client.boards.list()


async def test_text_that_is_no_unicode_still_makes_a_request(client: InvokeAIClient) -> None:
    assert await client.images.count(Query(EVERYWHERE, search="half \ud800")) == 0


async def test_closing_twice_is_fine(fake: FakeInvokeAI) -> None:
    client = fake.client()
    await client.probe()
    await client.aclose()
    await client.aclose()


async def test_a_server_with_accounts_gets_one_login_for_many_requests(
    guarded: FakeInvokeAI,
) -> None:
    async with guarded.client(**LOGIN) as client:
        await asyncio.gather(*(client.boards.list() for _ in range(6)))
    assert guarded.requests["login"] == 1
    assert guarded.requests["boards"] == 6


async def test_a_login_asks_to_be_remembered(guarded: FakeInvokeAI) -> None:
    async with guarded.client(**LOGIN) as client:
        await client.boards.create("one")
        assert guarded.log[1].path.endswith("/auth/login")
    assert guarded.log[0].path.endswith("/auth/status")


async def test_a_renewed_token_is_taken_from_the_answer(guarded: FakeInvokeAI) -> None:
    async with guarded.client(**LOGIN) as client:
        await client.boards.create("one")
        await client.boards.list()
    assert guarded.log[-2].headers["authorization"] == "Bearer token-1"
    assert guarded.log[-1].headers["authorization"] == "Bearer token-2"


async def test_a_revoked_token_leads_to_one_new_login(guarded: FakeInvokeAI) -> None:
    async with guarded.client(**LOGIN) as client:
        await client.boards.list()
        guarded.revoke_tokens()
        await asyncio.gather(*(client.boards.list() for _ in range(4)))
    assert guarded.requests["login"] == 2


async def test_a_picture_is_fetched_after_its_token_was_revoked(guarded: FakeInvokeAI) -> None:
    image = guarded.store.add_image(noisy_png())
    async with guarded.client(**LOGIN) as client:
        item = await client.images.show(image.name)
        guarded.revoke_tokens()
        assert (await client.images.download(item, io.BytesIO())).size == len(image.content)


async def test_a_wrong_password_needs_a_person_and_is_not_shown(guarded: FakeInvokeAI) -> None:
    async with guarded.client(email="ann@studio.lan", password="guess") as client:
        with pytest.raises(NotAuthorised, match=r"ann@studio\.lan") as caught:
            await client.boards.list()
    assert "guess" not in str(caught.value)
    assert guarded.requests["boards"] == 0


async def test_a_password_that_became_wrong_needs_a_person(guarded: FakeInvokeAI) -> None:
    async with guarded.client(**LOGIN) as client:
        await client.boards.list()
        guarded.accounts["ann@studio.lan"] = "changed"
        guarded.revoke_tokens()
        with pytest.raises(NotAuthorised):
            await client.boards.list()


async def test_a_login_that_was_refused_works_once_the_account_is_mended(
    guarded: FakeInvokeAI,
) -> None:
    async with guarded.client(email="ann@studio.lan", password="new") as client:
        with pytest.raises(NotAuthorised):
            await client.boards.list()
        guarded.accounts["ann@studio.lan"] = "new"
        assert await client.boards.list() == []


async def test_a_crowd_of_requests_is_refused_with_a_single_login(guarded: FakeInvokeAI) -> None:
    async with guarded.client(email="ann@studio.lan", password="guess") as client:
        answers = await asyncio.gather(
            *(client.boards.list() for _ in range(5)), return_exceptions=True
        )
    assert all(isinstance(answer, NotAuthorised) for answer in answers)
    assert guarded.requests["login"] == 1


async def test_without_an_account_in_the_settings_a_login_is_asked_of_a_person(
    guarded: FakeInvokeAI,
) -> None:
    async with guarded.client() as client:
        with pytest.raises(NotAuthorised, match="set its email and password"):
            await client.boards.list()
        with pytest.raises(NotAuthorised, match="set its email and password"):
            await client.probe()
    assert guarded.requests["login"] == 0


async def test_a_server_without_accounts_never_gets_credentials(fake: FakeInvokeAI) -> None:
    async with fake.client(**LOGIN) as client:
        info = await client.probe()
        await client.boards.create("one")
    assert fake.requests["login"] == 0
    assert not any("authorization" in request.headers for request in fake.log)
    assert any("not sent" in remark for remark in info.remarks)


async def test_an_old_version_without_logins_never_gets_credentials() -> None:
    async with FakeInvokeAI("6.0.2") as fake, fake.client(**LOGIN) as client:
        assert await client.boards.list() == []
        assert not any("authorization" in request.headers for request in fake.log)


async def test_the_media_cookie_of_a_login_is_ignored(guarded: FakeInvokeAI) -> None:
    async with guarded.client(**LOGIN) as client:
        await client.boards.list()
    assert not any("cookie" in request.headers for request in guarded.log)


async def test_a_probe_with_an_account_proves_that_it_is_let_in(guarded: FakeInvokeAI) -> None:
    async with guarded.client(**LOGIN) as client:
        await client.probe()
    async with guarded.client(email="ann@studio.lan", password="guess") as client:
        with pytest.raises(NotAuthorised):
            await client.probe()


async def test_visibility_needs_no_remark_where_there_are_accounts(guarded: FakeInvokeAI) -> None:
    async with guarded.client(**LOGIN) as client:
        created = await client.boards.create("one", visibility=Visibility.PUBLIC)
    assert (created.board.visibility, created.remarks) == ("public", ())


async def until(condition: object) -> None:
    """Give the loop turns until a condition holds."""
    assert callable(condition)
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.001)
