"""The fake InvokeAI's addresses and what each of them does, version by version."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from PIL import Image

from servers.fake_http import Request, Response, json_response
from servers.fake_invokeai_store import (
    CATEGORIES,
    BrokenPicture,
    FakeBoard,
    FakeImage,
    NotAPicture,
    selected,
)
from servers.fake_invokeai_wire import (
    NO_BOARD,
    NO_IMAGE,
    asked_names,
    invalid,
    parse_form,
    readable,
    refusal,
)

if TYPE_CHECKING:
    from servers.fake_invokeai import FakeInvokeAI

METADATA_BYTES: Final = 1024 * 1024
MOST: Final = 1000
"""How many names or images one request may hold since 6.14."""
NAME = r"/images/i/([^/]+)"
BOARD = r"/boards/([^/]+)"

ADDRESSES: Final = (
    ("version", "GET", r"/app/version"),
    ("auth_status", "GET", r"/auth/status"),
    ("login", "POST", r"/auth/login"),
    ("boards", "GET", r"/boards/"),
    ("create_board", "POST", r"/boards/"),
    ("board", "GET", BOARD),
    ("update_board", "PATCH", BOARD),
    ("delete_board", "DELETE", BOARD),
    ("board_names", "GET", BOARD + "/image_names"),
    ("upload", "POST", r"/images/upload"),
    ("images", "GET", r"/images/"),
    ("names", "GET", r"/images/names"),
    ("records", "POST", r"/images/images_by_names"),
    ("delete_images", "POST", r"/images/delete"),
    ("star", "POST", r"/images/star"),
    ("unstar", "POST", r"/images/unstar"),
    ("image", "GET", NAME),
    ("delete_image", "DELETE", NAME),
    ("metadata", "GET", NAME + "/metadata"),
    ("workflow", "GET", NAME + "/workflow"),
    ("full", "GET", NAME + "/full"),
    ("thumbnail", "GET", NAME + "/thumbnail"),
    ("move", "POST", r"/board_images/"),
    ("move_many", "POST", r"/board_images/batch"),
    ("remove_many", "POST", r"/board_images/batch/delete"),
)
SINCE: Final = {"names": (6, 0), "records": (6, 0), "auth_status": (6, 12), "login": (6, 12)}


class Routes:
    """Finds the route of a request and answers it."""

    def __init__(self, fake: FakeInvokeAI) -> None:
        self._fake = fake
        self._store = fake.store

    def find(self, request: Request, prefix: str) -> tuple[str, list[str]]:
        """Return a route's name and the variable parts of its address, or `unknown`."""
        start = f"{prefix}/api/v1"
        if not request.path.startswith(start):
            return "unknown", []
        path = request.path.removeprefix(start)
        for name, method, pattern in ADDRESSES:
            found = re.fullmatch(pattern, path)
            if found and method == request.method and self._since(*SINCE.get(name, (0,))):
                return name, list(found.groups())
        return "unknown", []

    def call(self, route: str, request: Request, arguments: list[str]) -> Response:
        """Carry a request out."""
        method: Callable[..., Response] = getattr(self, route)
        return method(request, *arguments)

    def version(self, request: Request) -> Response:
        highlights = {} if self._since(6, 13) else {"highlights": None}
        return json_response({"version": self._fake.version, **highlights})

    def auth_status(self, request: Request) -> Response:
        multiuser = bool(self._fake.accounts)
        return json_response({"setup_required": False, "multiuser_enabled": multiuser})

    def login(self, request: Request) -> Response:
        return self._fake.login(request.json())

    def boards(self, request: Request) -> Response:
        if request.param("all") != "true":
            return refusal(400, "Invalid request: give all or offset and limit")
        archived = request.param("include_archived") == "true"
        boards = [b for b in self._store.boards.values() if archived or not b.archived]
        boards.sort(key=lambda b: b.created_at, reverse=request.param("direction") == "DESC")
        records = [self.board_record(board) for board in boards]
        if self._since(6, 13):
            records = [{**record, "owner_username": "System"} for record in records]
        return json_response(records)

    def create_board(self, request: Request) -> Response:
        name = request.param("board_name")
        if name is None or len(name) > 300:
            return invalid("query.board_name", "String should have at most 300 characters", name)
        made = self._store.add_board(name, self._fake.user_of(request))
        return json_response(self.board_record(made), 201)

    def board(self, request: Request, board_id: str) -> Response:
        if board_id in self._fake.hidden_boards:
            return refusal(403, "Not authorized to access this board")
        board = self._store.boards.get(board_id)
        return NO_BOARD if board is None else json_response(self.board_record(board))

    def update_board(self, request: Request, board_id: str) -> Response:
        board, changes = self._store.boards.get(board_id), request.json()
        allowed = {"board_name", "archived", "cover_image_name"}
        if self._since(6, 13):
            allowed.add("board_visibility")
        if not changes.keys() <= allowed:
            return invalid("body", "Extra inputs are not permitted", changes)
        if board is None:
            return NO_BOARD
        board.name = str(changes.get("board_name", board.name))
        board.archived = bool(changes.get("archived", board.archived))
        board.visibility = str(changes.get("board_visibility", board.visibility))
        board.updated_at = self._store.now()[:-4]
        return json_response(self.board_record(board), 201)

    def delete_board(self, request: Request, board_id: str) -> Response:
        if board_id not in self._store.boards:
            return NO_BOARD
        names = list(self._store.boards[board_id].names)
        self._store.delete_board(board_id)
        with_images = request.param("include_images") == "true"
        if with_images:
            for name in names:
                self._store.delete_image(name)
        answer = {
            "board_id": board_id,
            "deleted_board_images": [] if with_images else names,
            "deleted_images": names if with_images else [],
        }
        return json_response(answer)

    def board_names(self, request: Request, board_id: str) -> Response:
        if board_id in self._fake.hidden_boards:
            return refusal(403, "Not authorized to access this board")
        if board_id != "none" and board_id not in self._store.boards:
            return NO_BOARD if self._since(6, 12) else json_response([])
        images = self._store.on_board(None if board_id == "none" else board_id)
        return json_response([image.name for image in images if selected(image, request)])

    def upload(self, request: Request) -> Response:
        if request.param("image_category") not in CATEGORIES or not request.param(
            "is_intermediate"
        ):
            return invalid("query.image_category", "Field required", None)
        content, media_type, metadata = parse_form(request)
        board_id = request.param("board_id")
        if metadata is not None and len(metadata.encode()) > METADATA_BYTES:
            return refusal(400, "Part exceeded maximum size of 1024KB.")
        if not media_type.startswith("image"):
            return refusal(415, "Not an image")
        if board_id in self._fake.hidden_boards:
            return refusal(403, "Not authorized to upload to this board")
        if board_id is not None and board_id not in self._store.boards:
            if self._since(6, 13):
                return NO_BOARD
            board_id = None
        return self._store_upload(request, content, metadata, board_id)

    def images(self, request: Request) -> Response:
        offset, limit = int(request.param("offset") or 0), int(request.param("limit") or "10")
        if request.param("limit") == "0":
            limit = 0
        if self._since(6, 14) and not 0 <= limit <= MOST:
            return invalid("query.limit", f"Input should be less than or equal to {MOST}", limit)
        found = self._store.find(request)
        items = [self.record(image) for image in found[offset : offset + limit]]
        page = {"items": items, "offset": offset, "limit": limit, "total": len(found)}
        return json_response(page)

    def names(self, request: Request) -> Response:
        found = self._store.find(request)
        starred = sum(image.starred for image in found)
        names = [image.name for image in found]
        return json_response(
            {"image_names": names, "starred_count": starred, "total_count": len(names)}
        )

    def records(self, request: Request) -> Response:
        names = asked_names(request)
        if self._since(6, 14) and len(names) > MOST:
            return invalid("body.image_names", f"List should have at most {MOST} items", names)
        found = [self._store.images[name] for name in names if name in self._store.images]
        return json_response([self.record(image) for image in found])

    def image(self, request: Request, name: str) -> Response:
        image = self._store.images.get(name)
        return NO_IMAGE if image is None else json_response(self.record(image))

    def metadata(self, request: Request, name: str) -> Response:
        image = self._store.images.get(name)
        if image is None or not readable(image.metadata):
            return NO_IMAGE
        return json_response(None if image.metadata is None else json.loads(image.metadata))

    def workflow(self, request: Request, name: str) -> Response:
        image = self._store.images.get(name)
        if image is None:
            return NO_IMAGE
        return json_response({"workflow": image.workflow, "graph": image.graph})

    def full(self, request: Request, name: str) -> Response:
        """Hand out what is there: first nothing, then more and more, at last the whole."""
        image = self._store.images.get(name)
        if image is None or not image.content:
            return NO_IMAGE
        if image.unwritten:
            image.unwritten = max(image.unwritten - 1, -1)
            image.reads += 1
            if image.reads == 1 and image.unwritten >= 0:
                return NO_IMAGE
            return Response(200, image.content[: len(image.content) // 2], "image/png")
        return Response(200, image.content, "image/png")

    def thumbnail(self, request: Request, name: str) -> Response:
        image = self._store.images.get(name)
        if image is None or not image.content or image.unwritten or not image.thumbnail:
            return NO_IMAGE
        picture = Image.open(io.BytesIO(image.content)).convert("RGB")
        picture.thumbnail((256, 256))
        buffer = io.BytesIO()
        picture.save(buffer, "WEBP")
        return Response(200, buffer.getvalue(), "image/webp")

    def delete_image(self, request: Request, name: str) -> Response:
        affected = self._affected([name])
        there = self._store.delete_image(name)
        if not there and self._since(6, 14):
            return NO_IMAGE
        if not self._since(6, 0):
            return json_response(None)
        deleted = [name] if there else []
        return json_response({"deleted_images": deleted, "affected_boards": affected})

    def delete_images(self, request: Request) -> Response:
        names = asked_names(request)
        affected = self._affected(names)
        deleted = [name for name in names if self._store.delete_image(name)]
        reported = deleted if self._since(6, 0) else names
        return json_response({"deleted_images": reported, "affected_boards": affected})

    def star(self, request: Request) -> Response:
        return self._star(request, True)

    def unstar(self, request: Request) -> Response:
        return self._star(request, False)

    def move(self, request: Request) -> Response:
        body = request.json()
        board_id, name = str(body["board_id"]), str(body["image_name"])
        if board_id not in self._store.boards:
            return NO_BOARD if self._since(6, 13) else refusal(500, "Failed to add image")
        if name not in self._store.images:
            return refusal(500, "Failed to add image to board")
        return self._moved([name], board_id)

    def move_many(self, request: Request) -> Response:
        board_id = str(request.json()["board_id"])
        if board_id not in self._store.boards:
            return NO_BOARD if self._since(6, 13) else refusal(500, "Failed to add images")
        return self._moved(asked_names(request), board_id)

    def remove_many(self, request: Request) -> Response:
        names = [name for name in asked_names(request) if name in self._store.images]
        for name in names:
            self._store.put(self._store.images[name], None)
        return json_response({"removed_images": names, "affected_boards": ["none"]}, 201)

    def _moved(self, names: Sequence[str], board_id: str) -> Response:
        there = [name for name in names if name in self._store.images]
        for name in there:
            self._store.put(self._store.images[name], board_id)
        return json_response({"added_images": there, "affected_boards": [board_id]}, 201)

    def _star(self, request: Request, starred: bool) -> Response:
        names = [name for name in asked_names(request) if name in self._store.images]
        for name in names:
            self._store.images[name].starred = starred
        if not self._since(6, 0):
            return json_response({"updated_image_names": names})
        key = "starred_images" if starred else "unstarred_images"
        return json_response({key: names, "affected_boards": self._affected(names)})

    def _affected(self, names: Sequence[str]) -> list[str]:
        images = [self._store.images[name] for name in names if name in self._store.images]
        return sorted({image.board_id or "none" for image in images})

    def _store_upload(
        self, request: Request, content: bytes, metadata: str | None, board_id: str | None
    ) -> Response:
        try:
            image = self._store.add_image(
                content,
                board_id,
                category=str(request.param("image_category")),
                origin="external",
                metadata=metadata,
                intermediate=request.param("is_intermediate") == "true",
                session_id=request.param("session_id"),
            )
        except NotAPicture:
            return refusal(415, "Failed to read image")
        except BrokenPicture:
            if not self._since(6, 14):
                self._store.add_ghost(board_id).metadata = metadata
            return refusal(500, "Failed to create image")
        image.unwritten = self._fake.torn_reads
        return json_response(self.record(image), 201, location=f"api/v1/images/i/{image.name}/full")

    def _since(self, *release: int) -> bool:
        return self._fake.release >= release

    def board_record(self, board: FakeBoard) -> dict[str, object]:
        """Return a board as this version describes it."""
        images = [image for image in self._store.on_board(board.board_id) if not image.intermediate]
        outputs = [image for image in images if image.category == "general"]
        record: dict[str, object] = {
            "board_id": board.board_id,
            "board_name": board.name,
            "created_at": board.created_at,
            "updated_at": board.updated_at,
            "deleted_at": None,
            "cover_image_name": images[-1].name if images else None,
            "archived": board.archived,
            "image_count": len(images),
        }
        if self._since(6, 1):
            record |= {"image_count": len(outputs), "asset_count": len(images) - len(outputs)}
        if self._since(6, 12):
            record |= {"user_id": board.user_id}
        if self._since(6, 13):
            record |= {"board_visibility": board.visibility, "owner_username": None}
        return record

    def record(self, image: FakeImage) -> dict[str, object]:
        """Return an image as this version describes it."""
        subfolder = {"image_subfolder": ""} if self._since(6, 13) else {}
        return {
            "image_name": image.name,
            "image_url": f"api/v1/images/i/{image.name}/full",
            "thumbnail_url": f"api/v1/images/i/{image.name}/thumbnail",
            "image_origin": image.origin,
            "image_category": image.category,
            "width": image.width,
            "height": image.height,
            "created_at": image.created_at,
            "updated_at": image.created_at,
            "deleted_at": None,
            "is_intermediate": image.intermediate,
            "session_id": image.session_id,
            "node_id": None,
            "starred": image.starred,
            "has_workflow": image.workflow is not None,
            "board_id": image.board_id,
            **subfolder,
        }
