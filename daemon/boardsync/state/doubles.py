"""Queries on doubles: items of one board that carry the same mark of ours."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from sqlalchemy import Connection, bindparam, text

from boardsync.plan.doubles import Copy
from boardsync.plan.tokens import mirror_prefix
from boardsync.state.items_seen import parse_mark
from boardsync.state.schema import decode_name

CHUNK = 500
_LIVE = "t.state NOT IN ('done', 'dropped')"

# The triggers' table may also hold tokens that several items carried once.
_SEVERAL = text(
    """
    SELECT d.token, d.board FROM doubled d
    WHERE d.board IN :boards AND d.token >= :first AND d.token < :last
    AND (SELECT count(*) FROM item i INDEXED BY item_by_token
         WHERE i.token = d.token AND i.board = d.board) > 1
    ORDER BY d.token
    """
).bindparams(bindparam("boards", expanding=True))
_COPIES = text(
    f"""
    SELECT i.board, i.token, i.item_id, i.version, i.created_ms, i.starred, i.mark,
      (SELECT min(l.path) FROM link l WHERE l.board = i.board AND l.item_id = i.item_id
       AND l.version = i.version AND l.state = 'agreed') AS path,
      EXISTS (SELECT 1 FROM link l WHERE l.board = i.board AND l.item_id = i.item_id
              AND l.state = 'agreed' AND l.made = 'pull') AS pulled,
      i.origin IS 'internal'
      OR EXISTS (SELECT 1 FROM trash t WHERE t.board = i.board AND t.item_id = i.item_id
                 AND t.side = 'item' AND t.state = 'restored')
      OR EXISTS (SELECT 1 FROM link l WHERE l.board = i.board AND l.item_id = i.item_id
                 AND l.version = i.version
                 AND (l.state IN ('file-gone', 'item-gone', 'undone')
                      OR l.state = 'superseded' AND NOT EXISTS
                         (SELECT 1 FROM link n WHERE n.mirror = l.mirror AND n.path = l.path
                          AND n.board = l.board AND n.digest = l.digest
                          AND n.state = 'agreed'))) AS settled,
      i.origin IS NOT 'internal'
      AND NOT EXISTS (SELECT 1 FROM trash t WHERE t.board = i.board AND t.item_id = i.item_id
                      AND t.side = 'item' AND t.state = 'restored')
      AND EXISTS (SELECT 1 FROM link l WHERE l.board = i.board AND l.item_id = i.item_id
                  AND l.version = i.version AND l.state = 'file-gone' AND l.made = 'push')
        AS was_left,
      EXISTS (SELECT 1 FROM transfer t WHERE t.board = i.board AND t.item_id = i.item_id
              AND {_LIVE})
      OR EXISTS (SELECT 1 FROM transfer t WHERE t.board = i.board AND t.token = i.token
                 AND t.kind = 'upload' AND {_LIVE} AND t.state <> 'refused') AS busy
    FROM item i INDEXED BY item_by_token
    WHERE i.board = :board AND i.token IN :tokens AND i.read = 1
    """
).bindparams(bindparam("tokens", expanding=True))


@dataclass(slots=True)
class Picture:
    """One picture of which a board has several items with our mark.

    path: of one of its files, None without a linked one. busy: a transfer is about to change
    something about one of them.
    """

    board: int
    token: str
    digest: str
    path: bytes | None = None
    busy: bool = False
    copies: list[Copy] = field(default_factory=list)


def pictures(connection: Connection, mirror_key: str, boards: Collection[int]) -> list[Picture]:
    """Return the pictures of which some boards have several items with a mirror's mark."""
    first = mirror_prefix(mirror_key)
    values = {"first": first, "last": first + "~", "boards": list(boards)}
    tokens: defaultdict[int, list[str]] = defaultdict(list)
    for row in connection.execute(_SEVERAL, values):
        tokens[row.board].append(row.token)
    found: list[Picture] = []
    for board, several in sorted(tokens.items()):
        for start in range(0, len(several), CHUNK):
            found += of_tokens(connection, mirror_key, board, several[start : start + CHUNK])
    return found


def of_tokens(
    connection: Connection, mirror_key: str, board: int, tokens: Iterable[str]
) -> list[Picture]:
    """Return what a board is known to have of some pictures, by their tokens."""
    found: dict[str, Picture] = {}
    for row in connection.execute(_COPIES, {"board": board, "tokens": list(tokens)}):
        mark = parse_mark(row.mark)
        if mark is None or mark.mirror != mirror_key:
            continue
        picture = found.setdefault(row.token, Picture(board, row.token, mark.file))
        if row.path is not None and (picture.path is None or row.path < picture.path):
            picture.path = row.path
        picture.busy |= bool(row.busy)
        linked = row.path is not None
        picture.copies.append(
            Copy(
                decode_name(row.item_id), row.version, row.created_ms, linked=linked,
                starred=bool(row.starred),
                settled=bool(row.pulled) if linked else bool(row.settled),
                left=not linked and bool(row.was_left),
            )
        )  # fmt: skip
    return [found[token] for token in sorted(found)]
