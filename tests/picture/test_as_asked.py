"""What a person asks of the preparation: smaller, another format, one frame, nothing private."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

import picture_profiles
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
    sniff,
)
from boardsync.formats.png import text_chunks
from boardsync.metadata import read_content
from boardsync.picture.asked import AS_IT_IS, Animated, Asked
from boardsync.picture.fit import fitting
from boardsync.picture.pixels import pixel_digest, pixel_digest_of
from boardsync.picture.prepare import Needs, Prepared, prepare
from generation_samples import Sample, samples
from picture.lanczos import shrink
from picture_samples import chunk, deep_png, noise, opened, sample

NOTHING = Needs()
INVOKEAI = Needs(upright=True, srgb=True, plain_modes=True, palette_alpha=True)
SIZE = (41, 23)


def made(content: bytes, needs: Needs = NOTHING, **asked: Any) -> Prepared:
    prepared = prepare(content, needs, asked=Asked(**asked))
    assert sniff(prepared.content) is prepared.format
    assert opened(prepared.content).size == (prepared.width, prepared.height)
    return prepared


def samples_of(image: Image.Image) -> list[list[list[float]]]:
    """Return an image's rows of pixels as numbers."""
    width, height = image.size
    return [[_numbers(image.getpixel((x, y))) for x in range(width)] for y in range(height)]


def _numbers(pixel: Any) -> list[float]:
    return [float(one) for one in (pixel if isinstance(pixel, tuple) else (pixel,))]


def weighed(rows: list[list[list[float]]]) -> list[list[list[float]]]:
    """Multiply colours by their alpha, the last sample."""
    return [[[c * p[-1] / 255 for c in p[:-1]] + [p[-1]] for p in row] for row in rows]


@given(
    st.tuples(st.integers(1, 40_000), st.integers(1, 40_000)),
    st.tuples(st.integers(1, 9_000), st.integers(1, 9_000)),
)
def test_a_fitted_size_lies_in_its_box_keeps_the_aspect_and_is_never_larger(
    size: tuple[int, int], box: tuple[int, int]
) -> None:
    width, height = fitting(size, box)
    assert 1 <= width <= min(size[0], box[0])
    assert 1 <= height <= min(size[1], box[1])
    if size[0] <= box[0] and size[1] <= box[1]:
        assert (width, height) == size
        return
    scale = min(box[0] / size[0], box[1] / size[1])
    assert abs(width - max(1, size[0] * scale)) < 1
    assert abs(height - max(1, size[1] * scale)) < 1
    assert width == box[0] or height == box[1]


@pytest.mark.parametrize("mode", ["L", "RGB", "I;16", "RGBA", "LA"])
def test_fitting_is_lanczos_with_colours_weighed_by_their_alpha(mode: str) -> None:
    image = noise(mode, SIZE)
    shown = opened(made(sample(PNG, mode, SIZE), fit=(16, 16)).content)
    assert (shown.mode, shown.size) == (mode, (16, 9))

    rows, most = samples_of(image), 65_535 if mode == "I;16" else 255
    alpha = mode.endswith("A")
    expected = shrink(weighed(rows) if alpha else rows, shown.size)
    found = weighed(samples_of(shown)) if alpha else samples_of(shown)
    # It overshoots, which no sample can hold; weighing rounds twice more.
    tolerance = most * (0.02 if alpha else 0.005)
    for told, wanted in zip(found, expected, strict=True):
        for pixel, other in zip(told, wanted, strict=True):
            ceiling = min(most, max(0, other[-1])) if alpha else most
            for a, b in zip(pixel, other, strict=True):
                assert abs(a - min(max(b, 0), ceiling)) <= tolerance


def test_colours_that_nobody_sees_do_not_bleed_into_those_beside_them() -> None:
    image = Image.new("RGBA", (64, 64), (255, 0, 0, 0))
    image.paste((0, 0, 255, 255), (32, 0, 64, 64))
    packed = BytesIO()
    image.save(packed, "PNG")
    shown = opened(made(packed.getvalue(), fit=(15, 15)).content)
    for x in range(15):
        red, _, _, alpha = shown.getpixel((x, 7))  # type: ignore[misc]
        assert red * alpha <= 255 * 2


@pytest.mark.parametrize(
    ("known", "mode", "options"),
    [
        (PNG, "P", {}), (PNG, "1", {}), (PNG, "P", {"transparency": bytes(range(256))}),
        (JPEG, "RGB", {}), (JPEG, "L", {}), (JPEG, "CMYK", {}), (WEBP, "RGBA", {"lossless": True}),
        (GIF, "P", {}), (TIFF, "RGB", {}), (TIFF, "F", {}), (TIFF, "LAB", {}), (BMP, "RGB", {}),
        (AVIF, "RGB", {}), (ICO, "RGBA", {}), (TGA, "RGB", {}), (PPM, "RGB", {}),
        (JPEG_2000, "RGB", {}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("convert", [None, PNG, JPEG, WEBP])
def test_every_format_is_fitted_and_converted(
    known: Format, mode: str, options: dict[str, Any], convert: Format | None
) -> None:
    size = (32, 32) if known is ICO else SIZE
    content = sample(known, mode, size, **options)
    prepared = made(content, fit=(20, 20), convert=convert)
    expected = (20, 20) if known is ICO else (20, 11)
    assert (prepared.width, prepared.height) == expected
    assert prepared.format is (convert or (known if known in (PNG, JPEG, WEBP) else PNG))
    assert "fit20x20" in prepared.recipe
    assert prepared.whole == size


def test_a_small_picture_is_never_enlarged_nor_touched() -> None:
    for known in (PNG, JPEG, WEBP, GIF, BMP):
        content = sample(known, "P" if known is GIF else "RGB")
        prepared = made(content, fit=(1024, 1024), refuse_above=(4096, 4096))
        assert prepared.content is content
        assert prepared.recipe == "original"


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("known", [JPEG, PNG, TIFF], ids=lambda known: known.name)
def test_a_picture_is_turned_upright_before_it_is_fitted(known: Format, orientation: int) -> None:
    content = sample(known, size=SIZE, orientation=orientation, quality=95)
    prepared = made(content, fit=(1000, 20), convert=PNG)
    upright = ImageOps.exif_transpose(opened(content)).convert("RGB")
    scale = 20 / upright.height
    assert abs(prepared.width - upright.width * scale) <= 1
    if upright.height > 20:
        expected = upright.resize((prepared.width, 20), Image.Resampling.LANCZOS)
        assert pixel_digest_of(prepared.content) == pixel_digest(expected)
    assert opened(prepared.content).getexif().get(0x0112) in (None, 1)
    assert ("upright" in prepared.recipe) == (orientation != 1)


def test_the_box_counts_for_the_picture_as_it_is_seen() -> None:
    lying = sample(JPEG, size=(40, 20), orientation=6)
    assert made(lying, refuse_above=(20, 40)).recipe == "original"
    with pytest.raises(PictureRefused, match=r"20x40 pixels.*40x20.*refuse_above"):
        made(lying, refuse_above=(40, 20))
    assert made(lying, fit=(20, 40)).recipe == "original"
    assert made(lying, fit=(40, 20)).height == 20


def test_what_exceeds_a_size_is_refused_before_it_is_decoded() -> None:
    content = sample(PNG, size=(90, 10))
    torn = content[:33] + chunk(b"IDAT", b"not deflated") + content[-12:]
    with pytest.raises(PictureRefused, match="90x10 pixels"):
        prepare(torn, NOTHING, asked=Asked(refuse_above=(64, 64)))


@pytest.mark.parametrize("convert", [JPEG, WEBP])
def test_quality_is_what_was_asked_for(convert: Format) -> None:
    content = sample(PNG, size=(200, 200))
    low, high = (made(content, convert=convert, quality=quality) for quality in (20, 95))
    assert len(low.content) < len(high.content) / 2
    name = "jpeg" if convert is JPEG else "webp"
    assert (low.recipe, high.recipe) == (f"decoded;{name}20", f"decoded;{name}95")


def test_a_picture_of_the_wanted_format_stays_as_it_is() -> None:
    for known in (PNG, JPEG, WEBP):
        content = sample(known)
        assert made(content, convert=known, quality=50).content is content


def test_what_is_see_through_lies_on_the_chosen_colour() -> None:
    image = Image.new("RGBA", (16, 16), (255, 0, 0, 0))
    image.paste((0, 0, 255, 128), (8, 0, 16, 16))
    packed = BytesIO()
    image.save(packed, "PNG")
    on_white = made(packed.getvalue(), convert=JPEG, quality=100)
    assert on_white.recipe == "decoded+flat-ffffff;jpeg100"
    shown = opened(on_white.content)
    assert near(shown.getpixel((2, 8)), (255, 255, 255))
    assert near(shown.getpixel((13, 8)), (127, 127, 255))
    on_green = opened(
        made(packed.getvalue(), convert=JPEG, quality=100, background=(0, 128, 0)).content
    )
    assert near(on_green.getpixel((2, 8)), (0, 128, 0))


@pytest.mark.parametrize(
    ("known", "mode", "options"),
    [
        (PNG, "P", {"transparency": bytes(256)}),
        (GIF, "P", {"transparency": 3}),
        (PNG, "LA", {}),
        (PNG, "L", {"transparency": 7}),
        (WEBP, "RGBA", {"lossless": True}),
    ],
)
def test_every_kind_of_transparency_is_laid_on_the_background(
    known: Format, mode: str, options: dict[str, Any]
) -> None:
    content = sample(known, mode, **options)
    shown = opened(content).convert("RGBA")
    ground = Image.new("RGBA", shown.size, (255, 255, 255, 255))
    expected = Image.alpha_composite(ground, shown).convert("RGB")
    packed = BytesIO()
    expected.save(packed, "JPEG", quality=90)
    found = made(content, convert=JPEG)
    assert pixel_digest_of(found.content) == pixel_digest_of(packed.getvalue())


def near(found: Any, wanted: tuple[int, ...], tolerance: int = 4) -> bool:
    return all(abs(a - b) <= tolerance for a, b in zip(found, wanted, strict=True))


@pytest.mark.parametrize("convert", [JPEG, WEBP])
def test_gray_of_16_bits_is_scaled_not_cut_off(convert: Format) -> None:
    ramp = Image.frombytes(
        "I;16", (256, 8), b"".join((x * 257).to_bytes(2, "little") for x in range(256)) * 8
    )
    packed = BytesIO()
    ramp.save(packed, "PNG")
    shown = opened(made(packed.getvalue(), convert=convert, quality=100).content).convert("L")
    assert all(abs(shown.getpixel((x, 4)) - x) <= 3 for x in range(256))  # type: ignore[operator]


@pytest.mark.parametrize("colour", [0, 2, 4, 6])
def test_deep_pictures_are_converted(colour: int) -> None:
    assert made(deep_png(colour, SIZE), convert=JPEG, fit=(20, 20)).width == 20


def test_profiles_travel_or_are_converted_but_are_never_lost() -> None:
    content = sample(PNG, size=SIZE, icc=picture_profiles.ADOBE_RGB)
    kept = made(content, convert=JPEG, fit=(20, 20))
    assert opened(kept.content).info["icc_profile"] == picture_profiles.ADOBE_RGB
    converted = made(content, INVOKEAI, convert=JPEG, fit=(20, 20))
    assert "icc_profile" not in opened(converted.content).info
    assert converted.recipe == "decoded+srgb+fit20x20;jpeg90"
    inks = made(sample(JPEG, "CMYK", SIZE, icc=picture_profiles.CMYK), fit=(20, 20))
    assert "icc_profile" not in opened(inks.content).info
    assert "srgb" in inks.recipe


@pytest.mark.parametrize("known", [JPEG, WEBP, PNG])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_what_is_sent_takes_no_more_bytes_than_asked_for(known: Format, mode: str) -> None:
    content = sample(known, mode if known is not WEBP else "RGB", (200, 120), quality=95)
    most = len(content) // 7
    prepared = made(content, fit_bytes=most)
    assert len(prepared.content) <= most
    assert prepared.format is known
    assert f"bytes{most}" in prepared.recipe
    assert abs(prepared.width / prepared.height - 200 / 120) < 0.1
    within = made(content, fit_bytes=len(content))
    assert within.content is content


def test_what_cannot_be_made_small_enough_is_refused() -> None:
    with pytest.raises(PictureRefused, match="10 bytes or less"):
        made(sample(PNG), fit_bytes=10)


def test_formats_that_are_not_sent_are_refused_with_the_way_out() -> None:
    some = frozenset({PNG, JPEG})
    with pytest.raises(PictureRefused, match=r"BMP.*only JPEG, PNG are sent.*prepare\.convert"):
        made(sample(BMP), formats=some)
    content = sample(JPEG)
    assert made(content, formats=some, convert=PNG).content is content
    assert made(sample(BMP), formats=some, convert=PNG).recipe == "decoded;png"
    with pytest.raises(PictureRefused, match="none of the formats that are sent can be written"):
        made(sample(BMP, size=SIZE), formats=frozenset({BMP}), fit=(9, 9))


def test_a_server_that_needs_mending_gets_a_format_that_is_sent() -> None:
    lying = sample(JPEG, orientation=6)
    assert made(lying, INVOKEAI).format is PNG
    mended = made(lying, INVOKEAI, formats=frozenset({JPEG}))
    assert (mended.format, mended.recipe) == (JPEG, "upright;jpeg90")


@pytest.mark.parametrize(
    ("known", "mode", "options"),
    [(GIF, "P", {}), (PNG, "RGB", {}), (WEBP, "RGBA", {"lossless": True}), (AVIF, "RGB", {})],
)
def test_animations_are_kept_stilled_or_skipped(
    known: Format, mode: str, options: dict[str, Any]
) -> None:
    moving = sample(known, mode, SIZE, frames=3, **options)
    still = sample(known, mode, SIZE, **options)
    assert made(moving, fit=(100, 100)).content is moving
    for asked in ({"fit": (20, 20)}, {"convert": JPEG}):
        with pytest.raises(PictureRefused, match=r"an animation.*prepare\.animated"):
            made(moving, **asked)
    with pytest.raises(PictureRefused, match="does not send"):
        made(moving, animated=Animated.SKIP)
    first = made(moving, animated=Animated.FIRST_FRAME)
    assert "first-frame" in first.recipe
    assert not getattr(Image.open(BytesIO(first.content)), "is_animated", False)
    if known is not AVIF:
        expected = opened(moving).convert("RGBA")
        assert pixel_digest_of(first.content) == pixel_digest(expected)
    for animated in Animated:
        assert made(still, animated=animated).content is still


def test_views_of_a_phone_and_pages_are_no_animations() -> None:
    views = BytesIO()
    noise("RGB", SIZE).save(views, "MPO", save_all=True, append_images=[noise("RGB", SIZE, seed=2)])
    pages = sample(TIFF, "RGB", SIZE, frames=2)
    for content in (views.getvalue(), pages):
        assert made(content, animated=Animated.SKIP).content is content
        assert made(content, fit=(20, 20)).width == 20


PNGS = [one for one in samples() if one.format.startswith(("PNG", "stealth"))]
OTHERS = [one for one in samples() if one not in PNGS]


def _told(content: bytes) -> dict[str, Any]:
    data = read_content(content)
    return {name: each.value for name, each in data.told()} | {
        "loras": [(each.value.name, each.value.weight) for each in data.loras]
    }


@pytest.mark.parametrize("kind", [PNG, JPEG, WEBP], ids=lambda kind: kind.name)
@pytest.mark.parametrize("one", samples(), ids=str)
def test_how_a_picture_was_generated_outlives_conversion_and_fitting(
    one: Sample, kind: Format
) -> None:
    width, height = opened(one.content).size
    box = (max(1, width // 2), max(1, height // 2))
    for strip in (False, True):
        prepared = made(one.content, convert=kind, fit=box, strip_private=strip)
        assert prepared.format is kind
        assert _told(prepared.content) == _told(one.content)
        assert "cut" not in prepared.recipe


def test_the_parameters_of_the_web_ui_are_where_it_looks_for_them() -> None:
    text = "a fox, 日本\nSteps: 20, Sampler: Euler, Seed: 7"
    shown = opened(made(sample(PNG, text=(("parameters", text),)), convert=JPEG).content)
    comment = shown.getexif().get_ifd(0x8769)[0x9286]
    assert comment == b"UNICODE\0" + text.encode("utf-16-be")


def test_texts_without_room_in_a_jpeg_are_left_out_and_said() -> None:
    graph = '{"nodes": "' + "x" * 70_000 + '"}'
    text = "a fox\nSteps: 20, Sampler: Euler, Seed: 7"
    content = sample(PNG, text=(("parameters", text), ("workflow", graph)))
    jpeg = made(content, convert=JPEG)
    assert jpeg.recipe == "decoded;jpeg90;texts-cut"
    seed = read_content(jpeg.content).seed
    assert seed is not None
    assert seed.value == 7
    assert made(content, convert=WEBP).recipe == "decoded;webp90"


def test_all_texts_of_a_png_are_in_the_smaller_one() -> None:
    texts = {"parameters": "Füchse\nSteps: 20", "invokeai_graph": '{"id": "日本"}', "x": "y" * 9000}
    content = sample(PNG, size=SIZE, text=tuple(texts.items()))
    assert text_chunks(made(content, fit=(20, 20)).content) == texts


def test_a_comment_of_a_jpeg_stays_its_comment() -> None:
    content = sample(JPEG, size=SIZE, comment=b"from the scanner")
    assert opened(made(content, fit=(20, 20)).content).info["comment"] == b"from the scanner"
    assert text_chunks(made(content, convert=PNG).content) == {"Comment": "from the scanner"}


def test_exif_that_is_not_private_is_kept_in_what_is_encoded_anew() -> None:
    content = sample(JPEG, size=SIZE, orientation=6)
    for kind in (PNG, JPEG, WEBP):
        shown = opened(made(content, convert=kind, fit=(20, 20)).content)
        assert shown.getexif()[0x010E] == "noise"
        assert 0x0112 not in shown.getexif()


@pytest.mark.parametrize("known", FORMATS, ids=lambda known: known.name)
def test_asking_for_nothing_changes_nothing(known: Format) -> None:
    if known is HEIC:
        pytest.skip("its sample holds no pixels")
    content = sample(known, "P" if known is GIF else "RGB")
    for needs in (NOTHING, INVOKEAI):
        assert prepare(content, needs) == prepare(content, needs, asked=AS_IT_IS)
        assert prepare(content, needs) == prepare(content, needs, asked=Asked())


def test_heic_is_fitted_and_converted_with_the_extra() -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    pillow_heif.register_heif_opener()
    packed = BytesIO()
    noise("RGB", (64, 48)).save(packed, "HEIF", quality=90)
    prepared = made(packed.getvalue(), fit=(32, 32), convert=JPEG)
    assert (prepared.before, prepared.width, prepared.height) == (HEIC, 32, 24)
    assert prepared.recipe == "decoded+fit32x32;jpeg90"


def test_preparing_again_what_was_prepared_changes_nothing() -> None:
    content = sample(PNG, "RGBA", SIZE, text=(("parameters", "a fox\nSteps: 20"),))
    asked = Asked(fit=(20, 20), convert=JPEG, strip_private=True)
    once = prepare(content, NOTHING, asked=asked)
    assert prepare(once.content, NOTHING, asked=asked).content is once.content
