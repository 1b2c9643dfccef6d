"""Alembic's entry. One transaction for the whole upgrade: it happens or it does not."""

from __future__ import annotations

import sqlite3
from typing import Any

from alembic import context
from sqlalchemy import URL, Connection, create_engine, event
from sqlalchemy.pool import NullPool

from boardsync.state.schema import metadata


def run() -> None:
    path = (
        context.config.attributes.get("path") or context.get_x_argument(as_dictionary=True)["path"]
    )
    engine = create_engine(URL.create("sqlite", database=str(path)), poolclass=NullPool)

    @event.listens_for(engine, "connect")
    def on_connect(dbapi: sqlite3.Connection, _: Any) -> None:
        dbapi.isolation_level = None
        dbapi.execute("PRAGMA journal_mode=WAL")
        dbapi.execute("PRAGMA synchronous=FULL")

    @event.listens_for(engine, "begin")
    def on_begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    with engine.begin() as connection:
        context.configure(connection=connection, target_metadata=metadata)
        context.run_migrations()


run()
