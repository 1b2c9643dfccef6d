"""What the fake InvokeAI keeps: boards, images, and its way with pictures and searches."""

from __future__ import annotations

import io
import itertools
import json
import re
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from PIL import Image, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo

from servers.fake_http import Request

KEPT_TEXTS = ("invokeai_metadata", "invokeai_workflow", "invokeai_graph")
CATEGORIES = ("general", "user", "control", "mask", "other")

Clock = Callable[[], int]


class NotAPicture(Exception):
    """Pillow cannot tell what it is: the server answers 415."""


class BrokenPicture(Exception):
    """It cannot be decoded or written as PNG: the server answers 500."""


@dataclass
class FakeBoard:
    """A board. names: in the order in which images joined it."""

    board_id: str
    name: str
    created_at: str
    updated_at: str
    archived: bool = False
    visibility: str = "private"
    user_id: str = "system"
    names: dict[str, None] = field(default_factory=dict)


@dataclass
class FakeImage:
    """An image. unwritten: how many reads of its file still come too early, -1 for all.

    thumbnail: it is made last; false when the server was killed before.
    """

    name: str
    content: bytes
    width: int
    height: int
    created_at: str
    category: str = "user"
    origin: str = "external"
    intermediate: bool = False
    starred: bool = False
    session_id: str | None = None
    metadata: str | None = None
    workflow: str | None = None
    graph: str | None = None
    board_id: str | None = None
    unwritten: int = 0
    thumbnail: bool = True
    reads: int = 0


class FakeStore:
    """The fake's database and files. Everything may be looked at and changed by tests."""

    def __init__(self, clock_ms: Clock | None = None, *, reencode: bool = True) -> None:
        self.boards: dict[str, FakeBoard] = {}
        self.images: dict[str, FakeImage] = {}
        self._clock_ms = clock_ms or (lambda: time.time_ns() // 1_000_000)
        self._reencode = reencode
        self._last_ms = 0
        self._numbers = itertools.count(1)

    def now(self) -> str:
        """Return the server's time as it writes it; no two calls give the same."""
        self._last_ms = max(self._clock_ms(), self._last_ms + 1)
        return text_of(self._last_ms)

    def add_board(self, name: str, user_id: str = "system") -> FakeBoard:
        """Make a board of an account."""
        now = self.now()
        board = FakeBoard(self._uuid(), name, now, now, user_id=user_id)
        self.boards[board.board_id] = board
        return board

    def add_image(
        self,
        content: bytes,
        board_id: str | None = None,
        *,
        category: str = "general",
        origin: str = "internal",
        metadata: str | None = None,
        intermediate: bool = False,
        session_id: str | None = None,
    ) -> FakeImage:
        """Store a picture, by default as an output of the server itself.

        Raises NotAPicture or BrokenPicture. metadata that is no JSON object is dropped, and
        what the picture embeds with it.
        """
        image = self._stored(content, metadata)
        image.category, image.origin = category, origin
        image.intermediate, image.session_id = intermediate, session_id
        self.images[image.name] = image
        if board_id is not None:
            self.put(image, board_id)
        return image

    def add_ghost(self, board_id: str | None) -> FakeImage:
        """Leave a record without a file, as a failed upload does up to 6.13."""
        image = FakeImage(f"{self._uuid()}.png", b"", 64, 64, self.now(), unwritten=-1)
        self.images[image.name] = image
        if board_id is not None:
            self.put(image, board_id)
        return image

    def put(self, image: FakeImage, board_id: str | None) -> None:
        """Put an image onto a board, or off all boards."""
        if image.board_id in self.boards:
            self.boards[str(image.board_id)].names.pop(image.name, None)
        image.board_id = board_id
        if board_id is not None:
            self.boards[board_id].names[image.name] = None

    def delete_image(self, name: str) -> bool:
        """Delete an image for good; tell whether it was there."""
        image = self.images.get(name)
        if image is None:
            return False
        self.put(image, None)
        del self.images[name]
        return True

    def delete_board(self, board_id: str) -> FakeBoard:
        """Delete a board; its images become uncategorized."""
        for name in list(self.boards[board_id].names):
            self.put(self.images[name], None)
        return self.boards.pop(board_id)

    def on_board(self, board_id: str | None) -> Sequence[FakeImage]:
        """Return a board's images in the order of its names."""
        if board_id is None:
            return [image for image in self.images.values() if image.board_id is None]
        return [self.images[name] for name in self.boards[board_id].names]

    def find(self, request: Request) -> list[FakeImage]:
        """Return the images that a request's filters ask for, in its order, unpaged."""
        images = [image for image in self.images.values() if _asked_for(image, request)]
        images.sort(key=lambda image: image.created_at, reverse=request.param("order_dir") != "ASC")
        if request.param("starred_first", "true") == "true":
            images.sort(key=lambda image: not image.starred)
        return images

    def _stored(self, content: bytes, metadata: str | None) -> FakeImage:
        picture = _decoded(content)
        texts = {key: str(picture.info[key]) for key in KEPT_TEXTS if key in picture.info}
        if metadata is not None:
            texts.pop("invokeai_metadata", None)
            if _is_object(metadata):
                texts["invokeai_metadata"] = metadata
        as_it_is = not self._reencode and content.startswith(b"\x89PNG")
        return FakeImage(
            name=f"{self._uuid()}.png",
            content=content if as_it_is else _as_png(picture, texts),
            width=picture.width,
            height=picture.height,
            created_at=self.now(),
            metadata=texts.get("invokeai_metadata"),
            workflow=texts.get("invokeai_workflow"),
            graph=texts.get("invokeai_graph"),
        )

    def _uuid(self) -> str:
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"fake:{id(self)}:{next(self._numbers)}"))


def text_of(ms: int) -> str:
    """Write a time as the server does: UTC without a zone, with milliseconds."""
    when = datetime.fromtimestamp(ms // 1000, UTC)
    return f"{when:%Y-%m-%d %H:%M:%S}.{ms % 1000:03d}"


def selected(image: FakeImage, request: Request) -> bool:
    """Tell whether an image passes the filters of category and intermediates."""
    wanted = request.param("is_intermediate")
    if wanted is not None and image.intermediate != (wanted == "true"):
        return False
    categories = request.params("categories")
    return not categories or image.category in categories


def _asked_for(image: FakeImage, request: Request) -> bool:
    board_id = request.param("board_id")
    if board_id is not None and image.board_id != (None if board_id == "none" else board_id):
        return False
    if request.param("image_origin", image.origin) != image.origin:
        return False
    term = request.param("search_term")
    if term and not (_like(term, image.metadata or "") or _like(term, image.created_at)):
        return False
    return selected(image, request)


def _like(term: str, text: str) -> bool:
    """Search as SQLite's LIKE does: `%` and `_` are wildcards, ASCII case is ignored."""
    parts = {"%": ".*", "_": "."}
    pattern = "".join(parts.get(letter, re.escape(letter)) for letter in term.lower())
    return re.search(pattern, text, re.IGNORECASE | re.ASCII | re.DOTALL) is not None


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def _decoded(content: bytes) -> Image.Image:
    try:
        picture = Image.open(io.BytesIO(content))
    except UnidentifiedImageError as error:
        raise NotAPicture from error
    if picture.mode in {"CMYK", "F"}:
        raise BrokenPicture
    try:
        picture.load()
    except OSError as error:
        raise BrokenPicture from error
    return picture


def _as_png(picture: Image.Image, texts: dict[str, str]) -> bytes:
    """Write what the server keeps: pixels and its own texts; profiles and the rest are lost."""
    info = PngInfo()
    for key, text in texts.items():
        info.add_text(key, text)
    plain = picture.copy()
    plain.info.clear()
    buffer = io.BytesIO()
    plain.save(buffer, "PNG", pnginfo=info, compress_level=1)
    return buffer.getvalue()
