"""What a transfer that is not finished means for its file and for its item, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from boardsync.model import ActionKind
from boardsync.state import transfers
from boardsync.state.records import TransferRecord

SENT_AGAIN = "asked for: sent again, as the settings have it prepared now"
FOUND_SAVED = "found saved: a removal that was called off, or of a state that was lost"

OF_FILES: Mapping[ActionKind, str] = {
    ActionKind.UPLOAD: "waiting to be sent",
    ActionKind.DOWNLOAD: "waiting for its item to be fetched",
    ActionKind.MOVE_ITEM: "waiting for its item to be moved",
    ActionKind.MOVE_FILE: "waiting to be moved",
    ActionKind.SET_ASIDE: "waiting to be set aside",
    ActionKind.RESTORE_ITEM: "waiting for its item to be taken out of the trash",
    ActionKind.TRASH_ITEM: "waiting for its item to be put into the trash",
    ActionKind.TRASH_FILE: "waiting to be put into the trash",
    ActionKind.TRASH_DOUBLE: "waiting for a double of its item to be put into the trash",
    ActionKind.SEND_AGAIN: "waiting for its item to make room for it, prepared anew",
}
OF_ITEMS: Mapping[ActionKind, str] = {
    ActionKind.UPLOAD: "waiting for its file to be sent",
    ActionKind.DOWNLOAD: "waiting to be fetched",
    ActionKind.MOVE_ITEM: "waiting to be moved",
    ActionKind.MOVE_FILE: "waiting for its file to be moved",
    ActionKind.SET_ASIDE: "waiting for its file to be set aside",
    ActionKind.RESTORE_ITEM: "waiting to be taken out of the trash",
    ActionKind.TRASH_ITEM: "waiting to be put into the trash",
    ActionKind.TRASH_FILE: "waiting for its file to be put into the trash",
    ActionKind.TRASH_DOUBLE: "waiting to be put into the trash, a double",
    ActionKind.SEND_AGAIN: "waiting to make room for its file, prepared anew",
}


def waiting_words(
    moving: Sequence[TransferRecord], words: Mapping[ActionKind, str]
) -> str | None:  # fmt: skip
    """Say what a subject waits for, by its newest transfer that is not finished, if there is one.

    words: those of files, or of items.
    """
    live = next((one for one in moving if one.state not in transfers.FINAL), None)
    if live is None:
        return None
    error = f"; last error: {live.error}" if live.error else ""
    return f"{words[live.kind]}: {live.reason}{error}"
