"""Queries on links: the record that a file and an item are the same picture."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import Connection, Update, bindparam, func, insert, select, text, update

from boardsync.model import LinkState
from boardsync.state.records import LinkRecord
from boardsync.state.rows import new_key, to_record
from boardsync.state.schema import FILE_GONE, link, mirror
from boardsync.state.transfers import LIVE

CHUNK = 500
_COLUMNS = tuple(link.c[name] for name in LinkRecord.__dataclass_fields__)

# Built once: making a statement costs more than carrying it out, and every upload agrees.
_OF_PATH = (link.c.mirror == bindparam("of_mirror")) & (link.c.path == bindparam("of_path"))
_THIS_ITEM = (link.c.digest == bindparam("of_digest")) & (link.c.item_id == bindparam("of_item"))
_ON_BOARD = link.c.board == bindparam("of_board")
_SAME = select(link.c.id).where(_OF_PATH, _THIS_ITEM, _ON_BOARD)
_SUPERSEDE_OTHERS = (
    update(link)
    .where(_OF_PATH, ~_THIS_ITEM, _ON_BOARD, link.c.state == LinkState.AGREED.value)
    .values(state=LinkState.SUPERSEDED.value, since_ms=bindparam("now_ms"))
)
_INSERT = insert(link)
_LINKS_OF_PATH = select(*_COLUMNS).where(_OF_PATH).order_by(link.c.id.desc())
_LINKS_OF_ITEM = (
    select(*_COLUMNS)
    .where(_ON_BOARD, link.c.item_id == bindparam("of_item"))
    .order_by(link.c.id.desc())
)
_FIND = select(*_COLUMNS).where(link.c.id == bindparam("number"))
_COUNT_CHANGE = text("UPDATE mirror SET links_changed = links_changed + 1 WHERE id = :mirror")
_COUNT_CHANGE_OF = text(
    "UPDATE mirror SET links_changed = links_changed + 1"
    " WHERE id = (SELECT l.mirror FROM link l WHERE l.id = :number)"
)
_TAKE_PLACE = text(
    f"""
    UPDATE link SET state = 'superseded', since_ms = :now_ms
    WHERE state = 'agreed' AND id <> :number
      AND mirror = (SELECT mirror FROM link WHERE id = :number)
      AND path = (SELECT path FROM link WHERE id = :number)
      AND board = (SELECT board FROM link WHERE id = :number)
      AND NOT EXISTS (SELECT 1 FROM transfer WHERE transfer.link = link.id AND {LIVE})
    """
)
_EARLIER = text(
    """
    SELECT o.id FROM link l JOIN link o ON o.mirror = l.mirror AND o.path = l.path
      AND o.board = l.board AND o.state = 'superseded' AND o.made <> 'pull'
    WHERE l.id = :number
    """
)
_CHANGED = text("SELECT links_changed FROM mirror WHERE id = :mirror")
_PER_SUBFOLDER = text(
    """
    SELECT board, CASE WHEN instr(path, x'2f') > 0
        THEN substr(path, 1, instr(path, x'2f') - 1) ELSE x'' END AS subfolder, count(*) AS linked
    FROM link WHERE mirror = :mirror AND state = 'agreed' GROUP BY 1, 2
    """
)


@dataclass(frozen=True, slots=True)
class NewLink:
    """What an agreement records. made: `push`, `pull` or `found`."""

    mirror: int
    path: bytes
    digest: str
    board: int
    item_id: str
    version: str
    made: str
    sent: str | None = None
    pixels: str | None = None
    recipe: str | None = None
    run: int | None = None


class Agreement(NamedTuple):
    """The link's number, and how many earlier links of its path are superseded now."""

    number: int
    superseded: int


def agree(connection: Connection, new: NewLink, now_ms: int) -> Agreement:
    """Record that both sides hold this picture; an earlier picture of the path is superseded.

    Agreeing twice changes nothing.
    """
    subject = {
        "of_mirror": new.mirror, "of_path": new.path, "of_digest": new.digest,
        "of_board": new.board, "of_item": new.item_id,
    }  # fmt: skip
    connection.execute(_COUNT_CHANGE, {"mirror": new.mirror})
    older = connection.execute(_SUPERSEDE_OTHERS, subject | {"now_ms": now_ms}).rowcount
    same = connection.execute(_SAME, subject).scalar()
    values = _values(new)
    if same is not None:
        kept = {k: v for k, v in values.items() if v is not None}
        connection.execute(
            update(link)
            .where(link.c.id == same)
            .values(
                **kept, state=LinkState.AGREED.value, since_ms=now_ms, file_gone_ms=None,
                file_gone_inode=None, item_gone_ms=None, item_asked=0, item_asked_ms=None,
                consent=None,
            )
        )  # fmt: skip
        return Agreement(int(same), older)
    values |= {"state": LinkState.AGREED.value, "since_ms": now_ms}
    return Agreement(new_key(connection.execute(_INSERT, values)), older)


def of_path(connection: Connection, mirror: int, path: bytes) -> list[LinkRecord]:
    """Return a file's links, newest first."""
    return _records(connection, _LINKS_OF_PATH, {"of_mirror": mirror, "of_path": path})


def of_item(connection: Connection, board: int, item_id: str) -> list[LinkRecord]:
    """Return an item's links, newest first."""
    return _records(connection, _LINKS_OF_ITEM, {"of_board": board, "of_item": item_id})


def of_digest(connection: Connection, mirror: int, digest: str) -> list[LinkRecord]:
    """Return the links of a picture, wherever its files lie."""
    query = select(*_COLUMNS).where(link.c.mirror == mirror, link.c.digest == digest)
    return _records(connection, query.order_by(link.c.id.desc()))


def agreed(connection: Connection, mirror: int, limit: int, after: int = 0) -> list[LinkRecord]:
    """Return agreed links of a mirror, in order of their numbers after `after`."""
    # With a plus no index answers: each batch of a million would be sorted anew.
    query = select(*_COLUMNS).where(
        text("+link.mirror = :of_mirror"), text("+link.state = 'agreed'"), link.c.id > after
    )
    values: dict[str, object] = {"of_mirror": mirror}
    return _records(connection, query.order_by(link.c.id).limit(limit), values)


def agree_all(connection: Connection, news: Sequence[NewLink], now_ms: int) -> None:
    """Record many agreements, as `agree` does: those of paths that were never linked at once."""
    for start in range(0, len(news), CHUNK):
        chunk = news[start : start + CHUNK]
        paths = Counter((one.mirror, one.path) for one in chunk)
        known = {
            (number, path)
            for number in {one.mirror for one in chunk}
            for path in linked_since(connection, number, [one.path for one in chunk])
        }
        fresh = [one for one in chunk if paths[one.mirror, one.path] == 1]
        fresh = [one for one in fresh if (one.mirror, one.path) not in known]
        if fresh:
            agreed = {"state": LinkState.AGREED.value, "since_ms": now_ms}
            connection.execute(_INSERT, [_values(one) | agreed for one in fresh])
            for number in {one.mirror for one in fresh}:
                connection.execute(_COUNT_CHANGE, {"mirror": number})
        at_once = set(map(id, fresh))
        for one in chunk:
            if id(one) not in at_once:
                agree(connection, one, now_ms)


def _values(new: NewLink) -> dict[str, object]:
    return {name: getattr(new, name) for name in NewLink.__dataclass_fields__}


def keep_apart(connection: Connection, new: NewLink, now_ms: int) -> None:
    """Record that a file is not to be on a board, since an undo of a move."""
    subject = {
        "of_mirror": new.mirror, "of_path": new.path, "of_digest": new.digest,
        "of_board": new.board, "of_item": new.item_id,
    }  # fmt: skip
    same = connection.execute(_SAME, subject).scalar()
    if same is not None:
        change(connection, same, now_ms, state=LinkState.UNDONE.value)
        return
    connection.execute(_COUNT_CHANGE, {"mirror": new.mirror})
    values = _values(new)
    connection.execute(_INSERT, values | {"state": LinkState.UNDONE.value, "since_ms": now_ms})


def kept_apart(
    connection: Connection, mirror: int, digest: str, board: int, item_id: str
) -> LinkRecord | None:
    """Return the link that keeps a picture's file apart from a board, since an undo of a move."""
    query = select(*_COLUMNS).where(
        link.c.mirror == mirror, link.c.digest == digest, link.c.run.is_(None),
        link.c.state == LinkState.UNDONE.value, link.c.board == board, link.c.item_id == item_id,
    )  # fmt: skip
    found = _records(connection, query.order_by(link.c.id.desc()).limit(1))
    return found[0] if found else None


def of_run(connection: Connection, run: int, limit: int) -> list[LinkRecord]:
    """Return the links that a run made."""
    return _records(
        connection, select(*_COLUMNS).where(link.c.run == run).order_by(link.c.id).limit(limit)
    )


def linked_since(connection: Connection, mirror: int, paths: Sequence[bytes]) -> dict[bytes, int]:
    """Return, for those of the paths that were ever linked, when that last changed (ms)."""
    query = (
        select(link.c.path, func.max(link.c.since_ms))
        .where(link.c.mirror == mirror, link.c.path.in_(paths))
        .group_by(link.c.path)
    )
    return {row[0]: row[1] for row in connection.execute(query)}


def any_of(connection: Connection, mirror_key: str) -> bool:
    """Tell whether a mirror ever linked anything, by its `id`."""
    query = select(link.c.id).join(mirror, mirror.c.id == link.c.mirror)
    return connection.execute(query.where(mirror.c.key == mirror_key).limit(1)).first() is not None


def newest(connection: Connection) -> int:
    """Return the number of the newest link; 0 before the first."""
    return int(connection.execute(select(func.max(link.c.id))).scalar() or 0)


def newest_items(connection: Connection, board: int, limit: int) -> list[str]:
    """Return items of a board that agreed links name, the newest links first."""
    query = select(link.c.item_id).where(
        link.c.board == board, link.c.state == LinkState.AGREED.value
    )
    found = connection.execute(query.order_by(link.c.id.desc()).limit(limit)).scalars()
    return list(dict.fromkeys(found))


def items_linked_since(connection: Connection, board: int, number: int) -> set[str]:
    """Return the items of a board whose links are newer than a link's number."""
    query = select(link.c.item_id).where(link.c.board == board, link.c.id > number)
    return set(connection.execute(query).scalars())


def find(connection: Connection, number: int) -> LinkRecord | None:
    """Return one link."""
    found = _records(connection, _FIND, {"number": number})
    return found[0] if found else None


def part(connection: Connection, number: int, state: LinkState, now_ms: int) -> None:
    """Record that one side of a picture is gone, and that the other is left alone."""
    change(connection, number, now_ms, state=state.value)


def change(connection: Connection, number: int, now_ms: int, **values: object) -> None:
    """Change a link. What was known of a missing side, and a person's answer, are settled."""
    connection.execute(_COUNT_CHANGE_OF, {"number": number})
    named = {f"to_{name}": value for name, value in values.items()}
    given = named | {"number": number, "now_ms": now_ms}
    connection.execute(_changing(tuple(values)), given)


@cache
def _changing(names: tuple[str, ...]) -> Update:
    """Build the statement that changes some columns of a link: once."""
    taken: dict[str, object] = {name: bindparam(f"to_{name}") for name in names}
    return (
        update(link)
        .where(link.c.id == bindparam("number"))
        .values(
            file_gone_ms=None, file_gone_inode=None, item_gone_ms=None, item_asked=0,
            item_asked_ms=None, consent=None, since_ms=bindparam("now_ms"), **taken,
        )
    )  # fmt: skip


def follow_item(
    connection: Connection, old: LinkRecord, item_id: str, version: str, now_ms: int
) -> None:
    """Let a link's file have another item of its board, which is the same picture."""
    earlier = select(link.c.id).where(
        link.c.path == old.path, link.c.digest == old.digest, link.c.board == old.board,
        link.c.item_id == item_id, link.c.id != old.id,
        link.c.mirror == select(link.c.mirror).where(link.c.id == old.id).scalar_subquery(),
    )  # fmt: skip
    same = connection.execute(earlier).scalar()
    if same is None:
        change(connection, old.id, now_ms, item_id=item_id, version=version)
    else:
        change(connection, old.id, now_ms, state=LinkState.SUPERSEDED.value)
        change(connection, same, now_ms, state=LinkState.AGREED.value, version=version)


def changes(connection: Connection, mirror: int) -> int:
    """Return how often links of a mirror changed: a plan that saw fewer may be overtaken."""
    return int(connection.execute(_CHANGED, {"mirror": mirror}).scalar() or 0)


def note_change(connection: Connection, mirror: int) -> None:
    """Count a change that a plan has to hear of although no link tells of it."""
    connection.execute(_COUNT_CHANGE, {"mirror": mirror})


def has_picture(
    connection: Connection, mirror: int, path: bytes, digest: str, board: int
) -> bool:  # fmt: skip
    """Tell whether a file's picture is linked on a board, or was parted from it."""
    query = select(link.c.id).where(
        link.c.mirror == mirror, link.c.path == path, link.c.digest == digest,
        link.c.board == board,
        link.c.state.in_([LinkState.AGREED.value, LinkState.UNDONE.value]),
    )  # fmt: skip
    return connection.execute(query.limit(1)).first() is not None


def any_agreed(connection: Connection, board: int) -> bool:
    """Tell whether any file and item of a board are linked."""
    query = select(link.c.id).where(link.c.board == board, link.c.state == LinkState.AGREED.value)
    return connection.execute(query.limit(1)).first() is not None


def take_place(connection: Connection, number: int, now_ms: int) -> None:
    """Let a link that came to a path be the only one there: the others' content was replaced.

    Without those that are about to go to another path themselves.
    """
    connection.execute(_TAKE_PLACE, {"number": number, "now_ms": now_ms})


def earlier(connection: Connection, number: int) -> list[int]:
    """Return the links of earlier contents of a link's file, to be renamed with it."""
    return list(connection.execute(_EARLIER, {"number": number}).scalars())


def rename(connection: Connection, numbers: Sequence[int], path: bytes) -> None:
    """Let a few links be those of another path: their file was renamed."""
    connection.execute(update(link).where(link.c.id.in_(numbers)).values(path=path))


def boards_with_files_gone(connection: Connection, mirror: int) -> set[int]:
    """Return the boards of which linked files are gone, and nothing is decided yet."""
    query = select(link.c.board).where(link.c.mirror == mirror, text(FILE_GONE)).distinct()
    return set(connection.execute(query).scalars())


def has_version(connection: Connection, board: int, item_id: str, version: str) -> bool:
    """Tell whether an item's version was ever linked."""
    query = select(link.c.id).where(
        link.c.board == board, link.c.item_id == item_id, link.c.version == version
    )
    return connection.execute(query.limit(1)).first() is not None


def with_consent(connection: Connection, mirror: int, consent: str) -> set[int]:
    """Return the agreed links for which a person gave an answer."""
    query = select(link.c.id).where(
        link.c.mirror == mirror, link.c.consent == consent, link.c.state == LinkState.AGREED.value
    )
    return set(connection.execute(query).scalars())


def per_subfolder(connection: Connection, mirror: int) -> dict[tuple[int, bytes], int]:
    """Count a mirror's agreed links by board and first-level subfolder, b"" for the root's."""
    rows = connection.execute(_PER_SUBFOLDER, {"mirror": mirror})
    return {(row.board, row.subfolder): row.linked for row in rows}


def is_shared(connection: Connection, board: int, item_id: str, path: bytes) -> bool:
    """Tell whether an item is another file's, too: one that is not gone, though a rule hides it."""
    query = select(link.c.id).where(
        link.c.board == board, link.c.item_id == item_id, link.c.path != path,
        link.c.state == LinkState.AGREED.value, link.c.file_gone_ms.is_(None),
    )  # fmt: skip
    return connection.execute(query.limit(1)).first() is not None


def others_of_item(connection: Connection, number: int) -> list[LinkRecord]:
    """Return the other agreed links of a link's item."""
    mine = select(link.c.board, link.c.item_id).where(link.c.id == number).subquery()
    query = select(*_COLUMNS).where(
        link.c.board == mine.c.board,
        link.c.item_id == mine.c.item_id,
        link.c.id != number,
        link.c.state == LinkState.AGREED.value,
    )
    return _records(connection, query.order_by(link.c.id))


def is_linked(connection: Connection, board: int, item_id: str) -> bool:
    """Tell whether an item already belongs to a file."""
    query = select(link.c.id).where(
        link.c.board == board, link.c.item_id == item_id, link.c.state == LinkState.AGREED.value
    )
    return connection.execute(query.limit(1)).first() is not None


def forget_one_sided(connection: Connection, mirror: int) -> int:
    """Forget the links of which one side is gone or was taken back. Returns how many."""
    parted = [LinkState.ITEM_GONE.value, LinkState.FILE_GONE.value, LinkState.UNDONE.value]
    gone = (link.c.state == LinkState.AGREED.value) & link.c.item_gone_ms.is_not(None)
    query = link.delete().where(link.c.mirror == mirror, link.c.state.in_(parted) | gone)
    connection.execute(_COUNT_CHANGE, {"mirror": mirror})
    return connection.execute(query).rowcount


def forget_board(connection: Connection, mirror: int, board: int) -> int:
    """Forget all links to a board that is gone. Returns how many agreed."""
    mine = (link.c.mirror == mirror) & (link.c.board == board)
    agreed = select(func.count()).where(mine, link.c.state == LinkState.AGREED.value)
    count = int(connection.execute(agreed).scalar() or 0)
    connection.execute(_COUNT_CHANGE, {"mirror": mirror})
    connection.execute(link.delete().where(mine))
    return count


def call_item(connection: Connection, number: int, item_id: str, version: str) -> None:
    """Record that a link's item has another id; what is known of both sides stays."""
    connection.execute(_COUNT_CHANGE_OF, {"number": number})
    connection.execute(
        update(link).where(link.c.id == number).values(item_id=item_id, version=version)
    )


def forget(connection: Connection, number: int) -> None:
    """Forget a link, so that its picture is decided anew. Only `boardsync again` does this."""
    connection.execute(_COUNT_CHANGE_OF, {"number": number})
    connection.execute(link.delete().where(link.c.id == number))


def _records(
    connection: Connection, query: Any, values: dict[str, object] | None = None
) -> list[LinkRecord]:
    rows = connection.execute(query, values).all()
    return [to_record(LinkRecord, row) for row in rows]
