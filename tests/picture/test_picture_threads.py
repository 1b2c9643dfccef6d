"""Many threads over the same pictures: the same answers, and no global state in between."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import picture_profiles
from boardsync.errors import PictureRefused
from boardsync.formats import AVIF, BUILT_IN, GIF, JPEG, PNG, TIFF, WEBP
from boardsync.picture.prepare import Needs, prepare
from picture_samples import raw_png, sample

INVOKEAI = Needs(upright=True, srgb=True, plain_modes=True, palette_alpha=True, readable=BUILT_IN)
THREADS = 8

CONTENTS = (
    sample(PNG, "RGB", (200, 150)),
    sample(PNG, "P", (200, 150), transparency=bytes(range(256))),
    sample(JPEG, "RGB", (200, 150), orientation=6, icc=picture_profiles.ADOBE_RGB),
    sample(JPEG, "CMYK", (200, 150), icc=picture_profiles.CMYK),
    sample(WEBP, "RGBA", (200, 150)),
    sample(AVIF, "RGB", (64, 48)),
    sample(GIF, "P", (200, 150), transparency=9),
    sample(TIFF, "RGB", (200, 150), compression="tiff_lzw", orientation=3),
    sample(PNG, "RGB", (200, 150))[:-20],
    raw_png(30_000, 30_000, 1, 0, bytes(3751) * 10),
)


def answer(content: bytes) -> object:
    try:
        return prepare(content, INVOKEAI)
    except PictureRefused as refusal:
        return str(refusal)


def test_eight_threads_get_the_answers_of_one() -> None:
    alone = [answer(content) for content in CONTENTS]
    work = [content for _ in range(THREADS) for content in CONTENTS]
    with ThreadPoolExecutor(THREADS) as threads:
        together = list(threads.map(answer, work))
    assert together == alone * THREADS
