"""Colour profiles: converted where they change what is seen, left alone where they don't."""

from __future__ import annotations

import pytest
from PIL import Image, ImageCms

import picture_profiles
from boardsync.picture.colour import to_srgb
from picture_samples import noise


def colour(image: Image.Image | None) -> tuple[int, ...]:
    assert image is not None
    pixel = image.getpixel((0, 0))
    assert isinstance(pixel, tuple)
    return pixel


def test_wider_colours_become_more_saturated_numbers_in_srgb() -> None:
    red, green, blue = colour(
        to_srgb(Image.new("RGB", (1, 1), (200, 100, 50)), picture_profiles.ADOBE_RGB)
    )
    assert (red, green, blue) == pytest.approx((227, 100, 42), abs=2)


def test_display_p3_is_converted() -> None:
    shown = colour(to_srgb(Image.new("RGB", (1, 1), (200, 100, 50)), picture_profiles.DISPLAY_P3))
    assert shown == pytest.approx((215, 93, 31), abs=2)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "L", "LA", "YCbCr"])
def test_a_profile_that_is_srgb_by_effect_leaves_the_very_picture(mode: str) -> None:
    image = noise(mode)
    assert to_srgb(image, picture_profiles.SRGB) is image


def test_the_srgb_of_the_colour_engine_itself_is_recognised() -> None:
    image = noise("RGB")
    built_in = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert to_srgb(image, built_in) is image


def test_alpha_stays_as_it_was() -> None:
    image = noise("RGBA")
    shown = to_srgb(image, picture_profiles.ADOBE_RGB)
    assert shown is not None
    assert shown.getchannel("A").tobytes() == image.getchannel("A").tobytes()
    opaque = to_srgb(image.convert("RGB"), picture_profiles.ADOBE_RGB)
    assert opaque is not None
    assert shown.convert("RGB").tobytes() == opaque.tobytes()


@pytest.mark.parametrize(("mode", "expected"), [("L", "L"), ("LA", "LA")])
@pytest.mark.parametrize("profile", ["GRAY_GAMMA_1", "ADOBE_RGB"])
def test_gray_stays_gray(mode: str, expected: str, profile: str) -> None:
    shown = to_srgb(noise(mode), getattr(picture_profiles, profile))
    assert shown is not None
    assert shown.mode == expected


def test_linear_gray_becomes_lighter_numbers() -> None:
    shown = to_srgb(Image.new("L", (1, 1), 55), picture_profiles.GRAY_GAMMA_1)
    assert shown is not None
    assert shown.getpixel((0, 0)) == pytest.approx(128, abs=2)


def test_gray_in_srgbs_own_tones_is_left_alone() -> None:
    image = noise("L")
    assert to_srgb(image, picture_profiles.GRAY_SRGB) is image


def test_a_palette_is_converted_with_its_transparency() -> None:
    image = noise("P")
    image.info["transparency"] = bytes(range(256))
    shown = to_srgb(image, picture_profiles.ADOBE_RGB)
    assert shown is not None
    assert shown.mode == "RGBA"
    assert shown.getchannel("A").tobytes() == image.tobytes()


def test_inks_go_through_their_profile() -> None:
    image = Image.new("CMYK", (1, 1), (255, 0, 0, 0))
    through = colour(to_srgb(image, picture_profiles.CMYK))
    assert through != colour(image.convert("RGB"))
    assert max(through) != through[0]


@pytest.mark.parametrize(
    ("mode", "profile"),
    [
        ("RGB", b""),
        ("RGB", b"not a profile"),
        ("RGB", picture_profiles.BROKEN),
        ("RGB", picture_profiles.CMYK),
        ("RGB", picture_profiles.GRAY_SRGB),
        ("CMYK", picture_profiles.SRGB),
        ("I;16", picture_profiles.GRAY_GAMMA_1),
        ("F", picture_profiles.GRAY_GAMMA_1),
    ],
)
def test_a_profile_that_cannot_be_used_is_told(mode: str, profile: bytes) -> None:
    assert to_srgb(noise(mode), profile) is None


@pytest.mark.parametrize("mode", ["1", "LAB"])
def test_what_needs_no_profile_is_left_alone(mode: str) -> None:
    image = noise(mode)
    assert to_srgb(image, picture_profiles.ADOBE_RGB) is image
