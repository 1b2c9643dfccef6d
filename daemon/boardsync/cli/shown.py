"""Boards and images as they are printed: JSON for programs, tables for people.

A field that the server does not have is left out of the JSON, and `-` in a table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from boardsync.cli.output import print_json, print_table, when
from boardsync.model import UNCATEGORIZED_WORD, Board, Item

_OTHER_KINDS: Final = frozenset({"item_id", "version", "extension", "size"})
"""Fields of an item that say nothing on InvokeAI, or that go by another word here."""


def counted(count: int, noun: str) -> str:
    """Return a count with its noun: `1 image`, `2 images`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def place_word(board_id: str | None) -> str:
    """Return a board's id as commands take it: `none` is Uncategorized."""
    return UNCATEGORIZED_WORD if board_id is None else board_id


def board_words(board: Board) -> str:
    """Name a board so that it cannot be mistaken for another one of its name."""
    return f"{board.name!r} ({place_word(board.board_id)})"


def board_record(board: Board) -> dict[str, Any]:
    """Return a board for JSON."""
    return _told(asdict(board) | {"board_id": place_word(board.board_id)})


def image_record(image: Item) -> dict[str, Any]:
    """Return an image for JSON."""
    fields = {key: value for key, value in asdict(image).items() if key not in _OTHER_KINDS}
    return _told({"name": image.item_id} | fields | {"board_id": place_word(image.board_id)})


def print_boards(boards: Sequence[Board], *, as_json: bool) -> None:
    """Print a list of boards."""
    if as_json:
        print_json({"boards": [board_record(board) for board in boards]})
        return
    headings = ("name", "id", "images", "assets", "archived", "visibility", "created")
    print_table(headings, [_board_row(board) for board in boards])


def print_images(images: Sequence[Item]) -> None:
    """Print a table of images."""
    headings = ("name", "size", "category", "starred", "created", "board")
    print_table(headings, [_image_row(image) for image in images])


def print_record(record: Mapping[str, Any], *, as_json: bool) -> None:
    """Print one board or image, a field in each line."""
    if as_json:
        print_json(record)
        return
    print_table(("field", "value"), [_field(key, value) for key, value in record.items()])


def _told(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if value is not None}


def _board_row(board: Board) -> tuple[Any, ...]:
    place, created = place_word(board.board_id), when(board.created_ms)
    counts = (board.images, board.assets)
    return (board.name, place, *counts, board.archived, board.visibility, created)


def _image_row(image: Item) -> tuple[Any, ...]:
    size = None if image.width is None else f"{image.width}x{image.height}"
    place, created = place_word(image.board_id), when(image.created_ms)
    return (image.item_id, size, image.category, image.starred, created, place)


def _field(key: str, value: Any) -> tuple[str, Any]:
    return (key.removesuffix("_ms"), when(value)) if key.endswith("_ms") else (key, value)
