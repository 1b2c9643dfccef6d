"""What a person asks of the preparation, besides what a server needs."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from boardsync.errors import PictureRefused
from boardsync.formats import JPEG, PNG, WEBP, Format
from boardsync.formats.kept import CLEANED

WRITTEN: Final = (PNG, JPEG, WEBP)
"""What pictures are made into."""
QUALITY: Final = 90
WHITE: Final = (255, 255, 255)

Size = tuple[int, int]
"""Width and height, in pixels."""


class Animated(StrEnum):
    """What becomes of animations."""

    KEEP = "keep"
    """They are sent as they are, or refused where something else is asked of them."""
    FIRST_FRAME = "first-frame"
    SKIP = "skip"


@dataclass(frozen=True, slots=True)
class Asked:
    """How pictures are to be sent. The default asks for nothing.

    fit: the box that larger ones are made to fit; fit_bytes: the same for what is sent.
    refuse_above: the box that none may exceed. formats: of what is sent, None for any. convert:
    what is made of other formats, or of all where `formats` is None. background: what shows
    through where JPEG cannot. strip_private: without what tells who took it, and where.
    """

    fit: Size | None = None
    fit_bytes: int | None = None
    refuse_above: Size | None = None
    formats: frozenset[Format] | None = None
    convert: Format | None = None
    quality: int = QUALITY
    background: tuple[int, int, int] = WHITE
    animated: Animated = Animated.KEEP
    strip_private: bool = False

    def target(self, known: Format) -> Format | None:
        """Return what a picture is to be made into; None where it may stay what it is.

        Raises PictureRefused for a format that is not sent.
        """
        if self.formats is not None and known not in self.formats and self.convert is None:
            names = ", ".join(sorted(one.name for one in self.formats))
            raise PictureRefused(
                f"its format is {known.name}, and of this mirror only {names} are sent"
                " (prepare.formats); prepare.convert would make one of these of it"
            )
        wanted = None
        if self.formats is None or known not in self.formats:
            wanted = self.convert
        if wanted is None and self.strip_private and known not in CLEANED:
            wanted = self._written(PNG)
        return None if wanted is known else wanted

    def written(self, known: Format, *, resized: bool) -> Format:
        """Return in which format a picture is encoded anew that may stay what it is.

        resized: it loses pixels, so that it may as well be packed as it was. Raises
        PictureRefused where no format that is sent can be written.
        """
        first = known if resized and known in WRITTEN else PNG
        return self._written(first, known)

    def _written(self, *candidates: Format) -> Format:
        for one in (*candidates, self.convert, *WRITTEN):
            if one in WRITTEN and (self.formats is None or one in self.formats):
                return one
        raise PictureRefused(
            "it has to be encoded anew, and none of the formats that are sent can be written"
            " (prepare.formats); add png, jpeg or webp there"
        )

    def demand_size(self, size: Size) -> None:
        """Raise PictureRefused for what is larger than asked for. size: upright."""
        if self.refuse_above is not None and exceeds(size, self.refuse_above):
            raise PictureRefused(
                f"too large: {size[0]}x{size[1]} pixels, and what exceeds"
                f" {self.refuse_above[0]}x{self.refuse_above[1]} is refused (prepare.refuse_above)"
            )

    def is_within(self, size: Size, length: int) -> bool:
        """Tell whether a picture need not be made smaller. length: in bytes."""
        fits = self.fit is None or not exceeds(size, self.fit)
        return fits and (self.fit_bytes is None or length <= self.fit_bytes)


AS_IT_IS: Final = Asked()


def exceeds(size: Size, box: Size) -> bool:
    """Tell whether a picture is wider or higher than a box."""
    return size[0] > box[0] or size[1] > box[1]
