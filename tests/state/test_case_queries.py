"""The cases that SQL gathers: none is missing that the planner would act on, none is wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Table, insert

from boardsync.model import LinkState, Mark
from boardsync.plan.cases import (
    FileCase,
    ItemCase,
    KnownLink,
    OwnItem,
    PullPolicy,
    decide_file,
    decide_item,
)
from boardsync.plan.layout import Layout
from boardsync.plan.tokens import token_for
from boardsync.state import cases, schema
from boardsync.state.database import State
from state.state_kit import KEY, A, B, opened

EVERYTHING = PullPolicy(categories=None, marked=True)
MIRROR = 1
BOARDS = (
    # our number, mirror, subfolder, used
    (1, MIRROR, b"", True),
    (2, MIRROR, b"", False),
    (3, MIRROR, b"s", True),
    (4, MIRROR, b"s", False),
    (5, 2, b"", True),
)
LAYOUT = Layout(by_subfolder=True, pull_into=b"out")
_PATHS = st.sampled_from([b"a.png", b"s/a.png", b"s/\xff\n.png", b"out/s.png"])
_DIGESTS = st.sampled_from([A, B])
_ITEMS = st.sampled_from(["i1", "i2", "zoë\udce9.png"])
_VERSIONS = st.sampled_from(["", "1"])
_LIVE = ("ready", "sending", "unknown", "placing")
Row = dict[str, Any]


@dataclass
class Contents:
    """The rows of a random state."""

    files: list[Row]
    items: list[Row]
    links: list[Row]
    transfers: list[Row]


class _Undo(Exception):
    """Ends a transaction without a trace."""


def _rows(*keys: str, **columns: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Row]]:
    unique = (lambda row: tuple(row[key] for key in keys)) if keys else None
    return st.lists(st.fixed_dictionaries(columns), max_size=5, unique_by=unique)


def _with_mark(row: Row) -> Row:
    digest = row.pop("marked")
    if digest is None:
        return row | {"token": None, "mark": None}
    mark = Mark(KEY, token_for(KEY, digest), digest, digest, "original")
    return row | {"token": mark.token, "mark": json.dumps(asdict(mark))}


_stat = {name: st.just(1) for name in ("size", "mtime_ns", "ctime_ns", "inode", "changed_ns")}
contents = st.builds(
    Contents,
    files=_rows(
        "mirror", "path",
        mirror=st.sampled_from([1, 1, 1, 2]), path=_PATHS, digest=st.none() | _DIGESTS,
        hashed_ns=st.sampled_from([1, 1, 1, None]),
        refusal=st.sampled_from([None, None, None, "torn"]), **_stat,
    ),
    items=_rows(
        "board", "item_id",
        board=st.integers(1, 5), item_id=_ITEMS, version=_VERSIONS, read=st.booleans(),
        marked=st.none() | _DIGESTS, created_ms=st.none() | st.integers(0, 1),
        category=st.sampled_from(["general", None]), intermediate=st.booleans(),
        starred=st.booleans(),
    ).map(lambda rows: [_with_mark(dict(row)) for row in rows]),
    links=_rows(
        path=_PATHS, digest=_DIGESTS, item_id=_ITEMS, version=_VERSIONS,
        state=st.sampled_from([one.value for one in LinkState]), made=st.just("push"),
        since_ms=st.just(1), board=st.integers(1, 5),
    ),
    transfers=_rows(
        path=_PATHS, digest=_DIGESTS, item_id=_ITEMS, version=_VERSIONS,
        kind=st.sampled_from(["upload", "download"]), token=st.sampled_from(["t1", "t2", "t3"]),
        state=st.sampled_from([*_LIVE, "refused"]), reason=st.just("r"),
        created_ms=st.just(1), updated_ms=st.just(1), board=st.integers(1, 5),
    ),
)  # fmt: skip


def _fill(connection: Connection, made: Contents) -> None:
    mirror_of = {number: mirror for number, mirror, _, _ in BOARDS}
    _insert(connection, schema.mirror, [{"id": 1, "key": KEY}, {"id": 2, "key": "other"}])
    _insert(
        connection,
        schema.board,
        [
            {
                "id": n,
                "mirror": m,
                "subfolder": s,
                "asked": f"{n}",
                "current": used,
                "server_id": f"b{n}",
                "name": f"{n}",
            }
            for n, m, s, used in BOARDS
        ],
    )
    _insert(connection, schema.file, made.files)
    _insert(connection, schema.item, made.items)
    for table, rows in ((schema.link, made.links), (schema.transfer, _distinct(made.transfers))):
        _insert(connection, table, [row | {"mirror": mirror_of[row["board"]]} for row in rows])


def _distinct(rows: list[Row]) -> list[Row]:
    """Leave out what the schema refuses: two live transfers of one token or one item."""
    seen: set[tuple[Any, ...]] = set()
    kept = []
    for row in rows:
        key = (row["kind"], row["board"], row["token" if row["kind"] == "upload" else "item_id"])
        if row["state"] not in _LIVE or key not in seen:
            seen.add(key)
            kept.append(row)
    return kept


def _insert(connection: Connection, table: Table, rows: list[Row]) -> None:
    for row in rows:
        connection.execute(insert(table), row)


class Naive:
    """Says the same as the queries, from the rows alone and in the plainest way."""

    def __init__(self, made: Contents) -> None:
        self._made = made

    def board_of(self, path: bytes) -> int:
        subfolder = LAYOUT.subfolder_of(path)
        return next(n for n, m, s, used in BOARDS if (m, s, used) == (MIRROR, subfolder, True))

    def file_cases(self) -> Iterator[FileCase]:
        for file in self._made.files:
            sound = file["hashed_ns"] and file["digest"] and file["refusal"] is None
            if file["mirror"] == MIRROR and sound:
                yield self._file_case(file["path"], file["digest"])

    def _file_case(self, path: bytes, digest: str) -> FileCase:
        board = self.board_of(path)
        boards = {number for number, mirror, _, _ in BOARDS if mirror == MIRROR}
        of_mirror = [self._known(one) for one in self._made.links if one["board"] in boards]
        links = [one for one in of_mirror if one.board == board]
        return FileCase(
            path,
            digest,
            of_path=tuple(one for one in links if one.path == path),
            of_digest=tuple(one for one in links if one.path != path and one.digest == digest),
            elsewhere=tuple(
                one for one in of_mirror
                if one.board != board and one.digest == digest and one.path != path
                and one.state is LinkState.AGREED
            ),
            own=tuple(self._own(board, token_for(KEY, digest))),
        )  # fmt: skip

    def _known(self, row: Row) -> KnownLink:
        now = next(
            (i["version"] for i in self._made.items
             if (i["board"], i["item_id"]) == (row["board"], row["item_id"])), None,
        )  # fmt: skip
        return KnownLink(
            row["path"], row["digest"], row["board"], row["item_id"], row["version"],
            LinkState(row["state"]), now, self._is_shared(row),
        )  # fmt: skip

    def _is_shared(self, row: Row) -> bool:
        """Tell whether another file is linked to the same item; a rule may hide it."""
        return any(
            other["path"] != row["path"] and other["state"] == "agreed"
            and (other["board"], other["item_id"]) == (row["board"], row["item_id"])
            for other in self._made.links
        )  # fmt: skip

    def _own(self, board: int, token: str) -> list[OwnItem]:
        agreed = {o["item_id"] for o in self._made.links
                  if o["board"] == board and o["state"] == "agreed"}  # fmt: skip
        found = [
            (one["created_ms"] is not None, one["created_ms"] or 0, one["item_id"], one["version"])
            for one in self._made.items
            if one["board"] == board and one["token"] == token and one["item_id"] not in agreed
        ]
        return [OwnItem(item_id, version) for _, _, item_id, version in sorted(found)]

    def carried(self, case: FileCase) -> bool:
        return any(
            one["board"] == self.board_of(case.path) and one["state"] in _LIVE
            and (one["path"], one["digest"]) == (case.path, case.digest)
            for one in _distinct(self._made.transfers)
        )  # fmt: skip

    def item_cases(self, board: int) -> Iterator[ItemCase]:
        for one in self._made.items:
            if one["board"] == board and one["read"]:
                mark = None if one["mark"] is None else Mark(**json.loads(one["mark"]))
                yield ItemCase(
                    one["item_id"], one["version"], mark,
                    tuple(self._known(link) for link in self._made.links
                          if (link["board"], link["item_id"]) == (board, one["item_id"])),
                    one["category"], one["intermediate"], one["starred"], one["created_ms"],
                )  # fmt: skip

    def moved_here(self, board: int, case: ItemCase) -> bool:
        """Tell whether an item is linked on another board of its mirror that is in use."""
        mirrors = {number: mirror for number, mirror, _, _ in BOARDS}
        used = {number for number, _, _, current in BOARDS if current}
        return any(
            one["board"] != board and one["board"] in used
            and mirrors[one["board"]] == mirrors[board] and one["state"] == "agreed"
            and (one["item_id"], one["version"]) == (case.item_id, case.version)
            for one in self._made.links
        )  # fmt: skip

    def fetched(self, board: int, case: ItemCase) -> bool:
        return any(
            one["kind"] == "download" and one["board"] == board
            and (one["item_id"], one["version"]) == (case.item_id, case.version)
            for one in _distinct(self._made.transfers)
        )  # fmt: skip


def gathered_files(connection: Connection, naive: Naive) -> dict[bytes, FileCase]:
    """Gather cases as a pass does, in batches of two."""
    told: dict[bytes, FileCase] = {}
    after = b""
    while batch := cases.open_files(connection, MIRROR, LAYOUT, 2, after):
        after = batch[-1][0]
        assert [path for path, _ in batch] == sorted(path for path, _ in batch)
        for file in batch:
            board = naive.board_of(file[0])
            (case,) = cases.file_cases(connection, MIRROR, KEY, board, [file])
            assert case.path not in told
            told[case.path] = case
    return told


def check_files(connection: Connection, naive: Naive) -> None:
    told = gathered_files(connection, naive)
    everything = {case.path: case for case in naive.file_cases()}
    assert told.items() <= everything.items()
    for path, case in everything.items():
        needed = decide_file(KEY, case).action is not None
        assert (path in told) or not needed or naive.carried(case)
        assert not (path in told and naive.carried(case))
    asked = [b"a.png", b"nowhere.png", b"s/a.png", b"out/s.png"]
    among = {path for path, _ in cases.open_among(connection, MIRROR, LAYOUT, asked)}
    assert among == told.keys() & set(asked)


def check_items(connection: Connection, naive: Naive) -> None:
    for board, _, _, _ in BOARDS:
        told: dict[str, ItemCase] = {}
        after = ""
        while batch := cases.open_items(connection, board, 2, after):
            after = batch[-1].item_id
            told |= {case.item_id: case for case in batch}
        everything = {case.item_id: case for case in naive.item_cases(board)}
        assert told.items() <= everything.items()
        for item_id, case in everything.items():
            unmarked = replace(case, mark=None, intermediate=False)
            needed = decide_item(KEY, unmarked, EVERYTHING).action is not None
            covered = naive.fetched(board, case) or naive.moved_here(board, case)
            assert (item_id in told) == (needed and not covered)


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[State]:
    with opened(tmp_path_factory.mktemp("cases") / "state.db") as made:
        yield made


@settings(deadline=None, max_examples=250)
@given(made=contents)
def test_the_queries_leave_out_only_what_the_planner_has_nothing_to_do_for(
    state: State, made: Contents
) -> None:
    def work(connection: Connection) -> None:
        _fill(connection, made)
        check_files(connection, Naive(made))
        check_items(connection, Naive(made))
        raise _Undo

    with pytest.raises(_Undo):
        state.write_now(work)
