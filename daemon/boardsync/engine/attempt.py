"""Records that an attempt failed, and when the next one may be made."""

from __future__ import annotations

import structlog

from boardsync.engine.clock import now_ms
from boardsync.engine.context import Mirror
from boardsync.errors import BoardMissing, TryAgain
from boardsync.model import TransferState
from boardsync.plan.backoff import delay_seconds
from boardsync.state import places, transfers
from boardsync.state.records import TransferRecord

log = structlog.get_logger(__name__)


async def postpone(
    mirror: Mirror,
    transfer: TransferRecord,
    error: Exception,
    state: TransferState,
    *,
    seconds: float | None = None,
    lookups: int | None = None,
) -> None:
    """Put a transfer back with its error. seconds: wait so long, instead of longer each time.

    lookups: how often it was looked at in vain, if that has changed.
    """
    attempts = transfer.attempts + 1
    asked = error.retry_after if isinstance(error, TryAgain) else None
    key = str(transfer.token or transfer.item_id)
    wait = delay_seconds(attempts, key, asked=asked) if seconds is None else seconds
    await put_back(mirror, transfer, error, state, wait, attempts=attempts, lookups=lookups)
    log.warning(
        "not done, will try again",
        path=transfer.path, item=transfer.item_id, error=str(error), seconds=round(wait, 1),
    )  # fmt: skip


async def put_back(
    mirror: Mirror,
    transfer: TransferRecord,
    error: Exception,
    state: TransferState,
    seconds: float,
    *,
    attempts: int,
    lookups: int | None = None,
) -> None:
    """Record an error and a wait, without a word."""
    moment = now_ms(mirror.clock)
    await mirror.state.write(
        lambda c: transfers.change(
            c, transfer.id, moment, state=state.value, attempts=attempts,
            first_sent_ms=transfer.first_sent_ms or moment,
            not_before_ms=moment + int(seconds * 1000), error=str(error),
            error_class=type(error).__name__,
            lookups=transfer.lookups if lookups is None else lookups,
        )
    )  # fmt: skip


async def blame(mirror: Mirror, board: int, error: Exception) -> None:
    """Tell the gate, and the board when it is gone, that an attempt failed."""
    mirror.gate.failed(error)
    if isinstance(error, BoardMissing):
        # Nothing more is sent there before the worker has looked what became of it.
        mirror.seen_boards.discard(board)
        moment = now_ms(mirror.clock)
        await mirror.state.write(lambda c: places.note_board_missing(c, board, moment))
        mirror.hints.boards("a board is gone")
