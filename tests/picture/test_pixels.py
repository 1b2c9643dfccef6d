"""Pixel digests: the same to the eye is the same, whatever the server wrote it as."""

from __future__ import annotations

import hashlib
from io import BytesIO

import pytest
from PIL import Image

from boardsync.errors import PictureRefused
from boardsync.formats import BMP, GIF, JPEG, JPEG_2000, PNG, PPM, TGA, TIFF, WEBP, Format
from boardsync.picture.decode import Limits
from boardsync.picture.pixels import pixel_digest, pixel_digest_of
from picture_samples import SMALL, as_invokeai_stores, noise, sample

EXACT = [
    (PNG, "1"), (PNG, "L"), (PNG, "LA"), (PNG, "P"), (PNG, "RGB"), (PNG, "RGBA"), (PNG, "I;16"),
    (JPEG, "RGB"), (JPEG, "L"), (WEBP, "RGB"), (WEBP, "RGBA"), (GIF, "P"), (TIFF, "RGB"),
    (TIFF, "LA"), (TIFF, "I;16"), (BMP, "RGB"), (BMP, "P"), (TGA, "RGBA"), (PPM, "RGB"),
    (PPM, "1"), (JPEG_2000, "RGB"),
]  # fmt: skip


@pytest.mark.parametrize(("known", "mode"), EXACT)
def test_a_digest_survives_the_servers_encoding(known: Format, mode: str) -> None:
    content = sample(known, mode)
    assert pixel_digest_of(as_invokeai_stores(content)) == pixel_digest_of(content)


@pytest.mark.parametrize("mode", ["1", "L", "P"])
def test_palettes_and_gray_equal_the_same_colours_in_rgb(mode: str) -> None:
    image = noise(mode)
    assert pixel_digest(image.convert("RGB")) == pixel_digest(image)


def test_gray_with_alpha_equals_the_same_colours_in_rgba() -> None:
    image = noise("LA")
    assert pixel_digest(image.convert("RGBA")) == pixel_digest(image)


def test_a_transparent_palette_equals_its_colours_in_rgba() -> None:
    content = sample(PNG, "P", transparency=bytes(range(256)))
    shown = Image.open(BytesIO(content)).convert("RGBA")
    assert pixel_digest_of(content) == pixel_digest(shown)
    assert pixel_digest_of(content) != pixel_digest_of(sample(PNG, "P"))


def test_an_opaque_alpha_channel_makes_no_difference() -> None:
    image = noise("RGB")
    assert pixel_digest(image.convert("RGBA")) == pixel_digest(image)


def test_a_colour_key_that_no_pixel_has_makes_no_difference() -> None:
    assert pixel_digest_of(sample(PNG, "RGB", transparency=(1, 2, 3))) == pixel_digest(noise("RGB"))


def test_colours_hidden_under_full_transparency_count() -> None:
    hidden, other = Image.new("RGBA", (2, 1), (9, 9, 9, 0)), Image.new("RGBA", (2, 1), (8, 9, 9, 0))
    assert pixel_digest(hidden) != pixel_digest(other)


def test_gray_of_16_bits_counts_in_all_its_bits() -> None:
    image = noise("I;16")
    coarse = Image.frombytes("I;16", SMALL, bytes(b & 0xFE for b in image.tobytes()))
    assert pixel_digest(image) != pixel_digest(coarse)
    assert pixel_digest(image) == pixel_digest(image.convert("I"))


def test_one_pixel_or_another_shape_is_another_picture() -> None:
    image = noise("RGB")
    changed = image.copy()
    changed.putpixel((12, 8), (1, 2, 3))
    turned = Image.frombytes("RGB", (9, 13), image.tobytes())
    assert len({pixel_digest(image), pixel_digest(changed), pixel_digest(turned)}) == 3


@pytest.mark.parametrize("size", [(1, 70_000), (70_000, 1), (300, 300)])
def test_a_digest_does_not_depend_on_the_strips(size: tuple[int, int]) -> None:
    image = noise("RGB", size)
    bottom_changed = image.copy()
    bottom_changed.putpixel((size[0] - 1, size[1] - 1), (0, 0, 0))
    assert pixel_digest(image.convert("RGBA")) == pixel_digest(image)
    assert pixel_digest(bottom_changed) != pixel_digest(image)


def test_a_digest_is_sha256_over_size_and_pixels_and_stays_so() -> None:
    image = Image.frombytes("RGB", (2, 1), b"\x01\x02\x03\x04\x05\x06")
    expected = hashlib.sha256(b"RGB 2x1\n\x01\x02\x03\x04\x05\x06").hexdigest()
    assert pixel_digest(image) == expected


def test_the_digest_of_damaged_content_is_refused() -> None:
    with pytest.raises(PictureRefused, match="not whole"):
        pixel_digest_of(sample(PNG)[:-4])
    with pytest.raises(PictureRefused, match="allowed"):
        pixel_digest_of(sample(PNG), Limits(max_pixels=5))
