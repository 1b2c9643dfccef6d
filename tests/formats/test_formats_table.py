"""Names and magic: which files are pictures, and what the bytes say they are."""

from __future__ import annotations

import pytest

from boardsync.formats import (
    BUILT_IN,
    FORMATS,
    HEAD_SIZE,
    HEIC,
    JPEG,
    PNG,
    PPM,
    SUPPORTED_FILE_EXTENSIONS,
    TGA,
    TIFF,
    Format,
    format_by_extension,
    is_supported_file,
    sniff,
)
from picture_samples import sample


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.png", PNG),
        (b"a.PNG", PNG),
        ("dir.d/b.JpEg", JPEG),
        (b"x.jfif", JPEG),
        ("x.TIF", TIFF),
        ("scan.heif", HEIC),
        (b"\xff\xfe\x80.pgm", PPM),
        ("caf\udce9.png", PNG),
    ],
)
def test_an_extension_in_any_case_names_the_format(name: bytes | str, expected: Format) -> None:
    assert format_by_extension(name) is expected


@pytest.mark.parametrize(
    "name",
    ["", "png", ".png", "dir/.png", "a.png/b", "a.png.part", "a.", "a.txt", "a.pn\u0261", b"/"],
)
def test_other_names_are_no_pictures(name: bytes | str) -> None:
    assert format_by_extension(name) is None
    assert not is_supported_file(name)


def test_every_extension_belongs_to_one_format() -> None:
    listed = [extension for known in FORMATS for extension in known.extensions]
    assert len(listed) == len(set(listed))
    assert set(listed) == SUPPORTED_FILE_EXTENSIONS
    assert all(is_supported_file("picture" + extension) for extension in listed)


def test_only_heic_needs_an_extra() -> None:
    assert {known.name for known in FORMATS} - BUILT_IN == {"HEIC"}
    assert HEIC.extra == "heif"


@pytest.mark.parametrize("known", FORMATS, ids=lambda known: known.name)
def test_the_first_bytes_tell_the_format(known: Format) -> None:
    assert sniff(sample(known)[:HEAD_SIZE]) is known


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_every_kind_of_tga_is_recognised_without_magic(mode: str) -> None:
    assert sniff(sample(TGA, mode)[:HEAD_SIZE]) is TGA


@pytest.mark.parametrize("options", [{"big_tiff": True}, {"compression": "tiff_lzw"}])
def test_both_kinds_of_tiff_are_recognised(options: dict[str, object]) -> None:
    assert sniff(sample(TIFF, **options)[:HEAD_SIZE]) is TIFF


@pytest.mark.parametrize(
    ("brands", "expected"),
    [
        (b"mif1\0\0\0\0mif1heic", "HEIC"),
        (b"mif1\0\0\0\0mif1avif", "AVIF"),
        (b"isom\0\0\0\0mp42", None),
    ],
)
def test_a_neutral_brand_leaves_it_to_the_compatible_ones(
    brands: bytes, expected: str | None
) -> None:
    found = sniff((len(brands) + 8).to_bytes(4, "big") + b"ftyp" + brands + b"avifheic")
    assert (found and found.name) == expected


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"\x89PN",
        b"%PDF-1.7",
        b"<svg xmlns=",
        b"BMW is a car maker, this is a text.",
        b"P5",
        b"P7\nWIDTH 1",
        b"RIFF\x00\x00\x00\x00WAVE",
        b"MZ" + bytes(62),
        bytes(64),
        b"\0\0\0\x18ftypmp42",
    ],
)
def test_other_content_is_no_picture(head: bytes) -> None:
    assert sniff(head) is None
