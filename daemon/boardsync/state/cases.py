"""Queries that gather the cases for the planner.

They leave out only subjects for which `plan.cases` has nothing to do, or that a transfer
carries; a test proves that. What happened on a board where a file does not belong any more
settles nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, Row, bindparam, text

from boardsync.model import LinkState
from boardsync.plan.cases import FileCase, ItemCase, KnownLink, OwnItem
from boardsync.plan.layout import Layout
from boardsync.plan.tokens import token_for
from boardsync.state.homes import home_of, home_values
from boardsync.state.items_seen import parse_mark
from boardsync.state.schema import decode_name, item

_NAME = item.c.item_id.type
_LIVE = "t.state NOT IN ('done', 'refused', 'dropped')"

_OPEN = f"""
    SELECT f.path, f.digest FROM file f
    WHERE f.mirror = :mirror AND f.hashed_ns IS NOT NULL AND f.digest IS NOT NULL
      AND f.refusal IS NULL
      AND NOT EXISTS (SELECT 1 FROM link l WHERE l.mirror = f.mirror AND l.path = f.path
                      AND l.digest = f.digest
                      AND (l.state IN ('agreed', 'undone') OR l.state = 'item-gone'
                           AND NOT EXISTS (SELECT 1 FROM item i WHERE i.board = l.board
                                           AND i.item_id = l.item_id AND i.version = l.version))
                      AND l.board = {home_of("f.path")})
      AND NOT EXISTS (SELECT 1 FROM transfer t WHERE t.mirror = f.mirror AND t.path = f.path
                      AND t.digest = f.digest AND t.board = {home_of("f.path")}
                      AND {_LIVE})
"""
_OPEN_FILES = text(_OPEN + " AND f.path > :after ORDER BY f.path LIMIT :limit")
_OPEN_AMONG = text(_OPEN + " AND f.path IN :paths ORDER BY f.path").bindparams(
    bindparam("paths", expanding=True)
)
_OPEN_ITEM = """
    SELECT i.item_id, i.version, i.mark, i.category, i.intermediate, i.starred, i.created_ms
    FROM item i
    WHERE i.board = :board AND i.read = 1
      AND NOT EXISTS (SELECT 1 FROM link l WHERE l.board = i.board AND l.item_id = i.item_id
                      AND (l.version = i.version OR l.state = 'agreed'))
      AND NOT EXISTS (SELECT 1 FROM transfer t WHERE t.board = i.board AND t.item_id = i.item_id
                      AND t.version = i.version AND t.kind = 'download')
      AND NOT EXISTS (SELECT 1 FROM board h JOIN board o ON o.mirror = h.mirror AND o.id <> h.id
                      JOIN link l ON l.board = o.id AND l.item_id = i.item_id
                      WHERE h.id = i.board AND o.current AND l.version = i.version
                      AND l.state = 'agreed')
"""
_OPEN_ITEMS = text(
    _OPEN_ITEM + " AND i.item_id > :after ORDER BY i.item_id LIMIT :limit"
).bindparams(bindparam("after", type_=_NAME))
_OPEN_ITEMS_AMONG = text(_OPEN_ITEM + " AND i.item_id IN :items ORDER BY i.item_id").bindparams(
    bindparam("items", expanding=True, type_=_NAME)
)
_COMING = text(
    f"""
    SELECT 1 FROM transfer t
    WHERE t.board = :board AND t.item_id IN :items AND t.kind = 'download' AND {_LIVE} LIMIT 1
    """
).bindparams(bindparam("items", expanding=True, type_=_NAME))
_LINK = """
    SELECT l.path, l.digest, l.board, l.item_id, l.version, l.state,
           (SELECT i.version FROM item i
            WHERE i.board = l.board AND i.item_id = l.item_id) AS now_version,
           EXISTS (SELECT 1 FROM link o
                   WHERE o.board = l.board AND o.item_id = l.item_id AND o.path <> l.path
                     AND o.state = 'agreed' AND o.file_gone_ms IS NULL) AS shared
    FROM link l
"""
_LINKS_OF_PATHS = text(
    _LINK + " WHERE l.mirror = :mirror AND l.path IN :paths ORDER BY l.id"
).bindparams(bindparam("paths", expanding=True))
_LINKS_OF_DIGESTS = text(
    _LINK + " WHERE l.mirror = :mirror AND l.digest IN :digests ORDER BY l.id"
).bindparams(bindparam("digests", expanding=True))
_LINKS_OF_ITEMS = text(
    _LINK + " WHERE l.board = :board AND l.item_id IN :items ORDER BY l.id"
).bindparams(bindparam("items", expanding=True, type_=_NAME))
_OWN_ITEMS = text(
    """
    SELECT i.token, i.item_id, i.version FROM item i
    WHERE i.board = :board AND i.token IN :tokens
      AND NOT EXISTS (SELECT 1 FROM link l WHERE l.board = i.board AND l.item_id = i.item_id
                      AND l.state = 'agreed')
    ORDER BY i.created_ms, i.item_id
    """
).bindparams(bindparam("tokens", expanding=True))
_IN_DOUBT = text(
    """
    SELECT t.token FROM transfer t
    WHERE t.mirror = :mirror AND t.board = :board AND t.token IN :tokens AND t.kind = 'upload'
      AND t.state IN ('sending', 'unknown')
    """
).bindparams(bindparam("tokens", expanding=True))

_TRASHED = text(
    """
    SELECT t.trashed_id, l.path, l.digest FROM trash t JOIN link l ON l.id = t.link
    WHERE t.mirror = :mirror AND t.state = 'trashed' AND t.side = 'item' AND t.board = :board
      AND l.state = 'superseded' AND l.path IN :paths ORDER BY t.id
    """
).bindparams(bindparam("paths", expanding=True))

_UNLINKED = text(
    """
    SELECT i.item_id, i.version FROM item i WHERE i.board = :board AND i.item_id IN :items
      AND NOT EXISTS (SELECT 1 FROM link l WHERE l.board = i.board AND l.item_id = i.item_id)
    """
).bindparams(bindparam("items", expanding=True, type_=_NAME))
_UNLINKED_TIMES = text(
    """
    SELECT i.item_id, i.created_ms FROM item i
    WHERE i.board = :board AND i.mark IS NULL AND i.created_ms IS NOT NULL
      AND NOT EXISTS (SELECT 1 FROM link l WHERE l.board = i.board AND l.item_id = i.item_id)
    """
)


def unlinked_times(connection: Connection, board: int) -> list[tuple[str, int]]:
    """Return the items without a mark that were never linked to anything, and when made (ms)."""
    rows = connection.execute(_UNLINKED_TIMES, {"board": board})
    return [(decode_name(row.item_id), row.created_ms) for row in rows]


def unlinked_items(
    connection: Connection, board: int, item_ids: Sequence[str]
) -> dict[str, OwnItem]:  # fmt: skip
    """Return those of some items that are on a board and were never linked to anything."""
    rows = connection.execute(_UNLINKED, {"board": board, "items": list(item_ids)})
    found = (OwnItem(decode_name(row.item_id), row.version) for row in rows)
    return {one.item_id: one for one in found}


def open_files(
    connection: Connection, mirror: int, layout: Layout, limit: int, after: bytes = b""
) -> list[tuple[bytes, str]]:
    """Return hashed files that no link settles and no transfer carries: path and digest."""
    values = home_values(mirror, layout) | {"after": after, "limit": limit}
    return [(row[0], row[1].hex()) for row in connection.execute(_OPEN_FILES, values)]


def open_among(
    connection: Connection, mirror: int, layout: Layout, paths: Sequence[bytes]
) -> list[tuple[bytes, str]]:
    """Return those of some paths that are open, as `open_files` does."""
    values = home_values(mirror, layout) | {"paths": list(paths)}
    return [(row[0], row[1].hex()) for row in connection.execute(_OPEN_AMONG, values)]


def file_cases(
    connection: Connection, mirror: int, mirror_key: str, board: int,
    files: Sequence[tuple[bytes, str]],
) -> Iterator[FileCase]:  # fmt: skip
    """Gather what is known of files that go to one board."""
    paths = [path for path, _ in files]
    digests = {digest for _, digest in files}
    tokens = {token_for(mirror_key, digest): digest for digest in digests}
    of_path = _links(connection, _LINKS_OF_PATHS, {"mirror": mirror, "paths": paths}, "path")
    of_digest = _links(
        connection,
        _LINKS_OF_DIGESTS,
        {"mirror": mirror, "digests": [bytes.fromhex(digest) for digest in digests]},
        "digest",
    )
    own: dict[str, list[OwnItem]] = defaultdict(list)
    here = {"mirror": mirror, "board": board, "tokens": list(tokens)}
    # What is on the board by an upload in doubt may never become whole: the upload finds out.
    doubtful = set(connection.execute(_IN_DOUBT, here).scalars())
    for row in connection.execute(_OWN_ITEMS, {"board": board, "tokens": list(tokens)}):
        if row.token not in doubtful:
            own[tokens[row.token]].append(OwnItem(decode_name(row.item_id), row.version))
    values = {"mirror": mirror, "board": board, "paths": paths}
    trashed = {
        (row.path, row.digest.hex()): decode_name(row.trashed_id)
        for row in connection.execute(_TRASHED, values)
    }
    for path, digest in files:
        yield FileCase(
            path=path,
            digest=digest,
            of_path=tuple(k for k in of_path[path] if k.board == board),
            of_digest=tuple(k for k in of_digest[digest] if k.path != path and k.board == board),
            elsewhere=tuple(
                k
                for k in of_digest[digest]
                if k.path != path and k.board != board and k.state is LinkState.AGREED
            ),
            own=tuple(own[digest]),
            trashed=trashed.get((path, digest)),
        )


def arrived_tokens(connection: Connection, board: int, tokens: Sequence[str]) -> set[str]:
    """Return those tokens that an item of the board carries which nothing is linked to."""
    rows = connection.execute(_OWN_ITEMS, {"board": board, "tokens": list(tokens)})
    return {row.token for row in rows}


def open_items(connection: Connection, board: int, limit: int, after: str = "") -> list[ItemCase]:
    """Return described items that no link and no transfer covers.

    An item that is linked on another board of the mirror was moved here: its link decides.
    """
    values = {"board": board, "after": after, "limit": limit}
    return _item_cases(connection, board, connection.execute(_OPEN_ITEMS, values).all())


def open_items_among(
    connection: Connection, board: int, item_ids: Sequence[str]
) -> list[ItemCase]:  # fmt: skip
    """Return those of some items that are open, as `open_items` does."""
    values = {"board": board, "items": list(item_ids)}
    return _item_cases(connection, board, connection.execute(_OPEN_ITEMS_AMONG, values).all())


def any_coming(connection: Connection, board: int, item_ids: Sequence[str]) -> bool:
    """Tell whether one of some items is on its way down."""
    values = {"board": board, "items": list(item_ids)}
    return connection.execute(_COMING, values).first() is not None


def _item_cases(connection: Connection, board: int, rows: Sequence[Row[Any]]) -> list[ItemCase]:
    ids = [decode_name(row.item_id) for row in rows]
    links = _links(connection, _LINKS_OF_ITEMS, {"board": board, "items": ids}, "item_id")
    return [
        ItemCase(
            item_id=item_id,
            version=row.version,
            mark=parse_mark(row.mark),
            of_item=tuple(links[item_id]),
            category=row.category,
            intermediate=bool(row.intermediate),
            starred=bool(row.starred),
            created_ms=row.created_ms,
        )
        for item_id, row in zip(ids, rows, strict=True)
    ]


def _links(
    connection: Connection, query: Any, values: dict[str, Any], by: str
) -> defaultdict[Any, list[KnownLink]]:
    grouped: defaultdict[Any, list[KnownLink]] = defaultdict(list)
    for row in connection.execute(query, values):
        known = _known(row)
        grouped[getattr(known, by)].append(known)
    return grouped


def _known(row: Row[Any]) -> KnownLink:
    return KnownLink(
        path=row.path,
        digest=row.digest.hex(),
        board=row.board,
        item_id=decode_name(row.item_id),
        version=row.version,
        state=LinkState(row.state),
        now_version=row.now_version,
        shared=bool(row.shared),
    )
