"""Queries on subfolders that are boards: which directory each was, and its renaming."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, bindparam, select, text, update

from boardsync.plan.names import normal_key
from boardsync.state.schema import board, file

_PATHS = ("link", "transfer")


def folders(connection: Connection, mirror: int) -> dict[bytes, str]:
    """Return the directories (device and inode) of the subfolders that have boards."""
    query = select(board.c.subfolder, board.c.folder).where(
        board.c.mirror == mirror, board.c.current, board.c.folder.is_not(None)
    )
    return {row.subfolder: row.folder for row in connection.execute(query)}


def note_folders(connection: Connection, mirror: int, folders: Mapping[bytes, str]) -> None:
    """Record which directories subfolders are."""
    connection.execute(
        update(board)
        .where(board.c.mirror == mirror, board.c.subfolder == bindparam("of"), board.c.current)
        .values(folder=bindparam("now")),
        [{"of": subfolder, "now": folder} for subfolder, folder in folders.items()],
    )


def rename(
    connection: Connection, number: int, subfolder: bytes, name: str, server_id: str | None
) -> None:
    """Record that a board's subfolder has another name, and so have all paths below it.

    number: the board's. server_id: its id, which is another one where names are ids. Links,
    transfers and observations go along: nothing is sent or hashed.
    """
    old = connection.execute(
        select(board.c.mirror, board.c.subfolder).where(board.c.id == number)
    ).one()
    values = {
        "mirror": old.mirror, "old": old.subfolder + b"/", "end": old.subfolder + b"0",
        "new": subfolder + b"/", "skip": len(old.subfolder) + 2,
    }  # fmt: skip
    connection.execute(
        update(board)
        .where(board.c.id == number)
        .values(
            subfolder=subfolder, name=name, asked=name, server_id=server_id, listing_digest=None
        )
    )
    for table in _PATHS:
        connection.execute(text(_renaming(table, "path")), values)
    for column in ("target", "final", "temporary"):
        connection.execute(text(_renaming("transfer", column)), values)
    _rename_files(connection, values)


def call_board(
    connection: Connection, number: int, name: str, server_id: str | None
) -> None:  # fmt: skip
    """Record that a board has another name, and another id where names are ids; no path changes."""
    values = {
        "name": name, "server_id": server_id, "listing_digest": None, "missing_since_ms": None,
    }  # fmt: skip
    connection.execute(update(board).where(board.c.id == number).values(**values))


def _renaming(table: str, column: str) -> str:
    return (
        f"UPDATE {table} SET {column} = CAST(:new || substr({column}, :skip) AS BLOB)"
        f" WHERE mirror = :mirror AND {column} >= :old AND {column} < :end"
    )


def _rename_files(connection: Connection, values: dict[str, object]) -> None:
    """Files have a key beside their path, which SQL cannot make."""
    mirror, new, skip = values["mirror"], values["new"], values["skip"]
    assert isinstance(new, bytes)  # noqa: S101
    assert isinstance(skip, int)  # noqa: S101
    query = select(file.c.path).where(
        file.c.mirror == mirror, file.c.path >= values["old"], file.c.path < values["end"]
    )
    rows = [
        {"was": path, "path": new + path[skip - 1 :], "key": normal_key(new + path[skip - 1 :])}
        for path in connection.execute(query).scalars()
    ]
    if rows:
        connection.execute(
            update(file)
            .where(file.c.mirror == mirror, file.c.path == bindparam("was"))
            .values(path=bindparam("path"), key=bindparam("key")),
            rows,
        )
