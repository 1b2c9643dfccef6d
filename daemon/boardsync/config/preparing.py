"""How a mirror's pictures are prepared before they are sent. The default asks for nothing."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Final, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from boardsync.config.base import Flag, Section, combination
from boardsync.config.quantities import Size, Words, write_amount

_BOX: Final = re.compile(r"(\d{1,9})\s*[xX]\s*(\d{1,9})", re.ASCII)
_COLOUR: Final = re.compile(r"#[0-9a-f]{6}", re.ASCII)
_COLOURS: Final = {"white": "#ffffff", "black": "#000000", "gray": "#808080", "grey": "#808080"}

Box = tuple[int, int]


class PictureFormat(StrEnum):
    """Formats by the names that people write."""

    PNG = "png"
    JPEG = "jpeg"
    WEBP = "webp"
    GIF = "gif"
    TIFF = "tiff"
    BMP = "bmp"
    AVIF = "avif"
    HEIC = "heic"
    ICO = "ico"
    TGA = "tga"
    PPM = "ppm"
    JPEG_2000 = "jpeg-2000"


def parse_box(value: object) -> Box:
    """Return width and height for `1024x768`, or for one number that is both."""
    if isinstance(value, str) and (found := _BOX.fullmatch(value.strip())):
        box = int(found[1]), int(found[2])
    elif isinstance(value, int) and not isinstance(value, bool):
        box = value, value
    elif isinstance(value, str) and value.strip().isdecimal() and value.isascii():
        box = int(value), int(value)
    elif isinstance(value, tuple) and len(value) == 2:
        box = value
    else:
        raise ValueError(f"{value!r} is not a size in pixels")
    if min(box) < 1:
        raise ValueError(f"{value!r} has no pixels")
    return box


def write_box(box: Box) -> str:
    """Write width and height."""
    return f"{box[0]}x{box[1]}"


def parse_colour(value: object) -> str:
    """Return `#rrggbb` for that or the name of a few colours."""
    text = str(value).strip().lower() if isinstance(value, str) else ""
    text = _COLOURS.get(text, text)
    if not _COLOUR.fullmatch(text):
        raise ValueError(f"{value!r} is not a colour")
    return text


def _quality(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 100:
        raise ValueError(f"{value!r} is not a quality")
    return value


PixelBox = Annotated[
    Box,
    BeforeValidator(parse_box),
    Words("a size in pixels", "such as 1024x1024, or one number for both", write_box),
]
Colour = Annotated[
    str, BeforeValidator(parse_colour), Words("a colour", 'such as white or "#ffcc00"')
]
Quality = Annotated[int, BeforeValidator(_quality), Words("a whole number from 1 to 100")]


class PrepareSettings(Section):
    """What is made of pictures before they are sent. The files stay as they are."""

    fit: PixelBox | None = Field(
        default=None,
        description="Larger pictures are made to fit into this many pixels: upright, with their "
        "aspect, never enlarged. null: they stay as large as they are.",
    )
    fit_bytes: Size | None = Field(
        default=None,
        description="Pictures that would take more bytes than this are made smaller until they do "
        "not. null: they are not.",
    )
    refuse_above: PixelBox | None = Field(
        default=None,
        description="Pictures that are wider or higher than this are refused, fitted or not. null: "
        "`max_pixels` alone counts.",
    )
    formats: Annotated[list[PictureFormat], Field(min_length=1)] | None = Field(
        default=None,
        description="The formats that are sent. Pictures of others are converted, or refused "
        "without `convert`. null: all.",
    )
    convert: Literal["png", "jpeg", "webp"] | None = Field(
        default=None,
        description="What pictures are converted to: those of other formats than `formats`, or "
        "all. Where names are kept, the item's has the new extension. null: nothing is converted.",
    )
    quality: Quality | None = Field(
        default=None,
        description="Of the JPEG and WebP pictures that are made, from 1 to 100.",
        json_schema_extra={"default_in_words": "90"},
    )
    background: Colour | None = Field(
        default=None,
        description="What see-through pictures are laid on when they become JPEG.",
        json_schema_extra={"default_in_words": "white"},
    )
    animated: Literal["keep", "first-frame", "skip"] = Field(
        default="keep",
        description="Animations: `keep` sends them as they are, and refuses those of which fitting "
        "or converting would leave one frame; `first-frame` sends that one; `skip` sends none.",
    )
    strip_private: Flag = Field(
        default=False,
        description="Leave out what tells whose picture it is and where it was taken: GPS, serial "
        "numbers, names of owners and authors, makers' notes, thumbnails. How a picture was "
        "generated is kept.",
    )

    @property
    def asks(self) -> bool:
        """Whether anything is asked for."""
        return self != PrepareSettings()

    @model_validator(mode="after")
    def _something_can_come_of_it(self) -> Self:
        if self.fit and self.refuse_above and _contains(self.fit, self.refuse_above):
            raise combination(
                ("fit",),
                f"what is larger than {write_box(self.refuse_above)} is refused, so that nothing "
                "is left to be fitted; expected a smaller size than refuse_above",
            )
        if self.formats and self.convert and PictureFormat(self.convert) not in self.formats:
            names = ", ".join(self.formats)
            raise combination(
                ("convert",),
                f"{self.convert} is none of the formats that are sent; expected one of {names}, or "
                f"{self.convert} among formats",
            )
        return self

    @model_validator(mode="after")
    def _details_have_a_use(self) -> Self:
        if self.background is not None and self.convert != "jpeg":
            raise combination(
                ("background",),
                "nothing is converted to JPEG, and other formats stay see-through; expected this "
                "with convert: jpeg",
            )
        smaller = self.fit is not None or self.fit_bytes is not None
        lossy = self.convert in ("jpeg", "webp") or (smaller and self.convert is None)
        if self.quality is not None and not lossy:
            raise combination(
                ("quality",),
                "no JPEG or WebP is made; expected this with convert: jpeg or convert: webp, or "
                "with fit",
            )
        return self


def _contains(outer: Box, inner: Box) -> bool:
    return outer[0] >= inner[0] and outer[1] >= inner[1]


def too_few_bytes(fit_bytes: int, max_bytes: int) -> str:
    """Say why pictures cannot be made to take more bytes than files may have."""
    return (
        f"files of more than {write_amount(max_bytes)} are refused, so that nothing is made to take"
        f" {write_amount(fit_bytes)}; expected less than max_bytes"
    )
