"""A picture on its way to a server, and the steps that were taken with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from PIL import Image

from boardsync.picture.asked import Size
from boardsync.picture.colour import to_srgb
from boardsync.picture.decode import Decoded
from boardsync.picture.fit import resized
from boardsync.picture.modes import PLAIN, is_opaque, plain, with_alpha

ORIGINAL: Final = "original"

STEPS: Final = (
    "decoded", "first-frame", "upright", "srgb", "rgba", "rgb", "gray16", "gray", "fit", "bytes",
    "flat", "stripped",
)  # fmt: skip
"""In the order in which a recipe tells them."""
_MODE_STEPS: Final = {"RGBA": "rgba", "RGB": "rgb", "I;16": "gray16", "L": "gray"}
_TURNS: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SPACES_OF_THEIR_OWN: Final = frozenset({"CMYK", "LAB"})
_ON_ITS_SIDE: Final = 5


@dataclass(frozen=True, slots=True)
class Needs:
    """What a server would spoil or refuse, and so has to be mended before sending.

    upright: it ignores EXIF orientation. srgb: it drops colour profiles. plain_modes: it
    fails on, or reduces, modes other than 1, L, LA, P, RGB, RGBA and 16-bit gray.
    palette_alpha: it drops transparency that is not a channel. readable: names of the
    formats that it reads (`boardsync.formats.BUILT_IN` fits most), None for all of them.
    """

    upright: bool = False
    srgb: bool = False
    plain_modes: bool = False
    palette_alpha: bool = False
    readable: frozenset[str] | None = None


@dataclass(slots=True)
class Draft:
    """The picture on its way, and what has been done to it: steps with the words for them."""

    image: Image.Image
    profile: bytes | None
    exif: bytes | None
    steps: dict[str, str] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)

    def step(self, name: str, words: str | None = None) -> None:
        """Note a step."""
        self.steps[name] = words or name

    def turn_upright(self, decoded: Decoded) -> None:
        """Apply the orientation; EXIF goes, since it would tell it a second time."""
        if not decoded.tilted or "upright" in self.steps:
            return
        if decoded.orientation in _TURNS:
            self.image = self.image.transpose(_TURNS[decoded.orientation])
        self.exif = None
        self.step("upright")

    def convert_to_srgb(self) -> None:
        """Convert the colours; a profile that cannot be used leaves them as they are."""
        if self.profile is None or "profile-unused" in self.remarks:
            return
        shown = to_srgb(self.image, self.profile)
        if shown is None:
            self.remarks.append("profile-unused")
        elif shown is not self.image:
            self.image, self.profile = shown, None
            self.step("srgb")

    def bring_out_alpha(self) -> None:
        """Make a palette's or a key's transparency a channel."""
        if (shown := with_alpha(self.image)) is not None:
            self.image = shown
            self.step("rgba")

    def make_plain(self, *, reduced: bool) -> None:
        """Bring the mode among the plain ones; `reduced` when decoding already dropped bits."""
        if self.image.mode in PLAIN and not reduced:
            return
        if self.image.mode in _SPACES_OF_THEIR_OWN:
            self.profile = None
        self.image = plain(self.image)
        self.step(_MODE_STEPS.get(self.image.mode, "rgb"))

    def make_ready_for_mixing(self) -> None:
        """Bring colours that no format of today takes into sRGB, and their mode among the plain."""
        if self.image.mode in _SPACES_OF_THEIR_OWN:
            self.convert_to_srgb()
        self.make_plain(reduced=False)

    def resize(self, size: Size) -> None:
        """Make the picture smaller."""
        self.image = resized(self.image, size)

    def reduce_depth(self) -> None:
        """Bring 16-bit gray down to 8 bits. Pillow's own way cuts off what is brighter than 255."""
        if self.image.mode == "I;16":
            wide = self.image.convert("I")
            self.image = wide.point(lambda value: value * (1 / 257) + 0.5).convert("L")
            self.step("gray")

    def flatten(self, background: tuple[int, int, int]) -> None:
        """Make of the picture what JPEG can hold: nothing see-through, gray or colours."""
        image = with_alpha(self.image) or self.image
        if image.mode in ("RGBA", "LA") and not is_opaque(image):
            self._lay_on(image, background)
        elif image.mode not in ("L", "RGB"):
            self.image = image.convert("L" if image.mode in ("1", "LA") else "RGB")

    def _lay_on(self, image: Image.Image, background: tuple[int, int, int]) -> None:
        if image.mode == "LA":
            self.convert_to_srgb()
            image = self.image.convert("RGBA")
        if self.image.mode in ("1", "L", "LA"):
            self.profile = None  # one of gray does not fit colours
        ground = Image.new("RGBA", image.size, (*background, 255))
        self.image = Image.alpha_composite(ground, image).convert("RGB")
        self.step("flat", "flat-{:02x}{:02x}{:02x}".format(*background))

    def recipe(self, ending: str) -> str:
        """Tell what was done. ending: what it was encoded as, empty when it was not."""
        told = "+".join(self.steps[name] for name in STEPS if name in self.steps)
        return ";".join(filter(None, (told or ORIGINAL, ending, *self.remarks)))


def mend(decoded: Decoded, needs: Needs) -> Draft:
    """Do what is needed and no more. Profiles come before modes: they describe the original's."""
    info = decoded.image.info
    draft = Draft(decoded.image, info.get("icc_profile") or None, info.get("exif") or None)
    if needs.readable is not None and decoded.format.name not in needs.readable:
        draft.step("decoded")
    if needs.upright:
        draft.turn_upright(decoded)
    if needs.srgb:
        draft.convert_to_srgb()
    if needs.palette_alpha:
        draft.bring_out_alpha()
    if needs.plain_modes:
        draft.make_plain(reduced=decoded.deep)
    elif draft.steps:
        draft.make_plain(reduced=False)
    return draft


def upright_size(decoded: Decoded) -> Size:
    """Return width and height of the picture as it is to be seen."""
    width, height = decoded.image.size
    return (height, width) if decoded.orientation >= _ON_ITS_SIDE else (width, height)
