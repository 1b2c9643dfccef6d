"""Hostile content: never an exception, and never more time than its length justifies."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from boardsync.errors import PictureRefused
from boardsync.formats import FORMATS, Format
from boardsync.formats.png import PngStream, dimensions, text_chunks
from boardsync.formats.verdict import Verdict
from boardsync.formats.whole import WALKS, check
from picture_samples import sample

MEBIBYTE = 1 << 20
TOO_LONG = 10.0
"""Seconds of CPU for a mebibyte or a few of them. Linear walks take a quarter; others minutes."""


@given(st.binary(max_size=300))
@settings(deadline=None)
def test_random_bytes_get_a_verdict(content: bytes) -> None:
    assert isinstance(check(content), Verdict)


@given(st.sampled_from(FORMATS), st.binary(max_size=300), st.integers(4, 60))
@settings(max_examples=400, deadline=None)
def test_random_bytes_behind_a_true_beginning_get_a_verdict(
    known: Format, tail: bytes, kept: int
) -> None:
    assert isinstance(check(sample(known)[:kept] + tail), Verdict)


@given(
    st.sampled_from(FORMATS),
    st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=8),
    st.integers(0, 10_000),
)
@settings(max_examples=600, deadline=None)
def test_mutated_pictures_get_a_verdict(
    known: Format, changes: list[tuple[int, int]], cut: int
) -> None:
    content = bytearray(sample(known))
    for place, value in changes:
        content[place % len(content)] = value
    raw = bytes(content[: len(content) - cut % len(content)])
    assert isinstance(check(raw), Verdict)
    assert isinstance(text_chunks(raw), dict)
    assert dimensions(raw) is None or raw.startswith(b"\x89PNG")


@given(st.sampled_from(list(WALKS)), st.binary(min_size=18, max_size=200))
@settings(max_examples=600, deadline=None)
def test_a_walk_over_any_bytes_ends_or_refuses(known: Format, content: bytes) -> None:
    try:
        extent = WALKS[known](memoryview(content))
    except PictureRefused:
        return
    assert extent.end >= 0


@given(st.lists(st.binary(max_size=40), max_size=10))
@settings(deadline=None)
def test_a_stream_of_random_pieces_gets_a_verdict(pieces: list[bytes]) -> None:
    stream = PngStream()
    for piece in pieces:
        stream.feed(piece)
    assert not stream.finish().whole


def _tiff_of_overlapping_directories() -> bytes:
    """Each directory is one byte behind the last, and claims as many entries as it can."""
    count = 20_000
    body = bytearray(b"\x10\x00" * (4 * MEBIBYTE // 2))
    body[:8] = b"II*\0" + struct.pack("<I", 8)
    links = b"".join(struct.pack("<I", 1000 + index) for index in range(count))
    start = 2 * MEBIBYTE
    body[start : start + len(links)] = links
    entries = struct.pack(
        "<HHHIIHHIIHHIIHHIII", 4, 256, 4, 1, 9, 257, 4, 1, 9, 273, 4, 1, 0, 330, 4, count, start, 0
    )
    body[8 : 8 + len(entries)] = entries
    return bytes(body)


def _iloc_of_extents_without_size() -> bytes:
    item = struct.pack(">HHHH", 1, 0, 0, 65_535)
    payload = struct.pack(">IHH", 0x01000000, 0, 65_535) + item * 40_000
    iloc = struct.pack(">I4s", len(payload) + 8, b"iloc") + payload
    meta = struct.pack(">I4sI", len(iloc) + 12, b"meta", 0) + iloc
    return struct.pack(">I4s4sI", 16, b"ftyp", b"avif", 0) + meta + b"\0\0\0\x08mdat"


BOMBS: dict[str, Callable[[], bytes]] = {
    "JPEG of fill bytes": lambda: b"\xff\xd8" + b"\xff" * (4 * MEBIBYTE) + b"\x00",
    "JPEG of stuffed zeros": lambda: b"\xff\xd8\xff\xda\x00\x02" + b"\xff\x00" * (2 * MEBIBYTE),
    "JPEG of empty segments": lambda: b"\xff\xd8" + b"\xff\xe0\x00\x02" * MEBIBYTE,
    "PNG of empty chunks": lambda: (
        sample(FORMATS[0])[:33] + b"\0\0\0\0tEXt\x28\xba\xdc\x8d" * 90_000
    ),
    "GIF of tiny blocks": lambda: b"GIF89a\1\0\1\0\0\0\0!\xfe" + b"\1x" * (2 * MEBIBYTE),
    "GIF of empty extensions": lambda: b"GIF89a\1\0\1\0\0\0\0" + b"!\xfe\0" * MEBIBYTE,
    "WebP of empty chunks": lambda: (
        b"RIFF" + struct.pack("<I", 4 * MEBIBYTE) + b"WEBPVP8X\x0a\0\0\0" + bytes(4 * MEBIBYTE)
    ),
    "AVIF of empty boxes": lambda: (
        b"\0\0\0\x10ftypavif\0\0\0\0" + b"\0\0\0\x08free" * (MEBIBYTE // 2)
    ),
    "AVIF of extents without size": _iloc_of_extents_without_size,
    "TIFF of overlapping directories": _tiff_of_overlapping_directories,
    "ICO of many entries": lambda: b"\0\0\1\0\xff\xff" + bytes(16 * 65_535),
    "JPEG 2000 of empty segments": lambda: b"\xff\x4f\xff\x51" + b"\0\2\xff\x52" * MEBIBYTE,
    "PPM of comments": lambda: b"P6\n" + b"# \n" * MEBIBYTE,
    "PPM of one endless comment": lambda: b"P6\n#" + b" #" * MEBIBYTE,
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_costs_no_more_than_its_length(bomb: str) -> None:
    content = BOMBS[bomb]()
    started = time.thread_time()
    verdict = check(content)
    assert time.thread_time() - started < TOO_LONG
    assert verdict.format is not None
    assert not verdict.whole


def test_lengths_beyond_all_bounds_are_cut_short() -> None:
    for content in (
        b"\x89PNG\r\n\x1a\n\x7f\xff\xff\xffIHDR",
        b"RIFF\xff\xff\xff\xffWEBPVP8X",
        b"II+\0\x08\0\0\0" + b"\xff" * 8,
        b"\0\0\0\x10ftypavif\0\0\0\0\0\0\0\x01meta" + b"\xff" * 8,
        b"BM" + b"\xff" * 12 + b"\x28\0\0\0" + b"\xff" * 40,
        b"P6 4000000000 4000000000 255 ",
    ):
        assert not check(content).whole
