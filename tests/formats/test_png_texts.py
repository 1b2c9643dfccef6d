"""The texts of a PNG: all three kinds of chunk, bounded, and robust against damage."""

from __future__ import annotations

import zlib

import pytest

from boardsync.formats import JPEG, PNG
from boardsync.formats.png import dimensions, text_chunks
from picture_samples import SMALL, chunk, raw_png, sample

ROWS = b"\0\0"


def with_chunks(*chunks: tuple[bytes, bytes], after: bool = False) -> bytes:
    places = {"after" if after else "before": chunks}
    return raw_png(1, 1, 8, 0, ROWS, **places)


def test_latin_and_other_texts_are_read_as_they_were_written() -> None:
    texts = (("parameters", "café, steps: 20"), ("invokeai_metadata", '{"prompt": "日本"}'))
    assert text_chunks(sample(PNG, text=texts)) == dict(texts)


def test_compressed_texts_are_inflated() -> None:
    content = with_chunks(
        (b"zTXt", b"plain\0\0" + zlib.compress("né".encode("latin-1"))),
        (b"iTXt", b"wide\0\1\0de\0Breit\0" + zlib.compress("日本".encode())),
        (b"iTXt", b"bare\0\0\0\0\0" + "ß".encode()),
    )
    assert text_chunks(content) == {"plain": "né", "wide": "日本", "bare": "ß"}


def test_texts_behind_the_pixels_are_read_too() -> None:
    assert text_chunks(with_chunks((b"tEXt", b"late\0yes"), after=True)) == {"late": "yes"}


def test_only_the_asked_keywords_are_read() -> None:
    content = with_chunks((b"tEXt", b"a\0one"), (b"tEXt", b"b\0two"))
    assert text_chunks(content, {"b", "c"}) == {"b": "two"}


def test_of_equal_keywords_the_last_wins_as_with_the_servers_reader() -> None:
    content = with_chunks((b"tEXt", b"a\0one"), (b"tEXt", b"a\0two"))
    assert text_chunks(content) == {"a": "two"}


@pytest.mark.parametrize("kind", [b"zTXt", b"iTXt"])
def test_a_text_bomb_is_left_out_and_bounded(kind: bytes) -> None:
    packed = zlib.compress(bytes(64 << 20))
    head = b"bomb\0\0" if kind == b"zTXt" else b"bomb\0\1\0\0\0"
    content = with_chunks((b"tEXt", b"a\0one"), *[(kind, head + packed)] * 50)
    assert text_chunks(content, limit=1 << 20) == {"a": "one"}


def test_a_text_longer_than_the_limit_is_left_out_alone() -> None:
    content = with_chunks((b"tEXt", b"long\0" + b"x" * 100), (b"tEXt", b"short\0y"))
    assert text_chunks(content, limit=50) == {"short": "y"}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"bad",
        b"bad\0",
        b"bad\0\1",
        b"bad\0\1\0\0\0nonsense",
        b"bad\0\0\0\0\0\xff\xfe",
        b"bad\0\0\0de",
    ],
)
def test_an_unreadable_international_text_is_left_out(data: bytes) -> None:
    assert not any(text_chunks(with_chunks((b"iTXt", data))).values())


def test_a_compressed_text_that_is_cut_is_left_out() -> None:
    packed = zlib.compress(b"x" * 1000)[:-6]
    assert text_chunks(with_chunks((b"zTXt", b"cut\0\0" + packed))) == {}


def test_what_is_cut_short_gives_the_texts_before_the_cut() -> None:
    content = with_chunks((b"tEXt", b"a\0one"))
    second = content.index(b"IDAT") - 4
    assert text_chunks(content[: second + 3]) == {"a": "one"}
    assert text_chunks(sample(PNG)[:20]) == {}


def test_what_is_no_png_has_no_texts_and_no_size() -> None:
    assert text_chunks(sample(JPEG)) == {}
    assert dimensions(sample(JPEG)) is None
    assert dimensions(b"\x89PNG\r\n\x1a\n") is None


def test_the_size_stands_in_the_header() -> None:
    assert dimensions(sample(PNG)) == SMALL


def test_a_chunk_of_ours_is_one_that_pillow_reads() -> None:
    assert chunk(b"IEND", b"") == sample(PNG)[-12:]
