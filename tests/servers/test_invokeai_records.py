"""Reading the server's records."""

from __future__ import annotations

import pytest

from boardsync.errors import ServerFault
from boardsync.model import Board, Item
from boardsync.servers.invokeai.records import board_from, item_from, milliseconds, names_from


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("1970-01-01 00:00:00.000", 0),
        ("2026-11-20 23:45:01.250", 1_795_218_301_250),
        ("2026-11-20 23:45:01", 1_795_218_301_000),
        ("2026-11-20T23:45:01.250Z", 1_795_218_301_250),
        ("2026-11-21T00:45:01.250+01:00", 1_795_218_301_250),
        ("", None),
        ("yesterday", None),
        (None, None),
        (12, None),
    ],
)
def test_times_are_utc_milliseconds(text: object, ms: int | None) -> None:
    assert milliseconds(text) == ms


def test_an_image_record_becomes_an_item() -> None:
    record = {
        "image_name": "a.png",
        "image_origin": "external",
        "image_category": "user",
        "width": 640,
        "height": 480,
        "created_at": "2026-11-20 23:45:01.250",
        "is_intermediate": True,
        "starred": True,
        "board_id": "b1",
    }
    assert item_from(record) == Item(
        item_id="a.png",
        board_id="b1",
        width=640,
        height=480,
        created_ms=1_795_218_301_250,
        category="user",
        intermediate=True,
        starred=True,
        origin="external",
    )


def test_fields_that_a_version_lacks_are_none() -> None:
    assert board_from({"board_id": "b1", "board_name": "x"}) == Board("b1", "x")
    assert item_from({"image_name": "a.png"}) == Item("a.png", None)


def test_fields_of_the_wrong_type_count_as_lacking() -> None:
    item = item_from({"image_name": "a.png", "width": True, "height": "9", "starred": None})
    assert (item.width, item.height, item.starred) == (None, None, False)


@pytest.mark.parametrize("record", [None, [], "x", {}, {"image_name": ""}, {"image_name": 3}])
def test_a_record_without_a_name_is_a_fault(record: object) -> None:
    with pytest.raises(ServerFault):
        item_from(record)


@pytest.mark.parametrize("value", [None, {}, "a.png", ["a.png", 3], ["a.png", ""], [None]])
def test_a_list_with_anything_but_names_is_a_fault(value: object) -> None:
    with pytest.raises(ServerFault, match="GET /x"):
        names_from(value, "GET /x")
