"""What tests of the InvokeAI kind share: pictures, uploads, and adapters ready to use.

`on_fake` and `on_real` give an `InvokeAIServer` that is closed afterwards, for a fixture
of one line::

    @pytest.fixture
    async def server():
        async with on_fake() as (server, fake):
            yield server
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from boardsync.model import Category, Item, Mark, Upload
from boardsync.plan.tokens import token_for
from boardsync.servers.invokeai import InvokeAIServer
from boardsync.servers.invokeai.trash import NAME
from servers.fake_invokeai import FakeInvokeAI
from servers.fake_invokeai_store import FakeBoard, FakeImage

Color = tuple[int, int, int]
VERSIONS = ["5.15.0", "6.0.2", "6.8.1", "6.13.8", "6.14.2"]
"""Those whose ways with moves and removals differ."""


def png(
    color: Color = (200, 30, 30),
    size: tuple[int, int] = (32, 24),
    texts: Mapping[str, str] | None = None,
) -> bytes:
    """Return a PNG of one colour, with text chunks."""
    info = PngInfo()
    for key, text in (texts or {}).items():
        info.add_text(key, text)
    buffer = io.BytesIO()
    Image.new("RGB", size, color).save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()


def noisy_png(size: tuple[int, int] = (96, 96)) -> bytes:
    """Return a PNG that does not pack well, so that it has some length."""
    noise = hashlib.shake_256(b"noise").digest(size[0] * size[1] * 3)
    buffer = io.BytesIO()
    Image.frombytes("RGB", size, noise).save(buffer, "PNG")
    return buffer.getvalue()


def mark_for(content: bytes, mirror: str = "holiday") -> Mark:
    """Return the mark of a picture that is sent as it is."""
    digest = hashlib.sha256(content).hexdigest()
    return Mark(mirror, token_for(mirror, digest), digest, digest, "original")


def upload_of(
    content: bytes, mirror: str = "holiday", category: Category = Category.USER
) -> Upload:
    """Return the upload of a PNG."""
    with Image.open(io.BytesIO(content)) as picture:
        width, height = picture.size
    mark = mark_for(content, mirror)
    return Upload("a.png", content, "image/png", mark, category, width, height)


def trash_boards(fake: FakeInvokeAI) -> list[FakeBoard]:
    """Return the boards that are the trash."""
    return [board for board in fake.store.boards.values() if board.name == NAME]


def image_on(fake: FakeInvokeAI, board: FakeBoard | None) -> tuple[FakeImage, Item]:
    """Put an image on a board; return it, and the item that the engine knows it as."""
    board_id = None if board is None else board.board_id
    image = fake.store.add_image(png(), board_id)
    return image, Item(image.name, board_id)


@asynccontextmanager
async def on_fake(
    version: str = "6.14.2", *, accounts: Mapping[str, str] | None = None, **options: Any
) -> AsyncIterator[tuple[InvokeAIServer, FakeInvokeAI]]:
    """Start a fake and give an adapter on it, with the first account when there are some."""
    async with FakeInvokeAI(version, accounts=accounts) as fake:
        for email, password in list((accounts or {}).items())[:1]:
            options = {"email": email, "password": password, **options}
        server = fake.server(**options)
        try:
            yield server, fake
        finally:
            await server.aclose()


@asynccontextmanager
async def on_real(url: str, **options: Any) -> AsyncIterator[InvokeAIServer]:
    """Give an adapter on a running server: `on_real(invokeai.url)`."""
    server = InvokeAIServer("real", url, **options)
    try:
        yield server
    finally:
        await server.aclose()
