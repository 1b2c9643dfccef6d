"""Queries that gather the links of which one side is not as it was agreed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, text

from boardsync.model import Mark
from boardsync.plan.layout import Layout
from boardsync.plan.pairing import Appeared
from boardsync.plan.tokens import token_for
from boardsync.state.homes import home_of, home_values
from boardsync.state.items_seen import parse_mark
from boardsync.state.schema import decode_name

_COLUMNS = """
    l.id, l.path, l.digest, l.board, l.item_id, l.version, l.made, l.consent, l.recipe,
    l.file_gone_ms, l.file_gone_inode, l.item_gone_ms, l.item_asked,
    f.path IS NOT NULL AS seen, f.hashed_ns IS NOT NULL AS hashed, f.refusal IS NOT NULL AS refused,
    f.digest AS now_digest, i.version AS now_version, i.mark,
    b.missing_since_ms IS NOT NULL AS board_missing,
    EXISTS (SELECT 1 FROM transfer t WHERE t.mirror = l.mirror AND t.path = l.path
            AND t.kind = 'upload' AND t.state NOT IN ('done', 'refused', 'dropped'))
      OR EXISTS (SELECT 1 FROM transfer t WHERE t.link = l.id
            AND t.state NOT IN ('done', 'refused', 'dropped')
            AND t.kind = 'move-item' AND t.state = 'sending') AS sending,
    EXISTS (SELECT 1 FROM link o
            WHERE o.board = l.board AND o.item_id = l.item_id AND o.id <> l.id
              AND o.state = 'agreed' AND o.file_gone_ms IS NULL) AS shared,
    (SELECT e.board FROM item e JOIN board c ON c.id = e.board AND c.current
     WHERE i.item_id IS NULL AND c.mirror = l.mirror AND e.item_id = l.item_id
       AND e.version = l.version AND e.board <> l.board ORDER BY e.board LIMIT 1) AS item_board
"""
_JOINED = """
    JOIN board b ON b.id = l.board
    LEFT JOIN file f ON f.mirror = l.mirror AND f.path = l.path
    LEFT JOIN item i ON i.board = l.board AND i.item_id = l.item_id
"""
_APART = text(
    f"""
    SELECT {_COLUMNS} FROM link l {_JOINED}
    WHERE l.mirror = :mirror AND l.state = 'agreed' AND l.id > :after
      AND (f.path IS NULL OR f.digest IS NOT l.digest
           OR i.item_id IS NULL OR i.version <> l.version)
      AND l.board = {home_of("l.path")}
    ORDER BY l.id LIMIT :limit
    """
)
_FILES_GONE = text(
    f"""
    SELECT {_COLUMNS} FROM link l INDEXED BY link_file_gone {_JOINED}
    WHERE l.mirror = :mirror AND l.state = 'agreed' AND l.file_gone_ms IS NOT NULL
      AND l.id > :after AND f.path IS NULL AND l.board = {home_of("l.path")}
    ORDER BY l.id LIMIT :limit
    """
)
_TWINS = text(
    """
    SELECT i.token, i.item_id, i.version,
      (SELECT l.digest FROM link l WHERE l.board = i.board AND l.item_id = i.item_id
       AND l.state = 'agreed' LIMIT 1) AS linked
    FROM item i WHERE i.board = :board AND i.token IN :tokens
    ORDER BY i.created_ms, length(i.item_id), i.item_id
    """
).bindparams(bindparam("tokens", expanding=True))
_UNLINKED = text(
    """
    SELECT f.path, f.digest, f.inode FROM file f
    WHERE f.mirror = :mirror AND f.digest IN :digests AND f.hashed_ns IS NOT NULL
      AND f.refusal IS NULL
      AND NOT EXISTS (SELECT 1 FROM link l WHERE l.mirror = f.mirror AND l.path = f.path
                      AND l.digest = f.digest AND l.state IN ('agreed', 'undone'))
    """
).bindparams(bindparam("digests", expanding=True))
_SUPERSEDED = text(
    f"""
    SELECT l.id, l.path, l.digest, l.board, l.item_id, l.version FROM link l
    JOIN item i ON i.board = l.board AND i.item_id = l.item_id AND i.version = l.version
    WHERE l.mirror = :mirror AND l.state = 'superseded' AND l.made <> 'pull'
      AND i.read = 1 AND NOT i.starred AND i.token IS NOT NULL AND l.id > :after
      AND l.board = {home_of("l.path")}
      AND NOT EXISTS (SELECT 1 FROM link o WHERE o.board = l.board AND o.item_id = l.item_id
                      AND o.state = 'agreed')
      AND EXISTS (SELECT 1 FROM link n JOIN item m ON m.board = n.board AND m.item_id = n.item_id
                  WHERE n.mirror = l.mirror AND n.path = l.path AND n.state = 'agreed'
                  AND n.digest <> l.digest)
    ORDER BY l.id LIMIT :limit
    """
)


@dataclass(frozen=True, slots=True)
class ApartLink:
    """An agreed link and what is known of its two sides now.

    now_digest, now_version: of what lies at the path and under the item's id; None for nothing.
    mark: of what is there now. sending: an upload of this path, or a move of the item, is under
    way, whose outcome comes first. item_board: another board of the mirror that lists the item in
    the version that was linked: under a name alone there may be another picture. shared: another
    agreed link of the item has its file, or a rule hides it.
    """

    number: int
    path: bytes
    digest: str
    board: int
    item_id: str
    version: str
    made: str
    consent: str | None
    recipe: str | None
    file_gone_ms: int | None
    file_gone_inode: int | None
    item_gone_ms: int | None
    item_asked: int
    seen: bool
    hashed: bool
    refused: bool
    now_digest: str | None
    now_version: str | None
    mark: Mark | None
    sending: bool
    board_missing: bool
    shared: bool
    item_board: int | None


@dataclass(frozen=True, slots=True)
class OldItem:
    """An item of ours whose file holds newer content, which is on the board."""

    number: int
    path: bytes
    digest: str
    board: int
    item_id: str
    version: str


def apart(
    connection: Connection, mirror: int, layout: Layout, limit: int, after: int = 0, *,
    only_files_gone: bool = False,
) -> list[ApartLink]:  # fmt: skip
    """Return agreed links that are not as agreed, in order of their numbers after `after`.

    only_files_gone: those whose file vanished, found by an index.
    """
    values = home_values(mirror, layout) | {"after": after, "limit": limit}
    query = _FILES_GONE if only_files_gone else _APART
    return [_apart(row) for row in connection.execute(query, values)]


def twins(
    connection: Connection, mirror_key: str, board: int, digests: Iterable[str], *, one_item: bool
) -> dict[str, tuple[str, str]]:
    """Return, by digest, the oldest items that carry our mark of a picture: id and version.

    one_item: also those that another file of the same picture is linked to.
    """
    tokens = {token_for(mirror_key, digest): digest for digest in digests}
    found: dict[str, tuple[str, str]] = {}
    for row in connection.execute(_TWINS, {"board": board, "tokens": list(tokens)}):
        same = row.linked is not None and row.linked.hex() == tokens[row.token]
        if row.linked is not None and not (one_item and same):
            continue
        found.setdefault(tokens[row.token], (decode_name(row.item_id), row.version))
    return found


def unlinked(connection: Connection, mirror: int, digests: Sequence[str]) -> Iterator[Appeared]:
    """Yield files that hold some pictures and that nothing is linked to."""
    packed = [bytes.fromhex(digest) for digest in digests]
    for row in connection.execute(_UNLINKED, {"mirror": mirror, "digests": packed}):
        yield Appeared(row.path, row.digest.hex(), row.inode)


def superseded(
    connection: Connection, mirror: int, layout: Layout, limit: int, after: int = 0
) -> list[OldItem]:
    """Return items of ours that newer content of their file has replaced, unstarred ones."""
    values = home_values(mirror, layout) | {"after": after, "limit": limit}
    return [
        OldItem(
            row.id, row.path, row.digest.hex(), row.board, decode_name(row.item_id), row.version
        )
        for row in connection.execute(_SUPERSEDED, values)
    ]


def _apart(row: Any) -> ApartLink:
    return ApartLink(
        number=row.id,
        path=row.path,
        digest=row.digest.hex(),
        board=row.board,
        item_id=decode_name(row.item_id),
        version=row.version,
        made=row.made,
        consent=row.consent,
        recipe=row.recipe,
        file_gone_ms=row.file_gone_ms,
        file_gone_inode=row.file_gone_inode,
        item_gone_ms=row.item_gone_ms,
        item_asked=row.item_asked,
        seen=bool(row.seen),
        hashed=bool(row.hashed),
        refused=bool(row.refused),
        now_digest=row.now_digest.hex() if row.now_digest else None,
        now_version=row.now_version,
        mark=parse_mark(row.mark),
        sending=bool(row.sending),
        board_missing=bool(row.board_missing),
        shared=bool(row.shared),
        item_board=row.item_board,
    )
