"""What triggers keep is what a count of everything finds, whatever is written in whatever order."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, text

from boardsync.model import FileStat, Item, LinkState, Mark
from boardsync.plan.layout import Layout
from boardsync.plan.tokens import token_for
from boardsync.state import (
    doubles,
    items_seen,
    links,
    observations,
    places,
    rot,
    subfolders,
    summary,
)
from boardsync.state.homes import home_of, home_values
from boardsync.state.links import NewLink
from boardsync.state.records import BoardRecord
from sampling import one_in
from state.state_kit import KEY, Small, small

DIGESTS = [f"{number:02x}" * 32 for number in range(1, 5)]
PATHS = [b"a.png", b"b.png", b"cats/a.png", b"cats/b.png", b"dogs/a.png", b"outputs/a.png"]
ITEMS = ["i1", "i2", "i3", "i4"]
STEPS = 400
LAYOUTS = [Layout(), Layout(by_subfolder=True), Layout(by_subfolder=True, pull_into=None)]

# Everything is looked up on both sides, picture by picture.
_EVERYTHING = {
    "files": "SELECT count(*) FROM file WHERE mirror = :mirror",
    "file_bytes": "SELECT coalesce(sum(size), 0) FROM file WHERE mirror = :mirror",
    "settling": "SELECT count(*) FROM file WHERE mirror = :mirror AND hashed_ns IS NULL",
    "refused": "SELECT count(*) FROM file WHERE mirror = :mirror AND refusal IS NOT NULL",
    "items": """
        SELECT count(*) FROM item i JOIN board b ON b.id = i.board
        WHERE b.mirror = :mirror AND b.current""",
    "synced": f"""
        SELECT count(*) FROM link l
        JOIN board b ON b.id = l.board AND b.missing_since_ms IS NULL
        JOIN file f ON f.mirror = l.mirror AND f.path = l.path AND f.digest = l.digest
        JOIN item i ON i.board = l.board AND i.item_id = l.item_id AND i.version = l.version
        WHERE l.mirror = :mirror AND l.state = 'agreed' AND f.hashed_ns IS NOT NULL
        AND NOT EXISTS (SELECT 1 FROM rot r WHERE r.mirror = l.mirror AND r.path = l.path)
        AND l.board = {home_of("l.path")}""",
    "apart": f"""
        SELECT count(*) FROM link l WHERE l.mirror = :mirror AND l.state = 'agreed'
        AND l.board = {home_of("l.path")}
        AND (EXISTS (SELECT 1 FROM file f WHERE f.mirror = l.mirror AND f.path = l.path)
             <> EXISTS (SELECT 1 FROM item i WHERE i.board = l.board AND i.item_id = l.item_id
                        AND i.version = l.version))""",
    "parted": """
        SELECT count(*) FROM link WHERE mirror = :mirror
        AND state IN ('file-gone', 'item-gone', 'undone')""",
}
_SEVERAL = """
    SELECT token, board FROM item WHERE token IS NOT NULL
    GROUP BY token, board HAVING count(*) > 1 ORDER BY board, token"""


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Small]:
    with small(tmp_path / "state.db") as made:
        for name in (b"cats", b"dogs"):
            made.do(places.bind_board, made.mirror, name, name.decode(), name.decode())
        yield made


def one_step(c: Connection, mirror: int, chance: random.Random, moment: int) -> None:
    """Write something of what observing, linking and mending write."""
    path, digest = chance.choice(PATHS), chance.choice(DIGESTS)
    item, board = chance.choice(ITEMS), chance.choice(places.boards(c, mirror))
    version = chance.choice("12")
    stat = FileStat(chance.randrange(9), chance.randrange(3), 1, 1)
    mark = Mark(
        mirror=KEY, token=token_for(KEY, digest), file=digest, sent=digest, recipe="original"
    )
    known = list(c.execute(text("SELECT id FROM link")).scalars()) or [0]
    steps: list[Any] = [
        lambda: observations.put_file(c, mirror, path, stat, digest, moment),
        lambda: observations.see_files(c, mirror, [(path, stat)], moment),
        lambda: observations.see_files(c, mirror, [(path, stat)], moment, only_changed=True),
        lambda: observations.doubt_files(c, mirror, [path]),
        lambda: observations.refuse_file(c, mirror, path, "no", moment),
        lambda: observations.forget_files(c, mirror, [path]),
        lambda: items_seen.describe_items(
            c, board.id, [(Item(item, None, version=version), chance.choice([mark, None]))]
        ),
        lambda: items_seen.forget_items(c, board.id, [item]),
        lambda: links.agree(
            c, NewLink(mirror, path, digest, board.id, item, version, "push"), moment
        ),
        lambda: links.part(
            c,
            chance.choice(known),
            chance.choice([LinkState.FILE_GONE, LinkState.ITEM_GONE]),
            moment,
        ),
        lambda: links.change(c, chance.choice(known), moment, path=path),
        lambda: links.change(c, chance.choice(known), moment, item_id=item, version=version),
        lambda: links.forget(c, chance.choice(known)),
        lambda: rot.note(c, mirror, path, DIGESTS[0], digest, moment),
        lambda: rot.accept(c, mirror, path),
        lambda: c.execute(
            text("UPDATE board SET missing_since_ms = :at WHERE id = :board"),
            {"at": chance.choice([None, 5]), "board": board.id},
        ),
    ]
    chance.choice(steps)()
    if chance.random() < 0.03:
        rename_a_subfolder(c, mirror, board)


def rename_a_subfolder(c: Connection, mirror: int, board: BoardRecord) -> None:
    """Rename the folder of a board, with all that is below it."""
    if board.subfolder:
        free = b"birds" if board.subfolder == b"cats" else b"cats"
        taken = {one.subfolder for one in places.boards(c, mirror)}
        if free not in taken and not observations.any_file_below(c, mirror, free):
            subfolders.rename(c, board.id, free, free.decode(), board.server_id)


@pytest.mark.parametrize("seed", one_in(6, range(6)))
def test_what_is_kept_is_what_a_count_of_everything_finds(here: Small, seed: int) -> None:
    chance = random.Random(seed)
    met = 0
    for moment in range(1, STEPS):
        here.state.write_now(lambda c, moment=moment: one_step(c, here.mirror, chance, moment))
        with here.state.read() as c:
            for layout in LAYOUTS:
                values = home_values(here.mirror, layout)
                wanted = {
                    name: c.execute(text(query), summary._taken(query, values)).scalar()
                    for name, query in _EVERYTHING.items()
                }
                assert summary.counts(c, here.mirror, layout, wanted) == wanted
                met += wanted["synced"] + wanted["apart"]
            several = [tuple(row) for row in c.execute(text(_SEVERAL))]
            boards = [one.id for one in places.boards(c, here.mirror)]
            told = doubles.pictures(c, KEY, boards)
            assert [(one.token, one.board) for one in told] == several
    assert met > STEPS / 4  # or nothing was tried


@pytest.mark.parametrize("layout", LAYOUTS[:2])
def test_a_count_walks_through_no_table_of_pictures(here: Small, layout: Layout) -> None:
    with here.state.read() as c:
        values = home_values(here.mirror, layout)
        by_link = (
            summary._AGREED_BY_SUBFOLDER if layout.by_subfolder else summary._AGREED_ON_ONE_BOARD
        )
        for query in (*summary._COUNTS.values(), by_link, summary._NOT_SYNCED):
            rows = c.execute(
                text(f"EXPLAIN QUERY PLAN {query}"), summary._taken(query, values)
            ).all()
            for step in (row[3] for row in rows):
                walks, table = step.split()[:2]
                if table in ("f", "l", "i", "file", "link", "item"):
                    partial = "item_unread" in step
                    assert walks == "SEARCH" or partial, (query, step)
                    assert "INDEX" in step or "PRIMARY KEY" in step, (query, step)
