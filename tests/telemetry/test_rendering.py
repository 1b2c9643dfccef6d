"""Whatever a name of a file holds, it is written in one printable line, and can be told apart."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boardsync.telemetry.rendering import readable, readable_path, readable_text


@pytest.mark.parametrize(
    ("name", "written"),
    [
        (b"plain.png", "plain.png"),
        ("größe 画.png".encode(), "größe 画.png"),
        (b"latin-\xe9.png", "latin-\\xe9.png"),
        (b"two\nlines\r\t.png", "two\\nlines\\r\\t.png"),
        (b"\x1b[31mred.png", "\\x1b[31mred.png"),
        (b"back\\slash.png", "back\\\\slash.png"),
        ("right\u202eto-left.png".encode(), "right\\u202eto-left.png"),
        ("\U000e0001.png".encode(), "\\U000e0001.png"),
    ],
)
def test_a_name_is_printable(name: bytes, written: str) -> None:
    assert readable_path(name) == written


@given(st.binary(max_size=20), st.binary(max_size=20))
def test_names_that_differ_are_written_differently(first: bytes, second: bytes) -> None:
    assert readable_path(first).isprintable()
    assert (readable_path(first) == readable_path(second)) == (first == second)


@given(st.text())
def test_a_text_becomes_printable(text: str) -> None:
    assert readable_text(text).isprintable()


def test_line_ends_and_tabs_of_a_traceback_are_kept_and_nothing_else() -> None:
    assert readable_text("a\n\tb\r\x1b\udcff", multiline=True) == "a\n\tb\\r\\x1b\\xff"


def test_any_value_becomes_plain_data() -> None:
    class Colour(StrEnum):
        RED = "red"

    value = {
        "path": Path("/a\nb"),
        b"\xff": [b"\xfe", ("x\n", None), {3}],
        "error": OSError("no\nroom"),
        "colour": Colour.RED,
        "number": 1.5,
        "yes": True,
        "class": os.PathLike,
    }
    assert readable(value) == {
        "path": "/a\\nb",
        "\\xff": ["\\xfe", ["x\\n", None], [3]],
        "error": "OSError: no\\nroom",
        "colour": "red",
        "number": 1.5,
        "yes": True,
        "class": "<class 'os.PathLike'>",
    }
