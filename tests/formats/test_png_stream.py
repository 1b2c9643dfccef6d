"""A PNG that passes by in pieces gets the verdict that the whole file would get."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from boardsync.formats import PNG
from boardsync.formats.png import PngStream
from boardsync.formats.verdict import Verdict
from boardsync.formats.whole import check
from picture_samples import SMALL, sample


def streamed(content: bytes, piece: int) -> Verdict:
    stream = PngStream()
    for start in range(0, len(content), piece):
        stream.feed(content[start : start + piece])
    return stream.finish()


@pytest.mark.parametrize("piece", [1, 2, 3, 7, 8, 13, 64, 100_000])
def test_pieces_of_any_size_give_one_verdict(piece: int) -> None:
    content = sample(PNG, text=(("parameters", "steps: 20"),))
    assert streamed(content, piece) == check(content)


@given(st.integers(0, 10_000), st.integers(1, 50))
@settings(deadline=None)
def test_a_torn_download_is_never_whole(cut: int, piece: int) -> None:
    content = sample(PNG)
    torn = content[: cut % len(content)]
    assert not streamed(torn, piece).whole


@given(st.integers(0, 10_000), st.integers(1, 255), st.integers(1, 50))
@settings(deadline=None)
def test_a_changed_byte_is_always_found(place: int, change: int, piece: int) -> None:
    content = bytearray(sample(PNG))
    content[place % len(content)] ^= change
    assert not streamed(bytes(content), piece).whole


def test_the_size_is_known_as_soon_as_the_header_has_passed() -> None:
    stream = PngStream()
    stream.feed(sample(PNG)[:28])
    assert stream.size is None
    stream.feed(sample(PNG)[28:29])
    assert stream.size == SMALL


def test_a_cut_stream_says_where_it_ended_and_how_large_it_would_be() -> None:
    verdict = streamed(sample(PNG)[:100], 10)
    assert (verdict.whole, verdict.certain) == (False, True)
    assert (verdict.width, verdict.height) == SMALL
    assert "byte 100, in chunk IDAT" in verdict.reason


def test_bytes_behind_the_end_are_counted() -> None:
    assert "5 bytes follow" in streamed(sample(PNG) + b"12345", 4).reason


@pytest.mark.parametrize("content", [b"", b"\x89PNG", b"<html>not found</html>"])
def test_what_is_no_png_is_not_whole(content: bytes) -> None:
    assert not streamed(content, 3).whole


def test_a_picture_of_no_pixels_is_damaged() -> None:
    content = bytearray(sample(PNG))
    content[16:20] = bytes(4)
    assert "0 by 9 pixels" in streamed(bytes(content), 5).reason
