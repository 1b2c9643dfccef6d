"""The short proof that a PNG decodes: it never says so of one that does not."""

from __future__ import annotations

import random
import struct
import zlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import picture_profiles
from boardsync.errors import PictureRefused
from boardsync.formats import BUILT_IN, PNG
from boardsync.formats.whole import check
from boardsync.picture.decode import decode
from boardsync.picture.prepare import Needs, prepare
from boardsync.picture.sound import is_sound_plain_png
from picture_samples import chunk, deep_png, opened, sample

EVERYTHING = Needs(upright=True, srgb=True, plain_modes=True, palette_alpha=True)
WIDTH, HEIGHT, RGB = 13, 9, 2
ROW = 1 + WIDTH * 3
ROWS = b"".join(bytes([row % 5]) + bytes(range(ROW - 1)) for row in range(HEIGHT))


def png(
    packed: bytes | list[bytes], width: int = WIDTH, height: int = HEIGHT, colour: int = RGB
) -> bytes:
    """Return an 8-bit PNG with these packed rows, in one piece or several; its CRCs are good."""
    pieces = [packed] if isinstance(packed, bytes) else packed
    header = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    chunks = [(b"IHDR", header), *((b"IDAT", piece) for piece in pieces), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(kind, data) for kind, data in chunks)


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
@pytest.mark.parametrize("level", [0, 1, 9])
def test_a_plain_png_is_proven_and_needs_nothing(mode: str, level: int) -> None:
    content = sample(PNG, mode, (331, 277), compress_level=level)
    assert is_sound_plain_png(content)
    opened(content)


def test_ordinary_chunks_around_the_pixels_change_nothing() -> None:
    content = sample(
        PNG, "RGB", dpi=(72, 72), text=(("invokeai_metadata", "{}"), ("Größe", "\u4e00"))
    )
    assert is_sound_plain_png(content)


@pytest.mark.parametrize(
    ("mode", "traits"),
    [
        ("P", {}),
        ("1", {}),
        ("I;16", {}),
        ("RGB", {"transparency": (1, 2, 3)}),
        ("L", {"transparency": 7}),
        ("RGB", {"orientation": 6}),
        ("RGB", {"icc": picture_profiles.ADOBE_RGB}),
        ("RGB", {"frames": 3}),
        ("RGB", {"text": (("XML:com.adobe.xmp", '<x tiff:Orientation="6"/>'),)}),
        ("RGB", {"text": (("Raw profile type exif", "00"),)}),
    ],
)
def test_what_may_need_something_is_left_to_the_decoder(mode: str, traits: dict[str, Any]) -> None:
    assert not is_sound_plain_png(sample(PNG, mode, **traits))


def test_deep_colours_and_interlaced_pictures_are_left_to_the_decoder() -> None:
    assert not is_sound_plain_png(deep_png(2))
    content = bytearray(png(zlib.compress(ROWS)))
    content[28] = 1
    assert not is_sound_plain_png(bytes(content))


def test_rows_may_come_in_any_pieces() -> None:
    packed = zlib.compress(ROWS)
    cuts = [packed[at : at + 1] for at in range(len(packed))]
    assert is_sound_plain_png(png([b"", *cuts]))


DAMAGED = {
    "a row too few": zlib.compress(ROWS[:-ROW]),
    "a byte too few": zlib.compress(ROWS[:-1]),
    "a byte too many": zlib.compress(ROWS + b"\0"),
    "an unknown filter": zlib.compress(ROWS[:ROW] + b"\5" + ROWS[ROW + 1 :]),
    "a wrong checksum": zlib.compress(ROWS)[:-1] + b"\0",
    "no checksum": zlib.compress(ROWS)[:-4],
    "cut short": zlib.compress(ROWS)[:-20],
    "something after the rows": zlib.compress(ROWS) + b"\0",
    "no packed rows at all": b"",
    "no zlib": b"\xff" * 40,
}


@pytest.mark.parametrize("packed", DAMAGED.values(), ids=DAMAGED.keys())
def test_damage_under_good_crcs_is_never_proven(packed: bytes) -> None:
    content = png(packed)
    assert check(content).whole
    assert not is_sound_plain_png(content)


def test_what_is_not_proven_is_decoded_and_refused_with_the_reason() -> None:
    with pytest.raises(PictureRefused, match="PNG cannot be decoded"):
        prepare(png(DAMAGED["cut short"]), EVERYTHING)


def test_pixels_in_two_places_are_not_proven() -> None:
    packed = zlib.compress(ROWS)
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 0)
    parts = [(b"IHDR", header), (b"IDAT", packed[:9]), (b"tEXt", b"a\0b"), (b"IDAT", packed[9:])]
    content = b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in [*parts, (b"IEND", b"")])
    assert not is_sound_plain_png(content)


def test_a_bomb_costs_no_more_than_its_header_promises() -> None:
    assert not is_sound_plain_png(png(zlib.compress(bytes(100 << 20), 9)))


def test_a_kind_that_reads_no_png_gets_none_of_it_unseen() -> None:
    content = sample(PNG, "RGB")
    readable = frozenset(BUILT_IN - {PNG.name})
    assert prepare(content, Needs(readable=readable)).recipe != "original"


@given(
    seed=st.integers(0, 2**32), colour=st.sampled_from([0, 2, 4, 6]), cut=st.integers(-3, 3),
    flips=st.integers(0, 2), split=st.integers(0, 400),
)  # fmt: skip
@settings(max_examples=400)
def test_what_is_proven_does_decode(
    seed: int, colour: int, cut: int, flips: int, split: int
) -> None:
    chance = random.Random(seed)
    width, height = chance.randint(1, 40), chance.randint(1, 40)
    row = 1 + width * {0: 1, 2: 3, 4: 2, 6: 4}[colour]
    rows = b"".join(bytes([chance.randrange(5)]) + chance.randbytes(row - 1) for _ in range(height))
    rows = rows[:cut] if cut < 0 else rows + bytes(cut)
    packed = bytearray(zlib.compress(rows, chance.choice([0, 1, 6])))
    for _ in range(flips):
        packed[chance.randrange(len(packed))] ^= 1 << chance.randrange(8)
    content = png([bytes(packed[:split]), bytes(packed[split:])], width, height, colour)
    if is_sound_plain_png(content):
        assert decode(content).image.size == (width, height)
    else:
        assert cut or flips
