"""Preparation: for each row of what the server does to pictures, the least that mends it."""

from __future__ import annotations

import hashlib
from io import BytesIO
from typing import Any

import pytest
from PIL import Image, ImageOps

import picture_profiles
from boardsync.errors import PictureRefused
from boardsync.formats import (
    AVIF,
    BMP,
    BUILT_IN,
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
    sniff,
)
from boardsync.formats.png import text_chunks
from boardsync.formats.whole import check
from boardsync.picture.decode import Limits
from boardsync.picture.pixels import pixel_digest, pixel_digest_of
from boardsync.picture.prepare import Needs, prepare
from picture_samples import SMALL, as_invokeai_stores, chunk, deep_png, noise, opened, sample

INVOKEAI = Needs(upright=True, srgb=True, plain_modes=True, palette_alpha=True, readable=BUILT_IN)
NOTHING = Needs()

FINE: list[tuple[Format, str, dict[str, Any]]] = [
    *((PNG, mode, {}) for mode in ("RGB", "RGBA", "L", "LA", "1", "I;16", "P")),
    (PNG, "P", {"transparency": b"\xff" * 256}),
    (PNG, "RGB", {"orientation": 1}),
    (PNG, "RGB", {"icc": picture_profiles.SRGB}),
    (PNG, "RGB", {"frames": 3}),
    (PNG, "RGB", {"text": (("invokeai_metadata", "{}"),)}),
    (JPEG, "RGB", {}),
    (JPEG, "L", {}),
    (JPEG, "RGB", {"icc": picture_profiles.SRGB, "orientation": 1, "progressive": True}),
    (WEBP, "RGB", {}),
    (WEBP, "RGBA", {"lossless": True, "frames": 2}),
    (AVIF, "RGB", {}),
    (BMP, "RGB", {}),
    (TIFF, "RGB", {"frames": 2}),
    (TIFF, "I;16", {}),
    (ICO, "RGBA", {}),
    (TGA, "RGB", {}),
    (PPM, "RGB", {}),
    (JPEG_2000, "RGB", {}),
    (GIF, "P", {"frames": 3}),
]

MENDED: list[tuple[Format, str, dict[str, Any], str]] = [
    (PNG, "P", {"transparency": bytes(range(256))}, "rgba;png"),
    (GIF, "P", {"transparency": noise("P").getpixel((3, 3))}, "rgba;png"),
    (PNG, "RGB", {"transparency": noise("RGB").getpixel((3, 3))}, "rgba;png"),
    (PNG, "L", {"transparency": noise("L").getpixel((3, 3))}, "rgba;png"),
    (PNG, "1", {"transparency": 0}, "rgba;png"),
    (JPEG, "RGB", {"orientation": 6}, "upright;png"),
    (TIFF, "RGB", {"orientation": 8}, "upright;png"),
    (WEBP, "RGBA", {"orientation": 3}, "upright;png"),
    (PNG, "RGB", {"icc": picture_profiles.ADOBE_RGB}, "srgb;png"),
    (JPEG, "RGB", {"icc": picture_profiles.DISPLAY_P3}, "srgb;png"),
    (JPEG, "RGB", {"icc": picture_profiles.DISPLAY_P3, "orientation": 5}, "upright+srgb;png"),
    (PNG, "L", {"icc": picture_profiles.GRAY_GAMMA_1}, "srgb;png"),
    (JPEG, "CMYK", {}, "rgb;png"),
    (JPEG, "CMYK", {"icc": picture_profiles.CMYK}, "srgb;png"),
    (TIFF, "CMYK", {}, "rgb;png"),
    (TIFF, "F", {}, "gray;png"),
    (TIFF, "LAB", {}, "rgb;png"),
    (TIFF, "YCbCr", {}, "rgb;png"),
    (TIFF, "PA", {}, "rgba;png"),
    (TIFF, "I;16B", {}, "gray16;png"),
    (PPM, "I", {}, "gray16;png"),
    (PNG, "P", {"orientation": 6, "transparency": bytes(256)}, "upright+rgba;png"),
]  # fmt: skip


@pytest.mark.parametrize(("known", "mode", "traits"), FINE)
def test_a_fine_picture_is_sent_as_the_bytes_it_is(
    known: Format, mode: str, traits: dict[str, Any]
) -> None:
    content = sample(known, mode, **traits)
    prepared = prepare(content, INVOKEAI)
    assert prepared.content is content
    assert (prepared.recipe, prepared.untouched) == ("original", True)
    assert (prepared.media_type, prepared.extension) == (known.media_type, known.extension)
    assert (prepared.width, prepared.height) == opened(content).size


@pytest.mark.parametrize(("known", "mode", "traits", "recipe"), MENDED)
def test_what_the_server_would_spoil_is_mended(
    known: Format, mode: str, traits: dict[str, Any], recipe: str
) -> None:
    prepared = prepare(sample(known, mode, **traits), INVOKEAI)
    assert (prepared.recipe, prepared.untouched) == (recipe, False)
    assert (prepared.media_type, prepared.extension) == ("image/png", ".png")
    assert check(prepared.content).certain
    assert (prepared.width, prepared.height) == opened(prepared.content).size


@pytest.mark.parametrize(
    ("known", "mode", "traits"), [*FINE, *((k, m, t) for k, m, t, _ in MENDED)]
)
def test_the_server_then_shows_the_promised_pixels(
    known: Format, mode: str, traits: dict[str, Any]
) -> None:
    prepared = prepare(sample(known, mode, **traits), INVOKEAI)
    assert pixel_digest_of(as_invokeai_stores(prepared.content)) == pixel_digest_of(
        prepared.content
    )


@pytest.mark.parametrize(
    ("known", "mode", "traits"), [*FINE, *((k, m, t) for k, m, t, _ in MENDED)]
)
def test_a_server_that_needs_nothing_gets_every_picture_as_it_is(
    known: Format, mode: str, traits: dict[str, Any]
) -> None:
    content = sample(known, mode, **traits)
    prepared = prepare(content, NOTHING)
    assert prepared.content is content
    assert prepared.recipe == "original"


@pytest.mark.parametrize(
    ("known", "mode", "traits"), [(k, m, t) for k, m, t, _ in MENDED if m not in ("F", "LAB")]
)
def test_preparing_twice_is_preparing_once(
    known: Format, mode: str, traits: dict[str, Any]
) -> None:
    once = prepare(sample(known, mode, **traits), INVOKEAI)
    twice = prepare(once.content, INVOKEAI)
    assert twice.content is once.content


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("known", [JPEG, PNG, WEBP, TIFF], ids=lambda known: known.name)
def test_a_picture_is_turned_as_its_exif_says(known: Format, orientation: int) -> None:
    content = sample(known, orientation=orientation)
    prepared = prepare(content, Needs(upright=True))
    expected = ImageOps.exif_transpose(opened(content))
    assert pixel_digest_of(prepared.content) == pixel_digest(expected)
    assert (prepared.width, prepared.height) == expected.size
    assert ImageOps.exif_transpose(opened(prepared.content)).tobytes() == expected.tobytes()


def test_no_text_turns_an_upright_picture_again() -> None:
    xmp = '<rdf:Description tiff:Orientation="6"/>'
    content = sample(PNG, text=(("XML:com.adobe.xmp", xmp), ("parameters", "steps: 20")))
    prepared = prepare(content, Needs(upright=True))
    assert prepared.recipe == "upright;png"
    assert text_chunks(prepared.content) == {"parameters": "steps: 20"}
    assert opened(prepared.content).getexif().get(0x0112) is None


def test_all_texts_survive_an_encoding() -> None:
    texts = {
        "invokeai_metadata": '{"positive_prompt": "Füchse im Schnee", "seed": 7}',
        "invokeai_workflow": '{"nodes": []}' * 20_000,
        "invokeai_graph": '{"id": "日本"}',
        "parameters": "a fox\nSteps: 20",
        "prompt": "",
    }
    content = sample(PNG, "P", transparency=bytes(range(256)), text=tuple(texts.items()))
    prepared = prepare(content, INVOKEAI)
    assert prepared.recipe == "rgba;png"
    assert text_chunks(prepared.content) == texts
    assert opened(prepared.content).text == texts  # type: ignore[attr-defined]


def test_exif_survives_where_it_turns_nothing() -> None:
    content = sample(JPEG, "RGB", orientation=1, icc=picture_profiles.ADOBE_RGB)
    shown = opened(prepare(content, INVOKEAI).content)
    assert shown.getexif()[0x010E] == "noise"


def test_a_tilted_picture_stays_tilted_for_a_server_that_turns_it_itself() -> None:
    content = sample(JPEG, "CMYK", orientation=6)
    prepared = prepare(content, Needs(plain_modes=True))
    assert prepared.recipe == "rgb;png"
    assert opened(prepared.content).getexif()[0x0112] == 6


def test_a_profile_that_is_not_to_be_converted_travels_along() -> None:
    content = sample(JPEG, orientation=6, icc=picture_profiles.ADOBE_RGB)
    shown = opened(prepare(content, Needs(upright=True)).content)
    assert shown.info["icc_profile"] == picture_profiles.ADOBE_RGB


def test_a_converted_picture_carries_no_profile() -> None:
    content = sample(JPEG, icc=picture_profiles.ADOBE_RGB)
    assert "icc_profile" not in opened(prepare(content, INVOKEAI).content).info


@pytest.mark.parametrize("profile", [picture_profiles.BROKEN, picture_profiles.CMYK, b"x" * 200])
def test_a_profile_that_cannot_be_used_is_left_and_said(profile: bytes) -> None:
    content = sample(JPEG, icc=profile)
    prepared = prepare(content, INVOKEAI)
    assert prepared.content is content
    assert (prepared.recipe, prepared.untouched) == ("original;profile-unused", True)
    turned = prepare(sample(JPEG, icc=profile, orientation=6), INVOKEAI)
    assert turned.recipe == "upright;png;profile-unused"
    assert not turned.untouched


def test_a_profile_of_inks_never_travels_with_rgb() -> None:
    prepared = prepare(sample(JPEG, "CMYK", icc=picture_profiles.CMYK), Needs(plain_modes=True))
    assert "icc_profile" not in opened(prepared.content).info


@pytest.mark.parametrize(("colour", "recipe"), [(2, "rgb;png"), (4, "rgba;png"), (6, "rgba;png")])
def test_colours_of_16_bits_are_reduced_here_as_they_would_be_there(
    colour: int, recipe: str
) -> None:
    content = deep_png(colour)
    prepared = prepare(content, INVOKEAI)
    assert prepared.recipe == recipe
    assert pixel_digest_of(prepared.content) == pixel_digest_of(as_invokeai_stores(content))
    assert opened(prepared.content).mode in ("RGB", "RGBA")


def test_gray_of_16_bits_is_kept_exactly() -> None:
    content = deep_png(0)
    assert prepare(content, INVOKEAI).content is content


def test_a_format_that_the_server_cannot_read_becomes_png() -> None:
    prepared = prepare(sample(TGA), Needs(readable=frozenset({"PNG", "JPEG"})))
    assert prepared.recipe == "decoded;png"
    assert sniff(prepared.content) is PNG
    assert pixel_digest_of(prepared.content) == pixel_digest(noise("RGB"))


@pytest.mark.parametrize(("known", "mode"), [(TIFF, "CMYK"), (TIFF, "F"), (TIFF, "LAB")])
def test_what_png_cannot_hold_is_made_plain_even_when_only_the_format_matters(
    known: Format, mode: str
) -> None:
    prepared = prepare(sample(known, mode), Needs(readable=frozenset({"PNG"})))
    assert prepared.recipe.startswith("decoded+")
    assert sniff(prepared.content) is PNG


def test_the_first_frame_of_an_animation_is_what_the_server_shows() -> None:
    content = sample(GIF, "P", frames=3, transparency=noise("P").getpixel((3, 3)))
    first = Image.open(BytesIO(content))
    prepared = prepare(content, INVOKEAI)
    assert prepared.recipe == "rgba;png"
    assert pixel_digest_of(prepared.content) == pixel_digest(first.convert("RGBA"))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"text",
        b"%PDF-1.7",
        b"<svg/>",
        sample(PNG)[:-12],
        sample(JPEG)[:400],
        sample(PNG)[:33] + chunk(b"IDAT", b"not deflated") + sample(PNG)[-12:],
    ],
)
@pytest.mark.parametrize("needs", [INVOKEAI, NOTHING])
def test_a_damaged_picture_never_leaves(content: bytes, needs: Needs) -> None:
    with pytest.raises(PictureRefused):
        prepare(content, needs)


def test_a_picture_beyond_the_servers_limits_is_refused() -> None:
    with pytest.raises(PictureRefused, match="117 pixels"):
        prepare(sample(PNG), INVOKEAI, Limits(max_pixels=100))


@pytest.mark.parametrize(("known", "mode", "traits", "recipe"), MENDED)
def test_preparing_is_deterministic(
    known: Format, mode: str, traits: dict[str, Any], recipe: str
) -> None:
    content = sample(known, mode, **traits)
    digests = {hashlib.sha256(prepare(content, INVOKEAI).content).digest() for _ in range(3)}
    assert len(digests) == 1


def test_heic_is_decoded_for_servers_that_cannot_read_it() -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    pillow_heif.register_heif_opener()
    packed = BytesIO()
    noise("RGB", (64, 48)).save(packed, "HEIF", quality=90)
    content = packed.getvalue()
    prepared = prepare(content, INVOKEAI)
    assert sniff(content) is HEIC
    assert prepared.recipe == "decoded;png"
    assert (prepared.width, prepared.height) == (64, 48)
    assert prepare(content, NOTHING).content is content


def test_sizes_are_those_that_the_server_will_tell() -> None:
    prepared = prepare(sample(JPEG, orientation=6), INVOKEAI)
    assert (prepared.width, prepared.height) == SMALL[::-1]
