"""Secrets are found in a text however they are spelled there."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boardsync.telemetry.redaction import Redactor, is_telling
from boardsync.telemetry.rendering import readable_text


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="*<>"), min_size=1))
def test_a_known_secret_is_taken_out_in_every_spelling(secret: str) -> None:
    redactor = Redactor()
    redactor.hide(secret)
    for spelled in (
        secret,
        repr(secret)[1:-1],
        json.dumps(secret)[1:-1],
        readable_text(secret),
        quote(secret, safe=""),
    ):
        cleaned = redactor.clean(f"<<{spelled}>>")
        assert cleaned.startswith("<<***")
        assert cleaned.endswith("***>>")


def test_of_two_secrets_the_longer_one_goes_first() -> None:
    redactor = Redactor()
    redactor.hide("horse")
    redactor.hide("horse-battery")
    assert redactor.clean("horse-battery horse") == "*** ***"


def test_an_empty_secret_changes_nothing() -> None:
    redactor = Redactor()
    redactor.hide("")
    assert redactor.clean("text") == "text"


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("GET http://me:pw@host/x failed", "GET http://***@host/x failed"),
        ("{'Authorization': 'Bearer eyJ.abc'}", "{'Authorization': 'Bearer ***'}"),
        ("authorization: basic bWU6cHc=", "authorization: basic ***"),
        ("mail me@host about http://host/a@b", "mail me@host about http://host/a@b"),
        ("token bsk0123 of a picture", "token bsk0123 of a picture"),
        ("basic settings", "basic settings"),
        ("connection lost: bearer eyJ.abc refused", "connection lost: bearer *** refused"),
    ],
)
def test_what_looks_like_a_login_is_taken_out_and_nothing_else(text: str, clean: str) -> None:
    assert Redactor().clean(text) == clean


@pytest.mark.parametrize(
    "key", ["password", "Authorization", "X-Api-Key", "access_token", "Set-Cookie", "client_secret"]
)
def test_telling_keys_are_known(key: str) -> None:
    assert is_telling(key)


@pytest.mark.parametrize("key", ["token", "path", "mirror", "passed", "event"])
def test_our_own_words_are_not_telling(key: str) -> None:
    assert not is_telling(key)
