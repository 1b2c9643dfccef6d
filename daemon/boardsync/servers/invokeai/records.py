"""From the server's JSON records to the vocabulary. Pure.

Fields come and go between versions: what a record lacks is None. Only a record without
its identity is a fault of the server.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from boardsync.errors import ServerFault
from boardsync.model import Board, Item

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def board_from(record: object) -> Board:
    """Read a board. Raises ServerFault for a record without id and name."""
    fields = _fields(record, "board")
    return Board(
        board_id=_identity(fields, "board_id"),
        name=_text(fields, "board_name") or "",
        images=_number(fields, "image_count"),
        assets=_number(fields, "asset_count"),
        archived=_flag(fields, "archived"),
        visibility=_text(fields, "board_visibility"),
        created_ms=milliseconds(fields.get("created_at")),
        updated_ms=milliseconds(fields.get("updated_at")),
        cover=_text(fields, "cover_image_name"),
        owner=_text(fields, "owner_username"),
    )


def item_from(record: object) -> Item:
    """Read an image. Raises ServerFault for a record without a name.

    Every image is stored as PNG, whatever was uploaded, and never changes afterwards.
    """
    fields = _fields(record, "image")
    return Item(
        item_id=_identity(fields, "image_name"),
        board_id=_text(fields, "board_id"),
        width=_number(fields, "width"),
        height=_number(fields, "height"),
        created_ms=milliseconds(fields.get("created_at")),
        category=_text(fields, "image_category"),
        intermediate=_flag(fields, "is_intermediate") or False,
        starred=_flag(fields, "starred") or False,
        origin=_text(fields, "image_origin"),
    )


def names_from(value: object, request: str) -> tuple[str, ...]:
    """Read a list of image names. Raises ServerFault when anything else is in it."""
    if not isinstance(value, list):
        raise ServerFault(f"{request} answered no list of names")
    names = tuple(name for name in value if isinstance(name, str) and name)
    if len(names) != len(value):
        raise ServerFault(f"{request} answered a list with something else than names in it")
    return names


def milliseconds(value: object) -> int | None:
    """Read a time as milliseconds since the epoch; None when there is none to read.

    The server writes UTC without a zone, with milliseconds except after an edit.
    """
    if not isinstance(value, str):
        return None
    try:
        when = datetime.fromisoformat(value)
    except ValueError:
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return (when - EPOCH) // timedelta(milliseconds=1)


def _fields(record: object, noun: str) -> Mapping[str, object]:
    if not isinstance(record, dict):
        raise ServerFault(f"the server sent a record of kind {noun} that is no JSON object")
    return record


def _identity(fields: Mapping[str, object], key: str) -> str:
    value = fields.get(key)
    if not isinstance(value, str) or not value:
        raise ServerFault(f"the server sent a record without {key}")
    return value


def _text(fields: Mapping[str, object], key: str) -> str | None:
    value = fields.get(key)
    return value if isinstance(value, str) else None


def _number(fields: Mapping[str, object], key: str) -> int | None:
    value = fields.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _flag(fields: Mapping[str, object], key: str) -> bool | None:
    value = fields.get(key)
    return value if isinstance(value, bool) else None
