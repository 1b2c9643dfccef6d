"""Fetching a picture and proving that it is whole.

An image is listed before its file is written, and meanwhile the server hands out what is
there so far, with the length of just that: first 404, then torn pictures with status 200.
So only bytes that read as a PNG to its end mark count.
"""

from __future__ import annotations

import hashlib
from io import BytesIO
from typing import BinaryIO, Final

from boardsync.errors import FileChanging, ServerFault
from boardsync.formats import whole
from boardsync.formats.png import PngStream
from boardsync.formats.verdict import Verdict
from boardsync.model import Download, Item
from boardsync.servers.invokeai.address import segment
from boardsync.servers.invokeai.images import ImageReader
from boardsync.servers.invokeai.transport import Body, Call, Transport

PNG: Final = "image/png"
WEBP: Final = "image/webp"
THUMBNAIL_BYTES: Final = 4 * 1024 * 1024
"""Many times what a picture of 256 pixels needs, and little to hold in memory."""


class Nowhere:
    """A sink that keeps nothing."""

    def write(self, data: bytes, /) -> int:
        """Forget `data`."""
        return len(data)


class Downloader:
    """Fetches pictures of one account."""

    def __init__(self, transport: Transport, reader: ImageReader) -> None:
        self._transport = transport
        self._reader = reader

    async def full(self, item: Item, sink: BinaryIO | Nowhere) -> Download:
        """Fetch a picture into `sink`. After an error, throw away what it got.

        Raises ItemMissing, or FileChanging while the bytes are not whole.
        """
        name = item.item_id
        call = Call("GET", f"/images/i/{segment(name)}/full", missing_ok=True, expected=PNG)
        async with self._transport.stream(call) as body:
            found = None if body.answer.says_missing else await _copied(body, sink)
        if found is None:
            await self._reader.show(name)
            raise FileChanging(f"image {name} is still being written: it has no file yet")
        verdict, digest, size = found
        self._check(item, verdict)
        return Download(digest, size, verdict.width or 0, verdict.height or 0, ".png")

    async def complete(self, item: Item, *, glance: bool = False) -> bool:
        """Tell whether a picture is whole, keeping none of it. Raises ItemMissing."""
        if glance and await self._has_thumbnail(item):
            return True
        try:
            await self.full(item, Nowhere())
        except FileChanging:
            return False
        return True

    async def _has_thumbnail(self, item: Item) -> bool:
        try:
            await self.thumbnail(item, BytesIO())
        except FileChanging:
            return False
        return True

    async def thumbnail(self, item: Item, sink: BinaryIO) -> Download:
        """Fetch the small WebP of a picture: 256 pixels at most.

        Raises ItemMissing, or FileChanging while there is none yet.
        """
        name = item.item_id
        call = Call("GET", f"/images/i/{segment(name)}/thumbnail", missing_ok=True, expected=WEBP)
        async with self._transport.stream(call) as body:
            content = None if body.answer.says_missing else await _collected(body)
        if content is None:
            await self._reader.show(name)
            raise FileChanging(f"image {name} is still being written: it has no thumbnail yet")
        verdict = whole.check(content)
        if not verdict.whole:
            raise FileChanging(f"the thumbnail of {name} is not whole: {verdict.reason}")
        sink.write(content)
        digest = hashlib.sha256(content).hexdigest()
        return Download(digest, len(content), verdict.width or 0, verdict.height or 0, ".webp")

    def _check(self, item: Item, verdict: Verdict) -> None:
        if not verdict.whole:
            raise FileChanging(f"image {item.item_id} is still being written: {verdict.reason}")
        known = item.width is not None and item.height is not None
        if known and (item.width, item.height) != (verdict.width, verdict.height):
            raise FileChanging(
                f"image {item.item_id} is {verdict.width}x{verdict.height} pixels, but the server "
                f"describes it as {item.width}x{item.height}"
            )


async def _copied(body: Body, sink: BinaryIO | Nowhere) -> tuple[Verdict, str, int]:
    checker, digest, size = PngStream(), hashlib.sha256(), 0
    async for chunk in body.chunks():
        checker.feed(chunk)
        digest.update(chunk)
        sink.write(chunk)
        size += len(chunk)
    return checker.finish(), digest.hexdigest(), size


async def _collected(body: Body) -> bytes:
    content = bytearray()
    async for chunk in body.chunks():
        content += chunk
        if len(content) > THUMBNAIL_BYTES:
            raise ServerFault(f"{body.answer.request} answered more than a thumbnail can be")
    return bytes(content)
