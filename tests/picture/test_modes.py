"""Plain modes: what fits is kept exactly, what doesn't is brought into view."""

from __future__ import annotations

import struct

import pytest
from PIL import Image

from boardsync.picture.modes import PLAIN, plain, with_alpha
from picture_samples import noise


def integers(*values: int) -> Image.Image:
    return Image.frombytes("I", (len(values), 1), struct.pack(f"={len(values)}i", *values))


def floats(*values: float) -> Image.Image:
    return Image.frombytes("F", (len(values), 1), struct.pack(f"={len(values)}f", *values))


def deep(image: Image.Image) -> tuple[int, ...]:
    assert image.mode == "I;16"
    return struct.unpack(f"<{image.width}H", image.tobytes())


@pytest.mark.parametrize("mode", sorted(PLAIN))
def test_a_plain_picture_is_itself(mode: str) -> None:
    image = noise(mode)
    assert plain(image) is image


@pytest.mark.parametrize(
    ("mode", "expected"),
    [("CMYK", "RGB"), ("YCbCr", "RGB"), ("LAB", "RGB"), ("HSV", "RGB"), ("RGBX", "RGB"),
     ("PA", "RGBA"), ("La", "LA"), ("RGBa", "RGBA"), ("F", "L"), ("I", "I;16"),
     ("I;16B", "I;16")],
)  # fmt: skip
def test_every_other_mode_has_one_plain_one(mode: str, expected: str) -> None:
    assert plain(noise(mode)).mode == expected


def test_integers_that_fit_16_bits_keep_their_values() -> None:
    assert deep(plain(integers(0, 1, 255, 256, 65_535))) == (0, 1, 255, 256, 65_535)


def test_16_bits_in_the_other_byte_order_keep_their_values() -> None:
    assert plain(noise("I;16B")).tobytes() == noise("I;16").tobytes()


def test_wider_integers_are_stretched_over_16_bits() -> None:
    assert deep(plain(integers(-100, 0, 100))) == pytest.approx((0, 32_767, 65_535), abs=1)
    assert deep(plain(integers(0, 1 << 30))) == pytest.approx((0, 65_535), abs=1)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((0.0, 0.5, 1.0), (0, 128, 255)),
        ((0.0, 0.2), (0, 51)),
        ((0.0, 100.4, 255.0), (0, 100, 255)),
        ((-1.0, 0.0, 1.0), (0, 128, 255)),
        ((0.0, 32_768.0, 65_536.0), (0, 128, 255)),
        ((7.0, 7.0), (7, 7)),
        ((0.0, float("inf")), (0, 255)),
    ],
)
def test_floats_become_gray_by_their_range(
    values: tuple[float, ...], expected: tuple[int, ...]
) -> None:
    assert tuple(plain(floats(*values)).tobytes()) == expected


def test_a_see_through_palette_becomes_a_channel() -> None:
    image = noise("P")
    image.info["transparency"] = 3
    shown = with_alpha(image)
    assert shown is not None
    alpha = shown.getchannel("A").tobytes()
    assert all(
        (value == 0) == (index == 3) for value, index in zip(alpha, image.tobytes(), strict=True)
    )


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA", "I;16", "CMYK"])
def test_where_nothing_hides_nothing_is_brought_out(mode: str) -> None:
    assert with_alpha(noise(mode)) is None


def test_gray_of_16_bits_keeps_its_depth_rather_than_its_key() -> None:
    image = noise("I;16")
    image.info["transparency"] = image.getpixel((0, 0))
    assert with_alpha(image) is None
