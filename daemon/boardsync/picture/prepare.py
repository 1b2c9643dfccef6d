"""Prepare a picture for a server: the least that keeps it looking the same there, no more.

What a server needs is told by `Needs`, which the engine builds from the server's
capabilities; what a person asks for besides by `Asked`. A picture that needs nothing is sent as
the bytes it is.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from io import BytesIO

from PIL import Image

from boardsync.formats import PNG, Format
from boardsync.formats.kept import CLEANED, without_private
from boardsync.formats.png import dimensions
from boardsync.picture.as_asked import follow
from boardsync.picture.asked import AS_IT_IS, Asked
from boardsync.picture.carried import png_texts
from boardsync.picture.decode import (
    DEFAULT_LIMITS,
    Decoded,
    Limits,
    decode,
    decode_recognised,
    recognise,
    refusing,
)
from boardsync.picture.draft import ORIGINAL, Draft, Needs, mend
from boardsync.picture.encode import encode_png
from boardsync.picture.measure import measure
from boardsync.picture.modes import without_key
from boardsync.picture.pixels import pixel_digest
from boardsync.picture.sound import TELL_ORIENTATION, is_sound_plain_png

__all__ = ["ORIGINAL", "Looks", "Needs", "Prepared", "looks_of", "prepare"]


@dataclass(frozen=True, slots=True)
class Prepared:
    """What to send, and what the server should then show.

    extension: with dot, of `content`. recipe: the steps taken, as in "upright+srgb+rgba;png",
    or "original"; a profile that could not be used adds ";profile-unused", texts that found no
    room ";texts-cut". whole: width and height before anything was made smaller. format: of
    `content`; before: of the file.
    """

    content: bytes = field(repr=False)
    format: Format
    before: Format
    width: int
    height: int
    recipe: str
    whole: tuple[int, int]

    @property
    def media_type(self) -> str:
        return self.format.media_type

    @property
    def extension(self) -> str:
        return self.format.extension

    @property
    def untouched(self) -> bool:
        """Whether `content` is the very file."""
        return self.recipe.partition(";")[0] == ORIGINAL


def prepare(
    content: bytes, needs: Needs, limits: Limits = DEFAULT_LIMITS, asked: Asked = AS_IT_IS
) -> Prepared:
    """Make of a picture file what a server with these needs should be sent.

    The picture is decoded in full, or as good as that (`picture.sound`), so a damaged one
    never leaves. Re-encoded ones become PNG, unless something else is asked for, and keep their
    texts, an unconverted profile, and EXIF unless it told the orientation. Raises PictureRefused.
    """
    known = recognise(content, limits)
    if asked.refuse_above is not None:
        asked.demand_size(measure(BytesIO(content)).upright)
    target = asked.target(known)
    cleaned = content
    if asked.strip_private and known in CLEANED:
        cleaned = without_private(content, known)
    size = dimensions(content) if known is PNG else None
    if (
        size is not None
        and target is None
        and asked.is_within(size, len(cleaned))
        and _reads_png(needs)
        and is_sound_plain_png(content)
    ):
        recipe = ORIGINAL if cleaned is content else "stripped"
        return Prepared(cleaned, PNG, PNG, *size, recipe, size)
    decoded = decode_recognised(cleaned, known, limits)
    with refusing(f"this {decoded.format.name} cannot be prepared"):
        draft = mend(decoded, needs)
        if asked == AS_IT_IS:
            return _as_needed(content, known, draft)
        if cleaned is not content:
            draft.step("stripped")
        made = follow(asked, cleaned, decoded, draft)
        kind, image = made.format, draft.image
        return Prepared(made.content, kind, known, *image.size, made.recipe, made.whole)


def _as_needed(content: bytes, known: Format, draft: Draft) -> Prepared:
    """Send what the server needs; quickly packed rather than small: it encodes it anew."""
    size = draft.image.size
    if not draft.steps:
        return Prepared(content, known, known, *size, draft.recipe(""), size)
    texts = {
        keyword: text
        for keyword, text in png_texts(content).items()
        if "upright" not in draft.steps or keyword not in TELL_ORIENTATION
    }
    made = encode_png(draft, texts, draft.exif)
    return Prepared(made, PNG, known, *size, draft.recipe("png"), size)


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
        return Looks(pixel_digest(mend(decoded, needs).image), frozenset(plain_ones))


def as_seen(decoded: Decoded) -> Image.Image:
    """Return a picture as a person is to see it: upright, in sRGB, in a plain mode."""
    everything = Needs(upright=True, srgb=True, plain_modes=True, palette_alpha=True)
    return mend(decoded, everything).image
