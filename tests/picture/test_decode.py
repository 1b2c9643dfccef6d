"""Decoding: every pixel or a refusal in words, within limits that are asked first."""

from __future__ import annotations

import struct
import sys
import tracemalloc
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from boardsync.errors import PictureRefused
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
from boardsync.picture import decode as decode_module
from boardsync.picture.decode import Limits, decode
from picture_samples import SMALL, chunk, deep_png, noise, opened, raw_png, sample

DECODABLE = [known for known in FORMATS if known is not HEIC]


@pytest.mark.parametrize("known", DECODABLE, ids=lambda known: known.name)
def test_every_format_is_decoded_as_pillow_does(known: Format) -> None:
    content = sample(known)
    decoded = decode(content)
    assert decoded.format is known
    assert decoded.image.tobytes() == opened(content).tobytes()
    assert (decoded.orientation, decoded.tilted, decoded.deep) == (1, False, False)


def test_heic_without_its_decoder_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    decode_module._load_heif.cache_clear()
    with pytest.raises(PictureRefused, match=r"pip install 'boardsync\[heif\]'"):
        decode(sample(HEIC))
    decode_module._load_heif.cache_clear()


@pytest.mark.parametrize("known", [GIF, WEBP, PNG, TIFF, AVIF], ids=lambda known: known.name)
def test_the_first_frame_is_what_counts(known: Format) -> None:
    options: dict[str, Any] = {} if known in (GIF, PNG, TIFF) else {"lossless": True}
    if known is AVIF:
        options = {"quality": 100}
    mode = "P" if known is GIF else "RGB"
    animated = decode(sample(known, mode, frames=3, **options)).image.convert("RGB")
    assert animated.size == SMALL
    if known is not AVIF:
        assert animated.tobytes() == noise(mode).convert("RGB").tobytes()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"hello, I am a text", "not a picture"),
        (b"%PDF-1.7 ...", "not a picture"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "not a picture"),
        (sample(PNG)[:-1], "PNG is not whole: cut short"),
        (sample(JPEG)[:-2], "JPEG is not whole: cut short"),
        (sample(TIFF)[:-1], "TIFF is not whole: cut short"),
    ],
)
def test_what_is_no_whole_picture_is_refused_in_words(content: bytes, words: str) -> None:
    with pytest.raises(PictureRefused, match=words):
        decode(content)


def test_pixels_that_contradict_a_sound_container_are_refused() -> None:
    with pytest.raises(PictureRefused, match="PNG cannot be decoded"):
        decode(raw_png(100, 100, 8, 2, b"\0" * 50))


def test_a_png_whose_pixels_were_flipped_is_refused() -> None:
    content = bytearray(sample(PNG))
    content[content.index(b"IDAT") + 20] ^= 4
    with pytest.raises(PictureRefused, match="CRC"):
        decode(bytes(content))


def _png_bomb(width: int, height: int) -> bytes:
    return raw_png(width, height, 1, 0, bytes(1000))


def _inner_bomb() -> bytes:
    inner = _png_bomb(30_000, 30_000)
    return struct.pack("<HHHBBBBHHII", 0, 1, 1, 16, 16, 0, 0, 1, 32, len(inner), 22) + inner


def _patched(known: Format, before: bytes, after: bytes, **options: Any) -> bytes:
    content = sample(known, **options)
    assert before in content
    return content.replace(before, after, 1)


BOMBS: dict[str, Callable[[], bytes]] = {
    "PNG": lambda: _png_bomb(30_000, 30_000),
    "PNG as wide as can be": lambda: _png_bomb(2**31 - 1, 2**31 - 1),
    "PNG inside a small ICO": _inner_bomb,
    "GIF": lambda: _patched(GIF, struct.pack("<HH", *SMALL), b"\xff\xff\xff\xff", mode="P"),
    "JPEG": lambda: _patched(JPEG, struct.pack(">HH", 9, 13), b"\xff\xff\xff\xff"),
    "WebP": lambda: _patched(WEBP, b"\x0c\0\0\x08\0\0", b"\xff\x3f\0\xff\x3f\0", orientation=3),
    "JPEG 2000 whose boxes look small": lambda: _patched(
        JPEG_2000, struct.pack(">HII", 0, 13, 9), struct.pack(">HII", 0, 60_000, 60_000)
    ),
    "AVIF": lambda: _patched(AVIF, struct.pack(">II", 13, 9), struct.pack(">II", 60_000, 60_000)),
    "TIFF": lambda: _tiff({256: 1 << 20, 257: 1 << 20, 273: 0, 279: 0}),
    "TIFF of one huge tile": lambda: _tiff({322: 60_000, 323: 60_000, 324: 0, 325: 0}),
    "PPM": lambda: b"P5 20000 20000 255\n" + bytes(20_000 * 20_000 // 1000),
}


def _tiff(tags: dict[int, int]) -> bytes:
    """A deflated gray TIFF whose strip or tile (the last two tags) is a kilobyte of zeros."""
    tags = {256: 1, 257: 1, 258: 8, 259: 8, 262: 1, 277: 1} | tags
    body = zlib.compress(bytes(1000))
    offset, count = list(tags)[-2:]
    tags |= {offset: 8 + 2 + 12 * len(tags) + 4, count: len(body)}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, tags[tag]) for tag in sorted(tags))
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + entries + bytes(4) + body


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_is_refused_before_its_pixels_cost_memory(bomb: str) -> None:
    content = BOMBS[bomb]()
    tracemalloc.start()
    try:
        with pytest.raises(PictureRefused):
            decode(content)
        assert tracemalloc.get_traced_memory()[1] < 30_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("bomb", [name for name in BOMBS if name != "PPM"])
def test_a_bomb_is_called_one(bomb: str) -> None:
    with pytest.raises(
        PictureRefused, match=r"decompression bomb: .* pixels, 178956970 are allowed"
    ):
        decode(BOMBS[bomb]())


def test_the_limits_can_be_narrowed() -> None:
    content = sample(PNG)
    decode(content, Limits(max_pixels=13 * 9, max_bytes=len(content)))
    with pytest.raises(PictureRefused, match="117 pixels, 116 are allowed"):
        decode(content, Limits(max_pixels=116))
    with pytest.raises(PictureRefused, match="bytes, 10 are allowed"):
        decode(content, Limits(max_bytes=10))


def test_a_text_bomb_in_a_png_is_refused_and_bounded() -> None:
    bomb = chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(256 << 20)))
    content = sample(PNG)
    with pytest.raises(PictureRefused):
        decode(content[:33] + bomb + content[33:])


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("known", [JPEG, PNG, WEBP, AVIF, TIFF], ids=lambda known: known.name)
def test_a_tilted_picture_is_told_from_an_upright_one(known: Format, orientation: int) -> None:
    decoded = decode(sample(known, orientation=orientation))
    assert decoded.tilted == (orientation > 1)
    assert decoded.orientation in ((1,) if known is TIFF else (orientation,))


@pytest.mark.parametrize("exif", [b"Exif\0\0nonsense", b"Exif\0\0II*\0\xff\xff\xff\xff", b"\0"])
def test_exif_that_cannot_be_read_turns_nothing(exif: bytes) -> None:
    content = sample(PNG)
    damaged = content[:33] + chunk(b"eXIf", exif.removeprefix(b"Exif\0\0")) + content[33:]
    assert decode(damaged).orientation == 1


@pytest.mark.parametrize("value", [0, 9, 65_535])
def test_an_orientation_that_does_not_exist_turns_nothing(value: int) -> None:
    assert not decode(sample(JPEG, orientation=value)).tilted


@pytest.mark.parametrize("colour", [2, 4, 6])
def test_colours_of_16_bits_are_known_to_be_reduced(colour: int) -> None:
    assert decode(deep_png(colour)).deep


def test_gray_of_16_bits_is_not_reduced() -> None:
    decoded = decode(deep_png(0))
    assert (decoded.image.mode, decoded.deep) == ("I;16", False)


def outcome(content: bytes) -> str:
    """Say how decoding ended; anything but a picture or a refusal is raised."""
    try:
        decoded = decode(content, Limits(max_pixels=1_000_000))
    except PictureRefused as refusal:
        return f"refused: {refusal}"
    return f"decoded: {decoded.image.width * decoded.image.height} pixels"


@given(
    st.sampled_from(DECODABLE),
    st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=6),
)
@settings(max_examples=400, deadline=None)
def test_mutated_pictures_are_decoded_or_refused(
    known: Format, changes: list[tuple[int, int]]
) -> None:
    content = bytearray(sample(known))
    for place, value in changes:
        content[place % len(content)] = value
    assert outcome(bytes(content)) not in ("refused: ", "decoded: 0 pixels")


@given(st.sampled_from([PNG, BMP, PPM, TGA, ICO]), st.binary(max_size=200))
@settings(max_examples=200, deadline=None)
def test_random_bytes_behind_a_true_beginning_are_decoded_or_refused(
    known: Format, tail: bytes
) -> None:
    assert outcome(sample(known)[:20] + tail) not in ("refused: ", "decoded: 0 pixels")
