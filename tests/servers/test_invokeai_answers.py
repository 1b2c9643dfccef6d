"""Which answer is which error, and what a person is told of it."""

from __future__ import annotations

import json

import pytest

from boardsync.errors import (
    BoardsyncError,
    NotAuthorised,
    OutcomeUnknown,
    ServerBusy,
    ServerFault,
    ServerRefused,
)
from boardsync.servers.invokeai.answers import (
    DETAIL_LENGTH,
    JSON,
    Answer,
    error_of,
    retry_after,
)
from boardsync.telemetry import redaction


def answer(status: int, body: object = None, media_type: str = JSON, **headers: str) -> Answer:
    content = json.dumps(body if body is not None else {"detail": "why"}).encode()
    return Answer("GET http://host/api/v1/x", status, media_type, content, headers)


@pytest.mark.parametrize(
    ("status", "reading", "writing"),
    [
        (400, ServerRefused, ServerRefused),
        (401, NotAuthorised, NotAuthorised),
        (403, ServerRefused, ServerRefused),
        (404, ServerFault, ServerFault),
        (405, ServerFault, ServerFault),
        (408, ServerBusy, ServerBusy),
        (409, ServerBusy, ServerBusy),
        (413, ServerRefused, ServerRefused),
        (415, ServerRefused, ServerRefused),
        (422, ServerRefused, ServerRefused),
        (429, ServerBusy, ServerBusy),
        (500, ServerFault, OutcomeUnknown),
        (501, ServerFault, ServerFault),
        (502, ServerBusy, OutcomeUnknown),
        (503, ServerBusy, OutcomeUnknown),
        (504, ServerBusy, OutcomeUnknown),
        (522, ServerBusy, OutcomeUnknown),
        (302, ServerFault, ServerFault),
    ],
)
def test_every_status_has_its_class(
    status: int, reading: type[BoardsyncError], writing: type[BoardsyncError]
) -> None:
    assert type(error_of(answer(status), JSON, writes=False)) is reading
    assert type(error_of(answer(status), JSON, writes=True)) is writing


@pytest.mark.parametrize("status", [200, 201, 202])
def test_a_success_of_the_expected_type_is_no_error(status: int) -> None:
    assert error_of(answer(status, {}), JSON, writes=True) is None


def test_a_success_that_is_a_web_page_is_a_fault_that_names_the_address() -> None:
    error = error_of(answer(200, media_type="text/html"), JSON, writes=False)
    assert isinstance(error, ServerFault)
    assert "web page" in str(error)
    assert "http://host/api/v1/x" in str(error)


def test_a_refusal_keeps_its_status_for_whoever_has_to_tell_them_apart() -> None:
    error = error_of(answer(413), JSON, writes=True)
    assert isinstance(error, ServerRefused)
    assert error.status == 413


def test_a_message_holds_what_happened_and_the_servers_own_words() -> None:
    error = error_of(answer(409, {"detail": "maintenance is active"}), JSON, writes=False)
    assert str(error) == "GET http://host/api/v1/x answered 409: maintenance is active"


def test_validation_errors_lose_what_they_echo() -> None:
    entry = {"loc": ["body", "names"], "msg": "too long", "input": ["secret"] * 5000}
    detail = answer(422, {"detail": [entry] * 50}).detail()
    assert detail.startswith("body.names: too long")
    assert "secret" not in detail
    assert len(detail) < 400


@pytest.mark.parametrize("lead", ["", "x" * (DETAIL_LENGTH - 20)])
def test_a_secret_that_a_server_echoes_is_taken_out(lead: str) -> None:
    secret = "the-password-that-a-server-echoes-83af"
    redaction.hide(secret)
    for detail in (f"{lead}no such account: {secret}", [{"msg": f"{lead} not {secret}"}]):
        told = answer(401, {"detail": detail}).detail()
        assert told
        assert secret[:6] not in told


@pytest.mark.parametrize("body", [[], "text", {"detail": {"a": 1}}, {"detail": [1, None]}, {}])
def test_details_of_an_unknown_shape_break_nothing(body: object) -> None:
    assert isinstance(answer(500, body).detail(), str)


def test_a_redirect_is_told_without_its_query() -> None:
    error = error_of(answer(307, location="https://host/login?token=abc"), JSON, writes=False)
    assert "https://host/login" in str(error)
    assert "abc" not in str(error)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": " 0 "}, 0.0),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "9" * 400}, 999_999_999.0),
        ({}, None),
        (
            {
                "retry-after": "Sat, 21 Nov 2026 10:00:30 GMT",
                "date": "Sat, 21 Nov 2026 10:00:00 GMT",
            },
            30.0,
        ),
        (
            {
                "retry-after": "Sat, 21 Nov 2026 09:00:00 GMT",
                "date": "Sat, 21 Nov 2026 10:00:00 GMT",
            },
            0.0,
        ),
        ({"retry-after": "Sat, 21 Nov 2026 10:00:30 GMT"}, None),
    ],
)
def test_retry_after_is_read_in_both_of_its_forms(
    headers: dict[str, str], seconds: float | None
) -> None:
    assert retry_after(headers) == seconds


def test_what_the_server_asks_for_reaches_the_error() -> None:
    busy = error_of(answer(429, **{"retry-after": "7"}), JSON, writes=True)
    unknown = error_of(answer(503, **{"retry-after": "9"}), JSON, writes=True)
    assert isinstance(busy, ServerBusy)
    assert isinstance(unknown, OutcomeUnknown)
    assert (busy.retry_after, unknown.retry_after) == (7.0, 9.0)


def test_only_invokeai_itself_can_say_that_something_is_missing() -> None:
    assert answer(404, {"detail": "Board not found"}).says_missing
    assert not answer(404, {"message": "no route"}).says_missing
    assert not answer(404, media_type="text/plain").says_missing


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000, b"1" * 10_000])
def test_a_body_that_is_no_json_is_a_fault(body: bytes) -> None:
    broken = Answer("GET http://host/x", 200, JSON, body)
    with pytest.raises(ServerFault, match="http://host/x"):
        broken.json()


def test_the_wrong_kind_of_json_is_a_fault() -> None:
    with pytest.raises(ServerFault):
        answer(200, []).json_object()
    with pytest.raises(ServerFault):
        answer(200, {"a": 1}).json_list()
