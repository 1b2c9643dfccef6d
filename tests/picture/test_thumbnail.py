"""A thumbnail shows what the picture shows, smaller."""

from __future__ import annotations

from io import BytesIO

import pytest
from PIL import Image

from boardsync.errors import PictureRefused
from boardsync.formats import BUILT_IN, FORMATS, JPEG, PNG
from boardsync.picture.decode import Limits
from boardsync.picture.thumbnail import thumbnail
from picture_samples import deep_png, sample


def shown(content: bytes) -> Image.Image:
    image = Image.open(BytesIO(content))
    assert image.format == "WEBP"
    image.load()
    return image


@pytest.mark.parametrize("known", [one for one in FORMATS if one.name in BUILT_IN], ids=str)
def test_every_format_has_one(known: object) -> None:
    assert max(shown(thumbnail(sample(known), 8)).size) <= 8


@pytest.mark.parametrize(
    ("size", "edge", "small"),
    [((400, 300), 256, (256, 192)), ((300, 400), 100, (75, 100)), ((20, 10), 256, (20, 10)),
     ((3000, 1), 256, (256, 1)), ((1, 1), 1, (1, 1))],
)  # fmt: skip
def test_the_aspect_stays_and_nothing_is_enlarged(
    size: tuple[int, int], edge: int, small: tuple[int, int]
) -> None:
    assert shown(thumbnail(sample(PNG, "RGB", size), edge)).size == small


def test_it_is_upright_and_says_nothing_of_the_camera() -> None:
    turned = shown(thumbnail(sample(JPEG, "RGB", (40, 20), orientation=6), 16))
    assert turned.size == (8, 16)
    assert not turned.getexif()
    assert "icc_profile" not in turned.info


def test_transparency_and_depth_are_kept_to_the_eye() -> None:
    clear = BytesIO()
    Image.new("RGBA", (64, 64), (255, 0, 0, 0)).save(clear, "PNG")
    assert shown(thumbnail(clear.getvalue(), 16)).convert("RGBA").getpixel((8, 8))[3] == 0
    gray = BytesIO()
    Image.new("I;16", (64, 64), 32_896).save(gray, "PNG")
    value = shown(thumbnail(gray.getvalue(), 16)).convert("L").getpixel((8, 8))
    assert abs(value - 128) <= 3
    assert shown(thumbnail(deep_png(2), 16)).mode == "RGB"


def test_what_is_too_large_is_refused() -> None:
    with pytest.raises(PictureRefused, match="120000 pixels, 1000 are allowed"):
        thumbnail(sample(PNG, "RGB", (400, 300)), 16, Limits(max_pixels=1000))
