"""Makes of a decoded picture what a person asked for: smaller, another format, one frame."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final

from boardsync.errors import PictureRefused
from boardsync.formats import JPEG, PNG, WEBP, Format
from boardsync.formats.kept import CLEANED
from boardsync.formats.kept.packet import KEYWORD
from boardsync.formats.webp import is_lossless
from boardsync.picture.asked import Animated, Asked, Size
from boardsync.picture.carried import Carried, carried_by, png_texts
from boardsync.picture.decode import Decoded, is_animation
from boardsync.picture.draft import Draft, upright_size
from boardsync.picture.encode import SMALL, encode_lossy, encode_png
from boardsync.picture.fit import fitting, scaled
from boardsync.picture.sound import TELL_ORIENTATION

_MOST_TRIES: Final = 12
"""Each encodes the picture once; a picture of noise needs five."""
_CAUTION: Final = 0.95


@dataclass(frozen=True, slots=True)
class Made:
    """What is to be sent. whole: width and height before it was made smaller."""

    content: bytes = field(repr=False)
    format: Format
    recipe: str
    whole: Size


def follow(asked: Asked, content: bytes, decoded: Decoded, draft: Draft) -> Made:
    """Do what is asked for. content: the file, without what is private. Raises PictureRefused."""
    whole = upright_size(decoded)
    asked.demand_size(whole)
    known, target = decoded.format, asked.target(decoded.format)
    smaller = not asked.is_within(whole, len(content))
    still = _demand_still(asked, content, known, changing=smaller or target is not None)
    mended = bool(draft.steps.keys() - {"stripped"})
    if not (smaller or target is not None or still or mended):
        return Made(content, known, draft.recipe(""), draft.image.size)
    kind = target or asked.written(known, resized=smaller or still)
    if target is not None:
        draft.step("decoded")
    if asked.strip_private and known not in CLEANED:
        draft.step("stripped")
    if still:
        draft.step("first-frame")
    carried = carried_by(content, known, decoded.image.info, private=not asked.strip_private)
    draft.turn_upright(decoded)
    if "upright" in draft.steps:
        carried.set_upright()
    draft.make_ready_for_mixing()
    if asked.fit is not None and draft.image.size != (box := fitting(draft.image.size, asked.fit)):
        draft.resize(box)
        draft.step("fit", f"fit{asked.fit[0]}x{asked.fit[1]}")
    if kind is not PNG:
        draft.reduce_depth()
    if kind is JPEG:
        draft.flatten(asked.background)
    writer = _Writer(asked, kind, known, content, draft, carried)
    made = writer.within_bytes()
    if carried.cut:
        draft.remarks.append("texts-cut")
    return Made(made, kind, draft.recipe(writer.ending), whole)


def _demand_still(asked: Asked, content: bytes, known: Format, *, changing: bool) -> bool:
    """Tell whether the first frame of an animation is wanted. Raises PictureRefused."""
    if asked.animated is Animated.KEEP and not changing:
        return False
    if not is_animation(content, known):
        return False
    if asked.animated is Animated.SKIP:
        raise PictureRefused("an animation, which this mirror does not send (prepare.animated)")
    if asked.animated is Animated.KEEP:
        raise PictureRefused(
            "an animation, and what is asked for would leave its first frame alone of it: set"
            " prepare.animated to first-frame or skip"
        )
    return True


@dataclass(slots=True)
class _Writer:
    """Encodes a draft, as often as its bytes have to become fewer."""

    asked: Asked
    kind: Format
    known: Format
    content: bytes = field(repr=False)
    draft: Draft
    carried: Carried

    @property
    def ending(self) -> str:
        """What the recipe tells of the encoding."""
        if self._lossless:
            return "webp-lossless"
        name = self.kind.extension[1:].replace("jpg", "jpeg")
        return name if self.kind is PNG else f"{name}{self.asked.quality}"

    @property
    def _lossless(self) -> bool:
        return self.kind is WEBP and self.known is WEBP and is_lossless(self.content)

    def write(self) -> bytes:
        if self.kind is not PNG:
            return encode_lossy(
                self.draft, self.kind, self.carried, self.asked.quality, lossless=self._lossless
            )
        texts = self.carried.texts_for(PNG)
        if self.known is PNG:
            turned = "upright" in self.draft.steps
            texts = {
                keyword: text
                for keyword, text in png_texts(self.content).items()
                if keyword != KEYWORD and not (turned and keyword in TELL_ORIENTATION)
            } or texts
        exif, packet = self.carried.exif(PNG), self.carried.packet
        return encode_png(self.draft, texts, exif, packet, level=SMALL)

    def within_bytes(self) -> bytes:
        """Encode the picture, smaller until it takes no more bytes than asked for."""
        made, most = self.write(), self.asked.fit_bytes
        if most is None or len(made) <= most:
            if most is not None and len(self.content) > most:
                self.draft.step("bytes", f"bytes{most}")
            return made
        self.draft.step("bytes", f"bytes{most}")
        full = self.draft.image
        for _ in range(_MOST_TRIES):
            scale = min(0.9, math.sqrt(most / len(made)) * _CAUTION)
            size = scaled(self.draft.image.size, scale)
            if size == self.draft.image.size:
                break
            self.draft.image = full
            self.draft.resize(size)
            made = self.write()
            if len(made) <= most:
                return made
        raise PictureRefused(
            f"it cannot be made to take {most} bytes or less (prepare.fit_bytes): what it carries"
            " beside its pixels is too much"
        )
