"""Uploads through the port: what is stored, what is refused, and what stays open."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from PIL import Image

from boardsync.errors import (
    BoardMissing,
    BoardsyncError,
    Bug,
    NotAuthorised,
    OutcomeUnknown,
    PictureRefused,
    ServerBusy,
    ServerRefused,
    ServerUnreachable,
)
from boardsync.model import Category, Outcome, Upload, UploadResult
from boardsync.servers.invokeai import InvokeAIServer
from boardsync.servers.invokeai.mark import KEY, parse_mark
from servers.fake_http import Response, json_response
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
from servers.invokeai_kit import noisy_png, on_fake, png, upload_of


@pytest.fixture
async def fake() -> AsyncIterator[FakeInvokeAI]:
    async with FakeInvokeAI() as fake:
        yield fake


@pytest.fixture
async def server(fake: FakeInvokeAI) -> AsyncIterator[InvokeAIServer]:
    server = fake.server(read_timeout=0.5)
    yield server
    await server.aclose()


async def sent(server: InvokeAIServer, board_id: str | None, upload: Upload) -> UploadResult:
    [result] = await server.upload(board_id, [upload])
    return result


async def test_a_picture_is_stored_with_its_mark_in_one_step(
    server: InvokeAIServer, fake: FakeInvokeAI
) -> None:
    board = fake.store.add_board("one")
    upload = upload_of(png(), category=Category.GENERAL)
    result = await sent(server, board.board_id, upload)
    assert result.outcome is Outcome.STORED
    assert result.item is not None
    assert (result.item.board_id, result.item.category) == (board.board_id, "general")
    stored = fake.store.images[result.item.item_id]
    assert parse_mark(json.loads(str(stored.metadata))) == upload.mark
    with Image.open(io.BytesIO(stored.content)) as picture:
        assert parse_mark(json.loads(picture.info["invokeai_metadata"])) == upload.mark


async def test_an_upload_names_no_file_and_no_path(
    server: InvokeAIServer, fake: FakeInvokeAI
) -> None:
    secret = replace(upload_of(png()), name="private/journal.png")
    await sent(server, None, secret)
    assert b"filename=" in fake.bodies["upload"]
    assert b"journal" not in fake.bodies["upload"]


async def test_prompts_in_the_picture_survive_beside_the_mark(
    server: InvokeAIServer, fake: FakeInvokeAI
) -> None:
    content = png(texts={"invokeai_metadata": '{"positive_prompt": "fox"}'})
    await sent(server, None, upload_of(content))
    [image] = fake.store.images.values()
    metadata = json.loads(str(image.metadata))
    assert metadata.keys() == {"positive_prompt", KEY}


async def test_a_workflow_in_the_picture_survives(
    server: InvokeAIServer, fake: FakeInvokeAI
) -> None:
    await sent(server, None, upload_of(png(texts={"invokeai_workflow": "{}"})))
    [image] = fake.store.images.values()
    assert image.workflow == "{}"


async def test_metadata_that_does_not_fit_refuses_the_picture_before_it_is_sent(
    server: InvokeAIServer, fake: FakeInvokeAI
) -> None:
    long = json.dumps({"prompt": "x" * 1_100_000})
    result = await sent(server, None, upload_of(png(texts={"invokeai_metadata": long})))
    assert result.outcome is Outcome.REFUSED
    assert isinstance(result.error, PictureRefused)
    assert not fake.requests


async def test_more_than_one_picture_in_a_call_is_a_bug(server: InvokeAIServer) -> None:
    with pytest.raises(Bug):
        await server.upload(None, [upload_of(png()), upload_of(png())])
    assert await server.upload(None, []) == []


@pytest.mark.parametrize("fault", [LOST, DROPPED, HANGING, CUT])
async def test_a_lost_answer_leaves_the_outcome_unknown_and_nothing_is_repeated(
    server: InvokeAIServer, fake: FakeInvokeAI, fault: Fault
) -> None:
    fake.inject("upload", fault)
    result = await sent(server, None, upload_of(png()))
    assert result.outcome is Outcome.UNKNOWN
    assert isinstance(result.error, OutcomeUnknown)
    assert fake.requests["upload"] == 1


async def test_an_unknown_upload_is_found_by_its_token(
    server: InvokeAIServer, fake: FakeInvokeAI
) -> None:
    board = fake.store.add_board("one")
    fake.inject("upload", LOST)
    upload = upload_of(png())
    await sent(server, board.board_id, upload)
    [item] = await server.find(upload.mark.token)
    assert item.board_id == board.board_id
    assert (await server.marks(board.board_id, [item.item_id]))[item.item_id] == upload.mark


@pytest.mark.parametrize(
    "fault",
    [
        status(500, "Failed to create image"),
        proxy_page(502),
        proxy_page(503),
        proxy_page(504),
        status(405),
        status(410),
        WEB_PAGE,
        Fault(answer=Response(201, b"<html>", "text/html")),
        Fault(answer=Response(302, b"", headers={"location": "https://elsewhere/"})),
        Fault(answer=json_response({}, 201)),
        Fault(answer=json_response([], 201)),
        Fault(answer=Response(201, b"{")),
    ],
)
async def test_answers_that_prove_nothing_leave_the_outcome_unknown(
    server: InvokeAIServer, fake: FakeInvokeAI, fault: Fault
) -> None:
    fake.inject("upload", fault)
    result = await sent(server, None, upload_of(png()))
    assert result.outcome is Outcome.UNKNOWN
    assert result.item is None


@pytest.mark.parametrize("code", [400, 413, 415, 422])
async def test_a_refused_picture_is_refused_for_good(
    server: InvokeAIServer, fake: FakeInvokeAI, code: int
) -> None:
    fake.inject("upload", status(code, "never"))
    result = await sent(server, None, upload_of(png()))
    assert result.outcome is Outcome.REFUSED
    assert isinstance(result.error, ServerRefused)
    assert result.error.status == code


async def test_what_is_no_picture_is_refused(server: InvokeAIServer) -> None:
    junk = replace(upload_of(png()), content=b"junk")
    assert (await sent(server, None, junk)).outcome is Outcome.REFUSED
    octets = replace(upload_of(png()), media_type="application/octet-stream")
    assert (await sent(server, None, octets)).outcome is Outcome.REFUSED


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (status(409, "Image storage maintenance is active"), ServerBusy),
        (status(429, retry_after="3"), ServerBusy),
        (status(401), NotAuthorised),
        (status(403), NotAuthorised),
    ],
)
async def test_what_certainly_stored_nothing_is_raised(
    server: InvokeAIServer, fake: FakeInvokeAI, fault: Fault, error: type[BoardsyncError]
) -> None:
    fake.inject("upload", fault)
    with pytest.raises(error):
        await server.upload(None, [upload_of(png())])
    assert not fake.store.images


async def test_a_rate_limit_keeps_the_seconds(server: InvokeAIServer, fake: FakeInvokeAI) -> None:
    fake.inject("upload", status(429, retry_after="3"))
    with pytest.raises(ServerBusy) as caught:
        await server.upload(None, [upload_of(png())])
    assert caught.value.retry_after == 3.0


async def test_without_a_connection_nothing_was_sent(
    server: InvokeAIServer, fake: FakeInvokeAI
) -> None:
    await fake.stop()
    with pytest.raises(ServerUnreachable):
        await server.upload(None, [upload_of(png())])


@pytest.mark.parametrize("version", ["5.15.0", "6.12.0", "6.13.8", "6.14.2"])
async def test_a_missing_board_keeps_nothing_on_any_version(version: str) -> None:
    async with on_fake(version) as (server, fake):
        with pytest.raises(BoardMissing):
            await server.upload("nope", [upload_of(png())])
        assert not fake.store.images


async def test_a_404_while_the_board_is_there_is_unknown(
    server: InvokeAIServer, fake: FakeInvokeAI
) -> None:
    board = fake.store.add_board("one")
    fake.inject("upload", status(404, "Not Found"))
    result = await sent(server, board.board_id, upload_of(png()))
    assert result.outcome is Outcome.UNKNOWN
    fake.inject("upload", status(404, "Not Found"))
    assert (await sent(server, None, upload_of(png()))).outcome is Outcome.UNKNOWN


def strayed(fake: FakeInvokeAI) -> Fault:
    """Answer an upload with an image that did not get onto its board."""
    image = fake.store.add_image(png(), origin="external", category="user")
    return Fault(answer=json_response(fake.routes.record(image), 201))


async def test_an_image_that_missed_its_board_is_put_there(
    server: InvokeAIServer, fake: FakeInvokeAI
) -> None:
    board = fake.store.add_board("one")
    fake.inject("upload", strayed(fake))
    result = await sent(server, board.board_id, upload_of(png()))
    assert result.outcome is Outcome.STORED
    assert result.item is not None
    assert result.item.board_id == board.board_id
    assert list(board.names) == [result.item.item_id]


async def test_an_image_whose_board_vanished_is_taken_back(
    server: InvokeAIServer, fake: FakeInvokeAI
) -> None:
    fake.inject("upload", strayed(fake))
    with pytest.raises(BoardMissing):
        await server.upload("nope", [upload_of(png())])
    assert not fake.store.images


async def test_a_board_that_vanishes_while_the_image_is_put_there_takes_it_back(
    server: InvokeAIServer, fake: FakeInvokeAI
) -> None:
    board = fake.store.add_board("one")
    record = fake.routes.board_record(board)
    fake.inject("upload", strayed(fake))
    fake.inject("board", Fault(answer=json_response(record)))
    fake.store.delete_board(board.board_id)
    with pytest.raises(BoardMissing):
        await server.upload(board.board_id, [upload_of(png())])
    assert not fake.store.images


@pytest.mark.parametrize("route", ["board", "move", "image"])
@pytest.mark.parametrize("code", [401, 403, 409, 500])
async def test_an_image_that_missed_its_board_and_cannot_be_put_there_is_unknown(
    server: InvokeAIServer, fake: FakeInvokeAI, route: str, code: int
) -> None:
    board = fake.store.add_board("one")
    fake.inject("upload", strayed(fake))
    fake.inject(route, status(code))
    result = await sent(server, board.board_id, upload_of(png()))
    assert result.outcome is Outcome.UNKNOWN
    assert len(fake.store.images) == 1


async def test_an_image_that_cannot_be_taken_back_is_unknown(
    server: InvokeAIServer, fake: FakeInvokeAI
) -> None:
    fake.inject("upload", strayed(fake))
    fake.inject("delete_image", status(409))
    result = await sent(server, "nope", upload_of(png()))
    assert result.outcome is Outcome.UNKNOWN
    fake.inject("upload", strayed(fake))
    fake.inject("delete_image", Fault(answer=json_response({"deleted_images": []})))
    assert (await sent(server, "nope", upload_of(png()))).outcome is Outcome.UNKNOWN


async def test_an_image_on_a_wrong_board_is_unknown(
    server: InvokeAIServer, fake: FakeInvokeAI
) -> None:
    board = fake.store.add_board("one")
    image = fake.store.add_image(png(), board.board_id, origin="external")
    fake.inject("upload", Fault(answer=json_response(fake.routes.record(image), 201)))
    result = await sent(server, None, upload_of(png()))
    assert result.outcome is Outcome.UNKNOWN


async def test_a_picture_that_the_server_sees_differently_is_taken_back_and_refused(
    server: InvokeAIServer, fake: FakeInvokeAI
) -> None:
    result = await sent(server, None, replace(upload_of(png()), width=24, height=32))
    assert result.outcome is Outcome.REFUSED
    assert "32x24 pixels instead of 24x32" in str(result.error)
    assert not fake.store.images


async def test_a_size_that_is_not_known_is_not_compared(server: InvokeAIServer) -> None:
    unknown = replace(upload_of(png()), width=0, height=0)
    assert (await sent(server, None, unknown)).outcome is Outcome.STORED


async def test_a_failed_save_leaves_a_ghost_that_is_found_and_deleted() -> None:
    async with on_fake("6.13.8") as (server, fake):
        board = fake.store.add_board("one")
        broken = replace(upload_of(noisy_png()), content=noisy_png()[:2000])
        result = await sent(server, board.board_id, broken)
        assert result.outcome is Outcome.UNKNOWN
        [ghost] = await server.find(broken.mark.token)
        assert not await server.complete(ghost)
        await server.delete_ghost(ghost)
        assert not fake.store.images


async def test_a_login_that_expired_does_not_lose_the_upload() -> None:
    async with on_fake(accounts={"ann@studio.lan": "correct horse"}) as (server, fake):
        assert (await sent(server, None, upload_of(png()))).outcome is Outcome.STORED
        fake.revoke_tokens()
        assert (await sent(server, None, upload_of(png()))).outcome is Outcome.STORED
        assert len(fake.store.images) == 2


async def test_a_board_without_the_right_to_write_needs_a_person(
    server: InvokeAIServer, fake: FakeInvokeAI
) -> None:
    board = fake.store.add_board("one")
    fake.hidden_boards.add(board.board_id)
    with pytest.raises(NotAuthorised, match="may not add pictures"):
        await server.upload(board.board_id, [upload_of(png())])
