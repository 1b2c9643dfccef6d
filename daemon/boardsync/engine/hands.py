"""Who carries out the transfers of one mirror: each kind of action has its own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from boardsync.engine.context import Mirror
from boardsync.engine.doubles import DoubleRemover
from boardsync.engine.move import Mover
from boardsync.engine.pull import Puller
from boardsync.engine.push import Pusher
from boardsync.engine.remove import Remover
from boardsync.engine.send_again import AgainSender
from boardsync.model import ActionKind
from boardsync.state.records import TransferRecord

Work = Callable[[], Awaitable[None]]


class Hands:
    """The pusher, the puller, the mover and the removers of one mirror."""

    def __init__(self, mirror: Mirror) -> None:
        self.mirror = mirror
        self._push = Pusher(mirror).carry
        mover, remover = Mover(mirror), Remover(mirror)
        self._by_kind: dict[ActionKind, Callable[[TransferRecord], Awaitable[None]]] = {
            ActionKind.DOWNLOAD: Puller(mirror).carry,
            ActionKind.MOVE_ITEM: mover.move_item,
            ActionKind.MOVE_FILE: mover.move_file,
            ActionKind.SET_ASIDE: mover.set_aside,
            ActionKind.RESTORE_ITEM: remover.restore_item,
            ActionKind.TRASH_ITEM: remover.trash_item,
            ActionKind.TRASH_FILE: remover.trash_file,
            ActionKind.TRASH_DOUBLE: DoubleRemover(mirror).trash_double,
            ActionKind.SEND_AGAIN: AgainSender(mirror).send_again,
        }

    def uploads(self, batch: list[TransferRecord]) -> Work:
        """Return what sends some files to one board."""
        return partial(self._push, batch)

    def other(self, transfer: TransferRecord) -> Work:
        """Return what carries out a transfer that is no upload."""
        return partial(self._by_kind[transfer.kind], transfer)
