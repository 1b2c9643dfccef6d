"""The client: everything a person can do with boards and images of one account.

The command line's view of InvokeAI. What the mirrors need is in `server.py`, which is
built on this. Nothing here repeats a request that changes something.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from os import PathLike
from typing import BinaryIO, Self

from boardsync.model import Download, Item, ServerInfo
from boardsync.servers.invokeai.address import Trust
from boardsync.servers.invokeai.boards import Boards
from boardsync.servers.invokeai.changes import (
    DELETE,
    STAR,
    UNCATEGORIZE,
    UNSTAR,
    Changed,
    change_images,
    move_to,
)
from boardsync.servers.invokeai.download import Downloader
from boardsync.servers.invokeai.embedded import embedded_metadata
from boardsync.servers.invokeai.features import Features
from boardsync.servers.invokeai.images import ImageReader
from boardsync.servers.invokeai.login import Credentials
from boardsync.servers.invokeai.mark import metadata_text
from boardsync.servers.invokeai.naming import resolve_image
from boardsync.servers.invokeai.places import EVERYWHERE, Place
from boardsync.servers.invokeai.probe import probe
from boardsync.servers.invokeai.transport import REQUESTS_AT_ONCE, Limits, Transport
from boardsync.servers.invokeai.upload import Picture, Uploader


class Images(ImageReader):
    """The images of one account: what `ImageReader` reads, and everything that changes them.

    Changes take exact names or their stems, never a beginning, and answer per name.
    `place` restricts them to one board: an image that is elsewhere is refused.
    """

    def __init__(self, transport: Transport, boards: Boards) -> None:
        super().__init__(transport, Features(transport))
        self._boards = boards
        self._uploader = Uploader(transport, boards, self)
        self._downloader = Downloader(transport, self)

    async def resolve(self, text: str, place: Place = EVERYWHERE, *, prefix: bool = True) -> Item:
        """Find the image that a person means: exact name, stem, or the only one that begins so.

        prefix: False for whatever cannot be undone. Raises ItemMissing, also when the image
        is on another board than `place`, or Ambiguous with the candidates.
        """
        return await resolve_image(self, text, place, prefix=prefix)

    async def upload(
        self,
        board_id: str | None,
        picture: Picture,
        metadata: Mapping[str, object] | None = None,
    ) -> Item:
        """Send a picture to a board, None for Uncategorized, and return its item.

        metadata: united with what the picture embeds of InvokeAI's own; on the same keys
        it wins. Without it the embedded one is kept as it is. Raises OutcomeUnknown when
        the picture may have been stored all the same.
        """
        if metadata is None:
            return await self._uploader.send(board_id, picture)
        united = {**(embedded_metadata(picture.content) or {}), **metadata}
        return await self._uploader.send(board_id, replace(picture, metadata=metadata_text(united)))

    async def send(self, board_id: str | None, picture: Picture) -> Item:
        """Send a picture exactly as described, its metadata included."""
        return await self._uploader.send(board_id, picture)

    async def download(self, item: Item, sink: BinaryIO, *, thumbnail: bool = False) -> Download:
        """Fetch a picture, or its small WebP, into `sink` and check that it is whole.

        After an error, throw away what the sink got; errors of the sink itself pass
        through. Raises ItemMissing, or FileChanging while the server is still writing it.
        """
        if thumbnail:
            return await self._downloader.thumbnail(item, sink)
        return await self._downloader.full(item, sink)

    async def complete(self, item: Item, *, glance: bool = False) -> bool:
        """Tell whether a picture is whole on the server. Raises ItemMissing.

        glance: a whole thumbnail is enough; without one, the picture is looked at.
        """
        return await self._downloader.complete(item, glance=glance)

    async def move(
        self, names: Sequence[str], board_id: str | None, place: Place = EVERYWHERE
    ) -> Sequence[Changed]:
        """Put images onto a board, None for Uncategorized. Raises BoardMissing."""
        if board_id is None:
            return await self.remove(names, place)
        await self._boards.show(board_id)
        return await change_images(self._transport, self, move_to(board_id), names, place)

    async def remove(self, names: Sequence[str], place: Place = EVERYWHERE) -> Sequence[Changed]:
        """Take images off their boards: they become uncategorized."""
        return await change_images(self._transport, self, UNCATEGORIZE, names, place)

    async def star(self, names: Sequence[str], place: Place = EVERYWHERE) -> Sequence[Changed]:
        """Star images."""
        return await change_images(self._transport, self, STAR, names, place)

    async def unstar(self, names: Sequence[str], place: Place = EVERYWHERE) -> Sequence[Changed]:
        """Take the stars off images."""
        return await change_images(self._transport, self, UNSTAR, names, place)

    async def delete(self, names: Sequence[str], place: Place = EVERYWHERE) -> Sequence[Changed]:
        """Delete images for good. DONE means: it was there, and the server says it is gone."""
        return await change_images(self._transport, self, DELETE, names, place)


class InvokeAIClient:
    """One account on one InvokeAI server. Use it as an asynchronous context manager.

    name: how messages call this server. url: its address, path included, as a browser
    opens it. email, password: only for servers with accounts; others never get them.
    ca_file: certificates to trust besides the system's. Raises SettingsError.
    """

    def __init__(
        self,
        name: str,
        url: str,
        *,
        email: str | None = None,
        password: str | None = None,
        connect_timeout: float = 5.0,
        read_timeout: float = 60.0,
        ca_file: str | PathLike[str] | None = None,
        verify_tls: bool = True,
        requests_at_once: int = REQUESTS_AT_ONCE,
    ) -> None:
        limits = Limits(connect_timeout, read_timeout, requests_at_once)
        credentials = None if email is None or password is None else Credentials(email, password)
        self.transport = Transport(
            f"server {name}",
            url,
            credentials,
            limits=limits,
            trust=Trust(ca_file, verify_tls),
        )
        self.boards = Boards(self.transport)
        self.images = Images(self.transport, self.boards)

    async def probe(self) -> ServerInfo:
        """Ask who is there. Raises ServerUnreachable, ServerFault or NotAuthorised."""
        return await probe(self.transport)

    async def aclose(self) -> None:
        """Let go of connections. Idempotent."""
        await self.transport.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()
