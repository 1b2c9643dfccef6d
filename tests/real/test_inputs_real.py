"""Every kind of picture, sent raw and sent by boardsync, compared with what a person sees of it.

Prints the table: `pytest -m real -s tests/real/test_inputs_real.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import httpx
import pytest
from PIL import Image, ImageChops, ImageCms, ImageOps

import picture_profiles
from boardsync.formats import (
    AVIF,
    BMP,
    GIF,
    ICO,
    JPEG,
    JPEG_2000,
    PNG,
    PPM,
    TGA,
    TIFF,
    WEBP,
)
from picture_samples import deep_png, noise, sample
from real.invokeai_server import RealInvokeAI
from real.test_cli_real import Cli, file

pytestmark = pytest.mark.real

SIZE = (40, 28)
REFUSED = "refused"
SAME = "the same"


@dataclass(frozen=True, slots=True)
class Input:
    """A picture. most: how much a pixel may differ, where colours are computed. deep: 16 bit."""

    name: str
    content: bytes
    most: int = 0
    deep: bool = False
    taken: bool = True


def _transparent_palette() -> bytes:
    image = noise("RGBA", SIZE).quantize(32)
    packed = BytesIO()
    image.convert("P").save(packed, "PNG", transparency=3)
    return packed.getvalue()


INPUTS = [
    Input("RGB.png", sample(PNG, "RGB", SIZE)),
    Input("RGBA.png", sample(PNG, "RGBA", SIZE)),
    Input("gray.png", sample(PNG, "L", SIZE)),
    Input("gray-alpha.png", sample(PNG, "LA", SIZE)),
    Input("bits.png", sample(PNG, "1", SIZE)),
    Input("palette.png", sample(PNG, "P", SIZE)),
    Input("palette-transparent.png", _transparent_palette()),
    Input(
        "key-transparent.png",
        sample(PNG, "RGB", SIZE, transparency=noise("RGB", SIZE).getpixel((3, 3))),
    ),
    Input("gray16.png", deep_png(0, SIZE), deep=True),
    Input("RGB16.png", deep_png(2, SIZE), most=1),
    Input("AdobeRGB.png", sample(PNG, "RGB", SIZE, icc=picture_profiles.ADOBE_RGB), most=2),
    Input("plain.jpg", sample(JPEG, "RGB", SIZE)),
    *(Input(f"turned-{n}.jpg", sample(JPEG, "RGB", SIZE, orientation=n)) for n in range(2, 9)),
    Input("CMYK.jpg", sample(JPEG, "CMYK", SIZE)),
    Input("CMYK-profile.jpg", sample(JPEG, "CMYK", SIZE, icc=picture_profiles.CMYK), most=3),
    Input("picture.webp", sample(WEBP, "RGBA", SIZE, lossless=True)),
    Input("animated.webp", sample(WEBP, "RGB", SIZE, frames=3)),
    Input("picture.gif", sample(GIF, "P", SIZE)),
    Input("transparent.gif", sample(GIF, "P", SIZE, transparency=3)),
    Input("picture.avif", sample(AVIF, "RGB", SIZE)),
    Input("picture.bmp", sample(BMP, "RGB", SIZE)),
    Input("picture.tif", sample(TIFF, "RGB", SIZE)),
    Input("picture.ico", sample(ICO, "RGBA", (32, 32))),
    Input("picture.tga", sample(TGA, "RGB", SIZE)),
    Input("picture.ppm", sample(PPM, "RGB", SIZE)),
    Input("picture.jp2", sample(JPEG_2000, "RGB", SIZE, irreversible=False)),
    Input("half.png", sample(PNG, "RGB", SIZE)[:-200], taken=False),
    Input("half.jpg", sample(JPEG, "RGB", SIZE)[:-200], taken=False),
    Input("text.png", b"no picture at all", taken=False),
]


def seen(content: bytes, *, deep: bool) -> Image.Image:
    """Return a picture as a person sees it: upright, in sRGB. Computed without our own code."""
    image = Image.open(BytesIO(content))
    image.load()
    profile = image.info.get("icc_profile")
    image = ImageOps.exif_transpose(image)
    if deep:
        return image.convert("I")
    if profile:
        # Relative, with black points made to meet: as web browsers show pictures.
        changed = ImageCms.profileToProfile(
            image, BytesIO(profile), ImageCms.createProfile("sRGB"),
            ImageCms.Intent.RELATIVE_COLORIMETRIC, outputMode="RGB",
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )  # fmt: skip
        assert changed is not None
        image = changed
    return image.convert("RGBA")


def compared(stored: Image.Image | None, one: Input) -> str:
    """Say in words how what the server shows stands to the original."""
    if stored is None:
        return REFUSED
    wanted = seen(one.content, deep=one.deep)
    shown = stored.convert("I") if one.deep else stored.convert("RGBA")
    if shown.size != wanted.size:
        return "lies on its side"
    if one.deep:
        return SAME if shown.tobytes() == wanted.tobytes() else "other pixels"
    difference = ImageChops.difference(shown, wanted)
    most = max(high for _, high in difference.getextrema())
    return SAME if most <= one.most else f"other pixels, by {most} of 255"


class Server:
    """The real one, as a program uses it that sends files as they are."""

    def __init__(self, url: str, board: str) -> None:
        self._http = httpx.Client(base_url=f"{url}/api/v1", timeout=60)
        self._board = board

    def send(self, one: Input) -> Image.Image | None:
        asked = {"image_category": "user", "is_intermediate": "false", "board_id": self._board}
        sent = {"file": (one.name, one.content, "image/png")}
        answer = self._http.post("/images/upload", params=asked, files=sent)
        return self.show(answer.json()["image_name"]) if answer.status_code == 201 else None

    def show(self, name: str) -> Image.Image:
        image = Image.open(BytesIO(self._http.get(f"/images/i/{name}/full").content))
        image.load()
        return image

    def close(self) -> None:
        self._http.close()


@pytest.fixture
def cli(invokeai: RealInvokeAI) -> Cli:
    return Cli(invokeai.url)


@pytest.fixture
def board(cli: Cli) -> str:
    return str(cli.json("boards", "create", "Inputs")["board"]["board_id"])


@pytest.fixture
def server(invokeai: RealInvokeAI, board: str) -> Iterator[Server]:
    made = Server(invokeai.url, board)
    yield made
    made.close()


def test_whatever_is_sent_looks_the_same_there_or_is_refused(
    cli: Cli, board: str, server: Server, tmp_path: Path
) -> None:
    rows = []
    for one in INPUTS:
        raw = compared(server.send(one), one) if one.taken else _raw_of_damage(server, one)
        path = file(tmp_path, one.name, one.content)
        code = 0 if one.taken else 1
        [told] = cli.json("images", "upload", path, "--board", board, code=code)["results"]
        name = told["image"]["name"] if one.taken else None
        ours = compared(None if name is None else server.show(name), one)
        rows.append((one.name, raw, ours, told.get("recipe") or ""))
    print()
    for row in (("input", "sent raw", "sent by boardsync", "prepared"), *rows):
        print("{:26}{:30}{:20}{}".format(*row))
    wrong = [
        row for row, one in zip(rows, INPUTS, strict=True)
        if row[2] != (SAME if one.taken else REFUSED)
    ]  # fmt: skip
    assert wrong == []
    assert any(row[1] not in (SAME, REFUSED) for row in rows), "then nothing need be prepared"


def _raw_of_damage(server: Server, one: Input) -> str:
    """Send what is no whole picture as it is; there is no original to compare it with."""
    return REFUSED if server.send(one) is None else "taken"
