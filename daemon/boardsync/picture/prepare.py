"""Prepare a picture for a server: the least that keeps it looking the same there, no more.

What a server needs is told by `Needs`, which the engine builds from the server's
capabilities. A picture that needs nothing is sent as the bytes it is.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from io import BytesIO
from typing import Final

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from boardsync.formats import PNG
from boardsync.formats.png import dimensions, text_chunks
from boardsync.picture.colour import to_srgb
from boardsync.picture.decode import (
    DEFAULT_LIMITS,
    Decoded,
    Limits,
    decode,
    decode_recognised,
    recognise,
    refusing,
)
from boardsync.picture.modes import PLAIN, plain, with_alpha, without_key
from boardsync.picture.pixels import pixel_digest
from boardsync.picture.sound import TELL_ORIENTATION, is_sound_plain_png

ORIGINAL: Final = "original"

_COMPRESS_LEVEL: Final = 1
_TEXT_LIMIT: Final = 64 * 1024 * 1024

_STEPS: Final = ("decoded", "upright", "srgb", "rgba", "rgb", "gray16", "gray")
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


@dataclass(frozen=True, slots=True)
class Prepared:
    """What to send, and what the server should then show.

    extension: with dot, of `content`. recipe: the steps taken, as in "upright+srgb+rgba;png",
    or "original"; a profile that could not be used adds ";profile-unused".
    """

    content: bytes = field(repr=False)
    media_type: str
    extension: str
    width: int
    height: int
    recipe: str

    @property
    def untouched(self) -> bool:
        """Whether `content` is the very file."""
        return self.recipe.partition(";")[0] == ORIGINAL


@dataclass(slots=True)
class _Draft:
    """The picture on its way, and what has been done to it."""

    image: Image.Image
    profile: bytes | None
    exif: bytes | None
    steps: set[str] = field(default_factory=set)
    profile_unused: bool = False

    def turn_upright(self, decoded: Decoded) -> None:
        """Apply the orientation; EXIF goes, since it would tell it a second time."""
        if not decoded.tilted:
            return
        if decoded.orientation in _TURNS:
            self.image = self.image.transpose(_TURNS[decoded.orientation])
        self.exif = None
        self.steps.add("upright")

    def convert_to_srgb(self) -> None:
        """Convert the colours; a profile that cannot be used leaves them as they are."""
        if self.profile is None:
            return
        shown = to_srgb(self.image, self.profile)
        if shown is None:
            self.profile_unused = True
        elif shown is not self.image:
            self.image, self.profile = shown, None
            self.steps.add("srgb")

    def bring_out_alpha(self) -> None:
        """Make a palette's or a key's transparency a channel."""
        if (shown := with_alpha(self.image)) is not None:
            self.image = shown
            self.steps.add("rgba")

    def make_plain(self, *, reduced: bool) -> None:
        """Bring the mode among the plain ones; `reduced` when decoding already dropped bits."""
        if self.image.mode in PLAIN and not reduced:
            return
        if self.image.mode in _SPACES_OF_THEIR_OWN:
            self.profile = None
        self.image = plain(self.image)
        self.steps.add(_MODE_STEPS.get(self.image.mode, "rgb"))

    @property
    def recipe(self) -> str:
        steps = "+".join(step for step in _STEPS if step in self.steps)
        recipe = f"{steps};png" if steps else ORIGINAL
        return recipe + ";profile-unused" if self.profile_unused else recipe


def prepare(content: bytes, needs: Needs, limits: Limits = DEFAULT_LIMITS) -> Prepared:
    """Make of a picture file what a server with these needs should be sent.

    The picture is decoded in full, or as good as that (`picture.sound`), so a damaged one
    never leaves. Re-encoded ones become PNG and keep their PNG texts, an unconverted profile,
    and EXIF unless it told the orientation. Raises PictureRefused.
    """
    known = recognise(content, limits)
    size = dimensions(content) if known is PNG else None
    if size is not None and _reads_png(needs) and is_sound_plain_png(content):
        return Prepared(content, PNG.media_type, PNG.extension, *size, ORIGINAL)
    decoded = decode_recognised(content, known, limits)
    with refusing(f"this {decoded.format.name} cannot be prepared"):
        draft = _mend(decoded, needs)
        kind = PNG if draft.steps else decoded.format
        return Prepared(
            content=_encode(draft, content) if draft.steps else content,
            media_type=kind.media_type,
            extension=kind.extension,
            width=draft.image.width,
            height=draft.image.height,
            recipe=draft.recipe,
        )


def _reads_png(needs: Needs) -> bool:
    return needs.readable is None or PNG.name in needs.readable


@dataclass(frozen=True, slots=True)
class Looks:
    """The pixel digests that tell a picture on a server. sent: of what `prepare` would send.

    plain: of what servers make of the very file, with and without the transparency of its
    palette: as a person or another tool sends it.
    """

    sent: str
    plain: frozenset[str]


def looks_of(content: bytes, needs: Needs, limits: Limits = DEFAULT_LIMITS) -> Looks:
    """Return how a picture file may look on a server with these needs. Raises PictureRefused."""
    decoded = decode(content, limits)
    with refusing(f"the pixels of this {decoded.format.name} cannot be compared"):
        plain_ones = {pixel_digest(decoded.image), pixel_digest(without_key(decoded.image))}
        return Looks(pixel_digest(_mend(decoded, needs).image), frozenset(plain_ones))


def as_seen(decoded: Decoded) -> Image.Image:
    """Return a picture as a person is to see it: upright, in sRGB, in a plain mode."""
    everything = Needs(upright=True, srgb=True, plain_modes=True, palette_alpha=True)
    return _mend(decoded, everything).image


def _mend(decoded: Decoded, needs: Needs) -> _Draft:
    """Do what is needed and no more. Profiles come before modes: they describe the original's."""
    info = decoded.image.info
    draft = _Draft(decoded.image, info.get("icc_profile") or None, info.get("exif") or None)
    if needs.readable is not None and decoded.format.name not in needs.readable:
        draft.steps.add("decoded")
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


def _encode(draft: _Draft, original: bytes) -> bytes:
    """Write a PNG, quickly rather than small: the server encodes it anew."""
    texts = PngInfo()
    for keyword, text in text_chunks(original, limit=_TEXT_LIMIT).items():
        if "upright" not in draft.steps or keyword not in TELL_ORIENTATION:
            texts.add_text(keyword, text)
    packed = BytesIO()
    draft.image.save(
        packed,
        "PNG",
        pnginfo=texts,
        icc_profile=draft.profile,
        exif=draft.exif,
        compress_level=_COMPRESS_LEVEL,
    )
    return packed.getvalue()
