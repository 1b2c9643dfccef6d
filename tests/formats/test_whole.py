"""Completeness: a whole picture is seen as whole, and no beginning of one ever is."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from boardsync.formats import (
    AVIF,
    BMP,
    FORMATS,
    GIF,
    HEIC,
    ICO,
    JPEG,
    JPEG_2000,
    PNG,
    PPM,
    TGA,
    TIFF,
    WEBP,
    Format,
)
from boardsync.formats.whole import check
from picture_samples import SMALL, sample

VARIANTS: list[tuple[Format, str, dict[str, Any]]] = [
    (PNG, "RGB", {}),
    (PNG, "P", {"transparency": bytes(range(256))}),
    (PNG, "RGB", {"frames": 3}),
    (PNG, "L", {"text": (("invokeai_metadata", '{"seed": 1}'),)}),
    (JPEG, "RGB", {}),
    (JPEG, "RGB", {"progressive": True}),
    (JPEG, "CMYK", {"restart_marker_blocks": 1}),
    (JPEG, "RGB", {"exif_thumbnail": True, "orientation": 6}),
    (WEBP, "RGB", {}),
    (WEBP, "RGBA", {"lossless": True}),
    (WEBP, "RGB", {"icc": b"profile", "orientation": 3}),
    (WEBP, "RGB", {"frames": 2}),
    (GIF, "P", {}),
    (GIF, "P", {"frames": 3}),
    (AVIF, "RGB", {}),
    (AVIF, "RGBA", {"orientation": 6}),
    (AVIF, "RGB", {"frames": 2}),
    (HEIC, "RGB", {}),
    (JPEG_2000, "RGB", {}),
    (JPEG_2000, "L", {"no_jp2": True}),
    (JPEG_2000, "RGB", {"tile_size": (8, 8)}),
    (TIFF, "RGB", {}),
    (TIFF, "RGB", {"compression": "tiff_lzw"}),
    (TIFF, "RGB", {"compression": "jpeg"}),
    (TIFF, "RGBA", {"big_tiff": True}),
    (TIFF, "RGB", {"icc": b"a profile behind the pixels"}),
    (BMP, "RGB", {}),
    (BMP, "1", {}),
    (ICO, "RGBA", {"sizes": ((13, 9), (8, 8))}),
    (ICO, "RGBA", {"bitmap_format": "bmp"}),
    (PPM, "RGB", {}),
    (PPM, "L", {}),
    (PPM, "1", {}),
    (PPM, "I", {}),
]
NAMES = [f"{known.name}-{mode}-{'-'.join(options) or 'plain'}" for known, mode, options in VARIANTS]

variants = pytest.mark.parametrize(("known", "mode", "options"), VARIANTS, ids=NAMES)


@variants
def test_a_whole_picture_is_seen_as_whole(
    known: Format, mode: str, options: dict[str, Any]
) -> None:
    verdict = check(sample(known, mode, **options))
    assert (verdict.format, verdict.whole, verdict.certain) == (known, True, True), verdict.reason
    expected = (9, 9) if "bitmap_format" in options else SMALL
    assert (verdict.width, verdict.height) in (expected, SMALL)


@variants
def test_no_beginning_of_a_picture_is_whole(
    known: Format, mode: str, options: dict[str, Any]
) -> None:
    content = sample(known, mode, **options)
    assert [size for size in range(len(content)) if check(content[:size]).whole] == []


@variants
def test_bytes_behind_the_end_are_accepted_and_said(
    known: Format, mode: str, options: dict[str, Any]
) -> None:
    verdict = check(sample(known, mode, **options) + b"\xff\xd8\xff\xe1" + bytes(5))
    assert verdict.whole
    assert "9 bytes follow" in verdict.reason


@variants
def test_a_memoryview_gives_the_same_verdict(
    known: Format, mode: str, options: dict[str, Any]
) -> None:
    content = sample(known, mode, **options)
    assert check(memoryview(content)) == check(content)


BIG = [
    (PNG, "RGB", {}),
    (JPEG, "RGB", {"progressive": True, "quality": 95}),
    (GIF, "P", {"frames": 2}),
    (WEBP, "RGB", {"quality": 90}),
    (AVIF, "RGB", {"quality": 80}),
    (JPEG_2000, "RGB", {}),
]


@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_no_beginning_of_a_larger_picture_is_whole(data: st.DataObject) -> None:
    known, mode, options = data.draw(st.sampled_from(BIG))
    content = sample(known, mode, (160, 120), **options)
    size = data.draw(st.integers(0, len(content) - 1))
    assert check(content).whole
    assert not check(content[:size]).whole


@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_a_png_with_any_bit_changed_is_not_whole(data: st.DataObject) -> None:
    content = bytearray(sample(PNG))
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= 1 << data.draw(st.integers(0, 7))
    assert not check(bytes(content)).whole


@pytest.mark.parametrize("known", FORMATS, ids=lambda known: known.name)
def test_a_verdict_without_the_whole_picture_gives_a_reason(known: Format) -> None:
    content = sample(known)
    verdict = check(content[:40])
    assert verdict.format is known
    assert not verdict.whole or not verdict.certain
    assert verdict.reason


def test_empty_content_is_called_empty() -> None:
    verdict = check(b"")
    assert (verdict.format, verdict.whole, verdict.reason) == (None, False, "the content is empty")


@pytest.mark.parametrize(
    "content", [b"just some text", b"%PDF-1.7", b"<svg/>", bytes(1000), b"\xff"]
)
def test_other_content_is_called_no_picture(content: bytes) -> None:
    verdict = check(content)
    assert (verdict.format, verdict.whole) == (None, False)
    assert verdict.reason.startswith("not a picture")


def test_the_end_mark_of_an_embedded_thumbnail_is_not_the_pictures_own() -> None:
    content = sample(JPEG, orientation=1, exif_thumbnail=True)
    inner_end = content.index(b"\xff\xd9") + 2
    assert inner_end < len(content)
    assert not check(content[:inner_end]).whole
    assert check(content).whole


def test_a_jpeg_of_tables_alone_is_no_picture() -> None:
    verdict = check(b"\xff\xd8\xff\xe0\x00\x04xx\xff\xd9")
    assert not verdict.whole
    assert "without a picture" in verdict.reason


def test_a_png_that_ends_without_pixels_is_no_picture() -> None:
    content = sample(PNG)
    assert "no IDAT" in check(content[:33] + content[-12:]).reason


@pytest.mark.parametrize("known", [BMP, PPM, TIFF, WEBP], ids=lambda known: known.name)
def test_room_that_was_reserved_before_writing_is_not_taken_for_pixels(known: Format) -> None:
    content = sample(known, "RGB", (64, 64))
    reserved = content[:64] + bytes(len(content) - 64)
    if known is TIFF:
        reserved = content[: -64 * 64 * 3] + bytes(64 * 64 * 3)
    if known is WEBP:
        reserved = content[:-600] + bytes(600)
    verdict = check(reserved)
    assert verdict.whole
    assert not verdict.certain
    assert "zeros" in verdict.reason


def test_a_tga_is_certain_by_its_footer_alone() -> None:
    content = sample(TGA)
    assert check(content).certain
    without = check(content[:-26])
    assert (without.whole, without.certain) == (True, False)
    assert not check(content[: -26 - 40]).whole


def test_a_plain_text_map_is_never_certain() -> None:
    verdict = check(b"P2\n# made by hand\n2 2\n255\n0 1 2 3\n")
    assert (verdict.whole, verdict.certain) == (True, False)
    assert (verdict.width, verdict.height) == (2, 2)


def test_an_icon_is_as_large_as_the_picture_inside_it() -> None:
    inner = sample(PNG, "RGB", (300, 200))
    icon = struct.pack("<HHHBBBBHHII", 0, 1, 1, 16, 16, 0, 0, 1, 32, len(inner), 22) + inner
    verdict = check(icon)
    assert (verdict.width, verdict.height) == (300, 200)


def test_a_jpeg_with_more_scans_than_any_encoder_writes_is_refused() -> None:
    content = sample(JPEG, "L")
    scan = content[content.index(b"\xff\xda") : -2]
    assert check(content[:-2] + scan * 400 + content[-2:]).whole
    assert "scans" in check(content[:-2] + scan * 600 + content[-2:]).reason


def test_an_open_ended_last_box_is_checked_by_its_extents() -> None:
    content = bytearray(sample(AVIF))
    start = content.rindex(b"mdat") - 4
    content[start : start + 4] = bytes(4)
    assert check(bytes(content)).whole
    assert not check(bytes(content[:-1])).whole


def test_every_page_of_a_tiff_is_demanded() -> None:
    content = sample(TIFF, frames=3)
    single = len(sample(TIFF))
    assert check(content).whole
    assert not any(check(content[:size]).whole for size in range(len(content) - 16))
    assert len(content) > 2 * single


def test_a_tiff_that_points_into_a_circle_is_walked_once() -> None:
    content = bytearray(sample(TIFF))
    first = int.from_bytes(content[4:8], "little")
    entries = int.from_bytes(content[first : first + 2], "little")
    following = first + 2 + entries * 12
    content[following : following + 4] = content[4:8]
    assert check(bytes(content)).whole


def test_a_tiff_whose_directory_comes_last_is_cut_until_it_is_there() -> None:
    assert "not written yet" in check(b"II*\0\0\0\0\0" + bytes(100)).reason


def test_a_wrong_crc_is_named_by_its_chunk() -> None:
    content = bytearray(sample(PNG))
    content[content.index(b"IDAT") + 6] ^= 1
    assert "CRC of chunk IDAT" in check(bytes(content)).reason


def test_checksums_are_those_of_zlib() -> None:
    content = sample(PNG)
    assert int.from_bytes(content[29:33], "big") == zlib.crc32(content[12:29])
