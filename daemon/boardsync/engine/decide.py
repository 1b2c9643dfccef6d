"""Brings the cases of one mirror before the planner and records what it decides.

The only place where the planner meets the state. A plan that is only shown stops after
`decide`; a run goes on to `record`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from sqlalchemy import Connection

from boardsync.engine.clock import now_ms
from boardsync.engine.context import Mirror
from boardsync.model import Action, ActionKind
from boardsync.plan.cases import decide_file, decide_item
from boardsync.plan.layout import Layout
from boardsync.state import cases, links, runs, transfers
from boardsync.state.records import BoardRecord

Boards = dict[bytes, BoardRecord]
OpenFiles = list[tuple[bytes, str]]

CHUNK = 500
RECORDS_ONLY = frozenset({ActionKind.LINK, ActionKind.RELINK})


@dataclass(slots=True)
class Plan:
    """What one decision asks for. blocked: by reason, files whose board cannot be written to."""

    actions: list[tuple[int, Action]] = field(default_factory=list)
    blocked: dict[str, int] = field(default_factory=dict)


def decide(
    mirror: Mirror, boards: Boards, search: dict[int, set[str]], paths: Sequence[bytes] | None
) -> Plan:
    """Decide what the mirror needs, from what was observed. Writes nothing.

    boards: by subfolder, those whose listing was seen. search: for boards where `pull.search`
    is set, the items that match. paths: only these files, and no items; None for everything.
    """
    plan = Plan()
    if mirror.settings.direction.pushes:
        plan.actions += _file_actions(mirror, boards, plan, paths)
    if mirror.settings.direction.pulls and paths is None:
        for record in boards.values():
            matching = search.get(record.id)
            plan.actions += [(record.id, one) for one in _item_actions(mirror, record, matching)]
    return plan


def _file_actions(
    mirror: Mirror, boards: Boards, plan: Plan, paths: Sequence[bytes] | None
) -> Iterator[tuple[int, Action]]:
    with mirror.state.read() as connection:
        for batch in _open_batches(connection, mirror, paths):
            for subfolder, files in _by_subfolder(mirror.layout, batch).items():
                board = boards.get(subfolder)
                if board is None:
                    _block(plan, "their board was not seen whole yet", len(files))
                    continue
                for case in cases.file_cases(
                    connection, mirror.number, mirror.key, board.id, files
                ):
                    action = decide_file(mirror.key, case).action
                    if action is not None:
                        yield (
                            board.id,
                            replace(action, board_id=board.server_id, subfolder=subfolder),
                        )


def _open_batches(
    connection: Connection, mirror: Mirror, paths: Sequence[bytes] | None
) -> Iterator[OpenFiles]:
    number, layout = mirror.number, mirror.layout
    if paths is not None:
        for start in range(0, len(paths), CHUNK):
            yield cases.open_among(connection, number, layout, paths[start : start + CHUNK])
        return
    after = b""
    while batch := cases.open_files(connection, number, layout, CHUNK, after):
        after = batch[-1][0]
        yield batch


def _by_subfolder(layout: Layout, batch: OpenFiles) -> dict[bytes, OpenFiles]:
    """Group files by the board they go to; the pulled area goes nowhere."""
    groups: dict[bytes, OpenFiles] = {}
    for path, digest in batch:
        if not layout.is_pulled_area(path):
            groups.setdefault(layout.subfolder_of(path), []).append((path, digest))
    return groups


def _item_actions(
    mirror: Mirror, board: BoardRecord, matching: set[str] | None
) -> Iterator[Action]:
    after, policy = "", mirror.pull_policy()
    with mirror.state.read() as connection:
        while batch := cases.open_items(connection, board.id, CHUNK, after):
            after = batch[-1].item_id
            for case in batch:
                if matching is not None:
                    case = replace(case, matches=case.item_id in matching)
                action = decide_item(mirror.key, case, policy).action
                if action is not None:
                    yield replace(action, board_id=board.server_id, subfolder=board.subfolder)


def _block(plan: Plan, reason: str, count: int) -> None:
    plan.blocked[reason] = plan.blocked.get(reason, 0) + count


async def record(mirror: Mirror, plan: Plan, cause: str, run: int | None) -> int | None:
    """Make a plan durable: links at once, transfers to be carried out.

    run: the run to add to. Returns the run; None when there was nothing to do yet.
    """
    if not plan.actions:
        return run
    moment = now_ms(mirror.clock)
    return await mirror.state.write(lambda c: _record(c, mirror, plan, cause, run, moment))


def _record(
    c: Connection, mirror: Mirror, plan: Plan, cause: str, run: int | None, moment: int
) -> int:
    number = run if run is not None else runs.begin(c, mirror.number, cause, moment)
    linked = 0
    for board, action in plan.actions:
        if action.kind in RECORDS_ONLY:
            links.agree(c, _new_link(mirror, board, action, number), moment)
            linked += 1
    travelling = [pair for pair in plan.actions if pair[1].kind not in RECORDS_ONLY]
    planned = transfers.plan_transfers(c, mirror.number, travelling, moment, number)
    runs.count(c, number, moment, planned=planned, linked=linked)
    return number


def _new_link(mirror: Mirror, board: int, action: Action, run: int) -> links.NewLink:
    assert action.path is not None and action.digest is not None and action.item_id  # noqa: S101, PT018
    return links.NewLink(
        mirror=mirror.number, path=action.path, digest=action.digest, board=board,
        item_id=action.item_id, version=action.version, made="found", run=run,
    )  # fmt: skip
