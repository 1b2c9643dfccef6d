"""How pictures are to be prepared, as it is written and refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from boardsync.config.preparing import PrepareSettings, parse_box, parse_colour
from boardsync.engine.preparing import asked_of
from boardsync.formats import FORMATS, JPEG, PNG, SUPPORTED_FILE_EXTENSIONS
from boardsync.picture.asked import AS_IT_IS, Animated, Asked
from config.settings_files import SERVER, loaded, problems_in

MIRROR = SERVER + "mirrors:\n  - {name: a, folder: a, server: home, board: b, prepare: {%s}%s}\n"


def prepare_of(folder: Path, text: str) -> PrepareSettings:
    return loaded(folder, MIRROR % (text, "")).settings.mirrors[0].prepare


@pytest.mark.parametrize(
    ("written", "box"),
    [("1024x768", (1024, 768)), (" 10 X 20 ", (10, 20)), (4096, (4096, 4096)), ("64", (64, 64))],
)
def test_a_size_is_two_numbers_or_one(written: object, box: tuple[int, int]) -> None:
    assert parse_box(written) == box


@pytest.mark.parametrize(
    "written", ["", "x", "10x", "1024*768", "0x10", 0, -5, 1.5, True, None, [1, 2], "9" * 10 + "x1"]
)
def test_no_other_size_is_taken(written: object) -> None:
    with pytest.raises(ValueError, match=r"not a size in pixels|no pixels"):
        parse_box(written)


def test_colours_have_names_or_numbers() -> None:
    assert parse_colour("White") == "#ffffff"
    assert parse_colour("#FFCC00") == "#ffcc00"
    for written in ("ffcc00", "#fc0", "blau", 0, None):
        with pytest.raises(ValueError, match="not a colour"):
            parse_colour(written)


def test_by_default_nothing_is_asked_for(tmp_path: Path) -> None:
    for text in (
        SERVER + "mirrors: [{name: a, folder: a, server: home, board: b}]",
        MIRROR % ("", ""),
    ):
        settings = loaded(tmp_path, text).settings.mirrors[0].prepare
        assert not settings.asks
        assert asked_of(settings) == AS_IT_IS


def test_what_is_written_is_what_is_asked_for(tmp_path: Path) -> None:
    text = (
        "fit: 1024x512, fit_bytes: 2 MiB, refuse_above: 4096, formats: [png, jpeg], convert: jpeg,"
        ' quality: 80, background: "#102030", animated: first-frame, strip_private: true'
    )
    assert asked_of(prepare_of(tmp_path, text)) == Asked(
        fit=(1024, 512), fit_bytes=2 << 20, refuse_above=(4096, 4096),
        formats=frozenset({PNG, JPEG}), convert=JPEG, quality=80, background=(16, 32, 48),
        animated=Animated.FIRST_FRAME, strip_private=True,
    )  # fmt: skip


def test_every_format_has_a_name(tmp_path: Path) -> None:
    names = "png, jpeg, webp, gif, tiff, bmp, avif, heic, ico, tga, ppm, jpeg-2000"
    asked = asked_of(prepare_of(tmp_path, f"formats: [{names}]"))
    assert asked.formats == frozenset(FORMATS)
    assert SUPPORTED_FILE_EXTENSIONS


@pytest.mark.parametrize(
    ("text", "more", "words"),
    [
        ("fit: huge", "", "'huge' is not a size in pixels; expected a size in pixels such as"),
        ("fitt: 1024", "", "did you mean 'fit'?"),
        ("max_pixel: 4", "", "unknown setting; expected one of fit, fit_bytes"),
        ("convert: jpg", "", "found 'jpg'; expected one of png, jpeg, webp, or null; did you mean"),
        ("formats: [jpg]", "", "did you mean"),
        ("formats: []", "", "formats"),
        ("animated: first", "", "did you mean 'first-frame'?"),
        ("quality: 101, convert: jpeg", "", "101 is not a quality; expected a whole number"),
        ("fit: 4096, refuse_above: 1024", "", "nothing is left to be fitted"),
        ("formats: [png], convert: jpeg", "", "none of the formats that are sent; expected one of"),
        ("background: white", "", "nothing is converted to JPEG"),
        ("background: white, convert: png", "", "expected this with convert: jpeg"),
        ("quality: 80", "", "no JPEG or WebP is made"),
        ("quality: 80, convert: png, fit: 9", "", "no JPEG or WebP is made"),
        ("fit: 1024", ", direction: pull", "this mirror only pulls and sends nothing"),
        ("fit_bytes: 600 MiB", "", "files of more than 512 MiB are refused"),
    ],
)
def test_what_cannot_be_is_refused_with_what_was_expected(
    tmp_path: Path, text: str, more: str, words: str
) -> None:
    assert words in "\n".join(problems_in(tmp_path, MIRROR % (text, more)))


@pytest.mark.parametrize(
    "text",
    [
        "quality: 80, fit: 1024",
        "quality: 80, convert: webp",
        "fit: 1024x1024, refuse_above: 1024x2048",
    ],
)
def test_what_has_a_use_is_taken(tmp_path: Path, text: str) -> None:
    settings: Any = prepare_of(tmp_path, text)
    assert settings.asks
