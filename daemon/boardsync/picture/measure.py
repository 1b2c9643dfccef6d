"""How large a picture is and which way up it lies, told from its header alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO, Final

from PIL import Image

from boardsync.errors import PictureRefused
from boardsync.formats import HEAD_SIZE, PNG, sniff
from boardsync.picture.decode import orientation_of, plugin_of, refusing

_ON_ITS_SIDE: Final = 5
"""From this EXIF orientation on, width and height change places when it is applied."""


@dataclass(frozen=True, slots=True)
class Measures:
    """Width and height as stored. on_its_side: upright, they change places."""

    width: int
    height: int
    on_its_side: bool

    @property
    def upright(self) -> tuple[int, int]:
        """Width and height as the picture is to be seen."""
        return (self.height, self.width) if self.on_its_side else (self.width, self.height)

    @property
    def either_way(self) -> frozenset[tuple[int, int]]:
        """The dimensions that a server shows, whether it applies the orientation or not."""
        stored = (self.width, self.height)
        return frozenset({stored, stored[::-1]} if self.on_its_side else {stored})


def measure(stream: BinaryIO) -> Measures:
    """Measure a picture from the beginning of a file. Raises PictureRefused.

    No pixel is decoded. An orientation that a PNG tells only behind its pixels is not seen.
    """
    kind = sniff(stream.read(HEAD_SIZE))
    if kind is None:
        raise PictureRefused("not a picture that boardsync knows")
    stream.seek(0)
    with refusing(f"this {kind.name} cannot be measured"):
        image = Image.open(stream, formats=(plugin_of(kind),))
        # Asked for its EXIF, a PNG without any decodes all its pixels.
        blind = kind is PNG and not {"exif", "Raw profile type exif"} & image.info.keys()
        on_its_side = not blind and orientation_of(image) >= _ON_ITS_SIDE
        return Measures(*image.size, on_its_side)
