"""Marks: written so that they survive, read so that nothing foreign is believed."""

from __future__ import annotations

import json
import zlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boardsync.errors import PictureRefused
from boardsync.servers.invokeai.embedded import embedded_metadata
from boardsync.servers.invokeai.mark import (
    KEY,
    METADATA_BYTES,
    metadata_text,
    metadata_with_mark,
    parse_mark,
)
from servers.invokeai_kit import mark_for, png

MARK = mark_for(b"picture")

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def written() -> dict[str, object]:
    fields = json.loads(metadata_with_mark(None, MARK))[KEY]
    assert isinstance(fields, dict)
    return fields


def test_a_mark_is_read_back_as_it_was_written() -> None:
    assert parse_mark(json.loads(metadata_with_mark(None, MARK))) == MARK


def test_a_mark_holds_exactly_the_agreed_fields_and_no_path() -> None:
    assert written().keys() == {"v", "mirror", "token", "file", "sent", "recipe"}


def test_the_pictures_own_metadata_travels_with_the_mark() -> None:
    own = {"positive_prompt": "ein Fluß", "seed": 7}
    united = json.loads(metadata_with_mark(own, MARK))
    assert {key: united[key] for key in own} == own
    assert parse_mark(united) == MARK


def test_a_mark_that_came_with_the_picture_is_replaced() -> None:
    foreign = json.loads(metadata_with_mark(None, mark_for(b"other", "elsewhere")))
    assert parse_mark(json.loads(metadata_with_mark(foreign, MARK))) == MARK


def test_letters_stay_readable_for_the_servers_search() -> None:
    assert "Fluß" in metadata_text({"prompt": "Fluß"})


@given(anything)
def test_no_json_value_makes_reading_a_mark_raise(value: object) -> None:
    assert parse_mark(value) is None
    assert parse_mark({KEY: value}) is None


@given(st.sampled_from(["v", "mirror", "token", "file", "sent", "recipe"]), anything)
def test_a_mark_with_one_foreign_field_is_no_mark_unless_it_fits(key: str, value: object) -> None:
    mark = parse_mark({KEY: {**written(), key: value}})
    fits = {"v": 1, "mirror": value, "recipe": value}
    assert mark is None or (key in fits and value == fits[key])


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("v", 2),
        ("v", True),
        ("v", "1"),
        ("v", 1.0),
        ("token", MARK.token.upper()),
        ("token", MARK.token + "0"),
        ("token", "bsk%"),
        ("file", MARK.file[:-1]),
        ("sent", MARK.sent + "\n"),
        ("mirror", ""),
        ("mirror", "x" * 201),
        ("mirror", "half \ud800"),
        ("recipe", "two\nlines"),
        ("recipe", None),
    ],
)
def test_a_mark_of_another_shape_is_no_mark(key: str, value: object) -> None:
    assert parse_mark({KEY: {**written(), key: value}}) is None


def test_a_later_version_may_add_fields_but_not_take_any_away() -> None:
    assert parse_mark({KEY: {**written(), "path": "a/b.png"}}) == MARK
    assert parse_mark({KEY: {k: v for k, v in written().items() if k != "sent"}}) is None


def depth_of(value: object) -> int:
    if isinstance(value, dict):
        return 1 + max((depth_of(entry) for entry in value.values()), default=0)
    if isinstance(value, list):
        return 1 + max((depth_of(entry) for entry in value), default=0)
    return 0


def test_what_the_server_could_not_read_back_does_not_take_the_mark_with_it() -> None:
    deep: object = "end"
    for _ in range(500):
        deep = [deep]
    own = {
        "half": "\ud800 surrogate",
        "\udfff": 1,
        "deep": deep,
        "nan": float("nan"),
        "endless": float("-inf"),
        "number": 10**4000,
        "fine": "kept",
    }
    text = metadata_with_mark(own, MARK)
    united = json.loads(text.encode())
    assert parse_mark(united) == MARK
    assert united["fine"] == "kept"
    assert united["nan"] is united["endless"] is united["number"] is None
    assert depth_of(united) <= 60
    assert "\\ud" not in text


@given(st.dictionaries(st.text(), anything, max_size=5))
def test_any_metadata_becomes_text_that_can_be_sent(own: dict[str, object]) -> None:
    united = json.loads(metadata_with_mark(own, MARK).encode())
    assert parse_mark(united) == MARK


def test_metadata_that_is_too_long_for_the_server_is_refused_in_words() -> None:
    with pytest.raises(PictureRefused, match=str(METADATA_BYTES)):
        metadata_with_mark({"prompt": "x" * METADATA_BYTES}, MARK)


def test_metadata_up_to_the_limit_goes() -> None:
    room = METADATA_BYTES - len(metadata_with_mark({"p": ""}, MARK).encode())
    text = metadata_with_mark({"p": "x" * room}, MARK)
    assert len(text.encode()) == METADATA_BYTES


@pytest.mark.parametrize("text", ['{"seed": 7}', '{"prompt": "Fluß \U0001f600"}'])
def test_the_metadata_in_a_png_is_found(text: str) -> None:
    assert embedded_metadata(png(texts={"invokeai_metadata": text})) == json.loads(text)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xd8\xff\xe0 a JPEG",
        png(),
        png(texts={"parameters": "{}"}),
        png(texts={"invokeai_metadata": "[1]"}),
        png(texts={"invokeai_metadata": "{"}),
        png(texts={"invokeai_metadata": "[" * 100_000}),
    ],
)
def test_without_a_metadata_object_a_picture_embeds_nothing(content: bytes) -> None:
    assert embedded_metadata(content) is None


def test_packed_metadata_is_found() -> None:
    plain = png()
    body = b"invokeai_metadata\0\0" + zlib.compress(b'{"seed": 7}')
    chunk = b"zTXt" + body
    block = len(body).to_bytes(4, "big") + chunk + zlib.crc32(chunk).to_bytes(4, "big")
    assert embedded_metadata(plain[:33] + block + plain[33:]) == {"seed": 7}


def test_marks_of_different_mirrors_differ() -> None:
    other = replace(MARK, mirror="work")
    assert parse_mark(json.loads(metadata_with_mark(None, other))) != MARK
