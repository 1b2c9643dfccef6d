"""The table of links: what a picture needs that both sides held and one side does not any more.

A case is judged from both sides. Where either side is not certain nothing happens: a deletion
is acted on only when it is proven, a change only when it has settled.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum, StrEnum, auto

from boardsync.model import Action, ActionKind, LinkState


class FileSide(Enum):
    """What became of a link's file."""

    SAME = auto()
    CHANGED = auto()
    UNSURE = auto()
    """Not hashed yet, refused, unreadable, or not covered by the rules any more."""
    ABSENT = auto()
    """Proven: its folder was read, and it is the same folder as before."""
    LEFT = auto()
    """Not in the folder, though nobody saw it go: that is another folder than it was in."""


class ItemSide(Enum):
    """What became of a link's item."""

    SAME = auto()
    CHANGED = auto()
    """Another version of it is there. Only where items are mutable."""
    UNSURE = auto()
    """Its board was not seen whole, or its absence is not confirmed yet."""
    ELSEWHERE = auto()
    """On another board of this mirror."""
    ABSENT = auto()
    """Gone from a complete listing, and the server said so twice when asked for it."""


class Consent(StrEnum):
    """What a person answered when a removal was held."""

    APPROVED = "approved"
    RESTORE = "restore"
    DISMISSED = "dismissed"


_KEEPING = frozenset({Consent.RESTORE, Consent.DISMISSED})


class WhenDeleted(StrEnum):
    """What happens to the other side of a deleted picture."""

    KEEP = "keep"
    TRASH = "trash"


class WhenChanged(StrEnum):
    """What happens to the old item when a file's content changed."""

    REPLACE = "replace"
    KEEP = "keep"


class WhenBothChanged(StrEnum):
    """Which content wins where both sides changed."""

    BOTH = "keep-both"
    LOCAL = "local"
    SERVER = "server"


@dataclass(frozen=True, slots=True)
class Policy:
    """What a mirror's settings say. pushes: the server may be changed; pulls: the folder may.

    names_kept: items have the names of their files, so that a rename is one of the item, too.
    moves: items can change their name and their board; where they cannot, a file that goes to
    another board's folder is sent there anew, and its item is one whose file was deleted.
    trashes: items can be removed so that they come back; where they cannot, they stay.
    one_item: the same picture at two paths of one board is one item.
    """

    pushes: bool = True
    pulls: bool = True
    file_deleted: WhenDeleted = WhenDeleted.KEEP
    item_deleted: WhenDeleted = WhenDeleted.KEEP
    content_changed: WhenChanged = WhenChanged.REPLACE
    both_changed: WhenBothChanged = WhenBothChanged.BOTH
    names_kept: bool = False
    moves: bool = True
    trashes: bool = True
    one_item: bool = True


@dataclass(frozen=True, slots=True)
class LinkCase:
    """An agreed link of which one side or the other is not as it was.

    number: the link's. board: ours. file_digest, item_version: of what is there now. item_file:
    of a changed item that carries our mark, the digest of the file that it was made from: nobody
    else changed it. renamed_to: where its file lies now, when it was found again under another
    path. home: our number of the board on which that path belongs. item_board: where the item is
    now. twin: another item on the board with our mark of the same picture, id and version.
    shared: another agreed link of the item has its file. pulled: the file came from the board.
    version_of_item: the file says that its present bytes were pulled from this very item.
    prepared: the item was made of the file, and is less than it: smaller, or another format.
    foreign: the item's mark names another mirror. settled: nothing vanished in this mirror for a
    while, so that what is gone is all that is.
    """

    number: int
    path: bytes
    digest: str
    board: int
    item_id: str
    version: str
    file: FileSide
    item: ItemSide
    file_digest: str | None = None
    item_version: str = ""
    item_file: str | None = None
    renamed_to: bytes | None = None
    home: int | None = None
    item_board: int | None = None
    twin: tuple[str, str] | None = None
    shared: bool = False
    pulled: bool = False
    version_of_item: bool = False
    prepared: bool = False
    foreign: bool = False
    settled: bool = True
    consent: Consent | None = None


@dataclass(frozen=True, slots=True)
class LinkVerdict:
    """What a link needs. parted: its new state, when that is all.

    claims: paths that are spoken for, so that nothing else is decided about them.
    """

    reason: str
    action: Action | None = None
    parted: LinkState | None = None
    claims: tuple[bytes, ...] = ()


def decide_link(mirror: str, case: LinkCase, policy: Policy) -> LinkVerdict:
    """Decide what a link needs."""
    if FileSide.UNSURE is case.file or ItemSide.UNSURE is case.item:
        claims = (case.path,) if case.renamed_to is None else (case.path, case.renamed_to)
        return LinkVerdict("not certain yet: nothing is done", claims=claims)
    if case.file is FileSide.LEFT:
        return _file_left(case, policy)
    if case.file is FileSide.ABSENT:
        return _file_absent(mirror, case, policy)
    if case.item is ItemSide.CHANGED:
        return _item_changed(mirror, case, policy)
    if case.item is ItemSide.ELSEWHERE:
        return _item_elsewhere(mirror, case, policy)
    if case.item is ItemSide.ABSENT and case.file is FileSide.SAME:
        return _item_absent(mirror, case, policy)
    # A changed file is a file's own case: its new content goes up.
    return LinkVerdict("both sides are there")


def _file_absent(mirror: str, case: LinkCase, policy: Policy) -> LinkVerdict:
    followed = case.renamed_to is not None and (policy.moves or not _is_away(case))
    if followed and case.item in (ItemSide.SAME, ItemSide.CHANGED):
        return _renamed(mirror, case, policy)
    if not case.settled:
        return LinkVerdict("its file is gone; waiting until nothing more vanishes")
    if case.item is ItemSide.ABSENT:
        return LinkVerdict("gone on both sides", parted=LinkState.FILE_GONE)
    if case.item is ItemSide.ELSEWHERE:
        return LinkVerdict("its file was deleted, its item moved away", parted=LinkState.FILE_GONE)
    if case.item is ItemSide.CHANGED and case.item_file is None:
        if not policy.pulls:
            return LinkVerdict("its file was deleted", parted=LinkState.FILE_GONE)
        reason = "its file was deleted, but the board has a newer version"
        return _acting(mirror, case, ActionKind.DOWNLOAD, reason, version=case.item_version)
    if case.shared:
        return LinkVerdict("another file holds the same picture", parted=LinkState.FILE_GONE)
    if case.consent is Consent.RESTORE and policy.pulls:
        return _acting(mirror, case, ActionKind.DOWNLOAD, "restored: its file was deleted")
    removing = policy.pushes and policy.file_deleted is WhenDeleted.TRASH
    if not removing or case.consent in _KEEPING:
        return LinkVerdict("its file was deleted; the item is kept", parted=LinkState.FILE_GONE)
    return _without_its_file(mirror, case, policy)


def _without_its_file(mirror: str, case: LinkCase, policy: Policy) -> LinkVerdict:
    """The item goes to the trash after its file, where there is one and it is ours."""
    reason = "its file was deleted"
    if case.renamed_to is not None:
        reason = "its file was moved to another board's folder, and its server moves no items"
    if not policy.trashes:
        kept = f"{reason}; the item is kept, for its server has no trash"
        return LinkVerdict(kept, parted=LinkState.FILE_GONE)
    if case.foreign:
        kept = f"{reason}; the item belongs to another mirror and is kept"
        return LinkVerdict(kept, parted=LinkState.FILE_GONE)
    present = case.item_version if case.item is ItemSide.CHANGED else case.version
    return _acting(mirror, case, ActionKind.TRASH_ITEM, reason, version=present)


def _file_left(case: LinkCase, policy: Policy) -> LinkVerdict:
    """Nothing is made again where a file was left behind. What is new on the board is new here."""
    if case.item is ItemSide.ABSENT:
        return LinkVerdict("its file was left in another folder", parted=LinkState.FILE_GONE)
    if case.item is ItemSide.CHANGED and case.item_file is None and policy.pulls:
        reason = "its file was left in another folder, and the board has a newer version"
        return LinkVerdict(reason, parted=LinkState.FILE_GONE)
    return LinkVerdict("its file was left in another folder: nothing is done")


def _is_away(case: LinkCase) -> bool:
    """Tell whether a renamed file belongs to another board now."""
    return case.home is not None and case.home != case.board


def _renamed(mirror: str, case: LinkCase, policy: Policy) -> LinkVerdict:
    """The file has another name or another folder. No bytes travel."""
    assert case.renamed_to is not None  # noqa: S101
    claims, away = (case.path, case.renamed_to), _is_away(case)
    if away and not policy.pushes:
        return LinkVerdict("its file was moved", parted=LinkState.FILE_GONE)
    if away and case.shared:
        reason = "its file was moved; another file holds the same picture and keeps the item"
        return LinkVerdict(reason, parted=LinkState.FILE_GONE)
    ours = policy.pushes and not case.pulled and not case.shared
    renaming = ours and policy.names_kept and policy.moves
    kind = ActionKind.MOVE_ITEM if away or renaming else ActionKind.FOLLOW
    reason = "its file was moved to another board's folder" if away else "its file was renamed"
    # An item that was edited meanwhile moves as it is now; its content is the next case.
    present = case.item_version if case.item is ItemSide.CHANGED else case.version
    return _acting(
        mirror, case, kind, reason, target=case.renamed_to, version=present, claims=claims
    )


def _item_changed(mirror: str, case: LinkCase, policy: Policy) -> LinkVerdict:
    if case.item_file is not None:
        return _sent_by_us(mirror, case, policy)
    if case.prepared and policy.pulls and not case.version_of_item:
        return _prepared_changed(case, policy)
    if case.file is FileSide.SAME:
        if not policy.pulls:
            return LinkVerdict("changed on the board since it was sent; nothing is pulled here")
        reason = "changed on the board"
        return _acting(mirror, case, ActionKind.DOWNLOAD, reason, version=case.item_version)
    if case.version_of_item and policy.pulls:
        # Pulled since the state was saved that we have: nobody but the board changed it.
        reason = "changed on the board; the file is a later version of it than was known"
        return _acting(
            mirror, case, ActionKind.DOWNLOAD, reason,
            digest=case.file_digest, version=case.item_version,
        )  # fmt: skip
    wins = policy.both_changed
    if not policy.pulls or (wins is WhenBothChanged.LOCAL and policy.pushes):
        return LinkVerdict("changed on both sides: the file wins")
    if not policy.pushes or wins is WhenBothChanged.SERVER:
        reason = "changed on both sides: the board wins"
        return _acting(
            mirror, case, ActionKind.DOWNLOAD, reason,
            digest=case.file_digest, version=case.item_version,
        )  # fmt: skip
    reason = "changed on both sides: both are kept"
    return _acting(mirror, case, ActionKind.SET_ASIDE, reason, digest=case.file_digest)


def _prepared_changed(case: LinkCase, policy: Policy) -> LinkVerdict:
    """What was made smaller and edited then must not take the place of what it was made of.

    Without its link the item is new on the board, and comes down beside the file.
    """
    local = policy.both_changed is WhenBothChanged.LOCAL and policy.pushes
    if case.file is FileSide.CHANGED and local:
        return LinkVerdict("changed on both sides: the file wins")
    reason = "changed on the board, which has a prepared version: that is fetched beside the file"
    return LinkVerdict(reason, parted=LinkState.ITEM_GONE)


def _sent_by_us(mirror: str, case: LinkCase, policy: Policy) -> LinkVerdict:
    """The item holds what we sent although nobody told us: the file is what counts."""
    wanted = case.digest if case.file is FileSide.SAME else case.file_digest
    if case.item_file == wanted:
        reason = "its newer content had arrived already"
        kind = ActionKind.LINK
    elif policy.pushes:
        reason = "its content changed since the board's version was sent"
        kind = ActionKind.UPLOAD
        if case.shared:  # the version belongs to another file
            return _as_new(_acting(mirror, case, kind, reason, digest=wanted))
    else:
        return LinkVerdict("not pulled: this mirror uploaded it")
    return _acting(mirror, case, kind, reason, digest=wanted, version=case.item_version)


def _item_elsewhere(mirror: str, case: LinkCase, policy: Policy) -> LinkVerdict:
    if case.file is FileSide.SAME and policy.pulls and case.item_board is not None:
        reason = "its item was moved to another board of this mirror"
        return _acting(mirror, case, ActionKind.MOVE_FILE, reason)
    return _item_absent(mirror, case, policy)


def _item_absent(mirror: str, case: LinkCase, policy: Policy) -> LinkVerdict:
    if case.file is FileSide.CHANGED:
        return LinkVerdict("its item was deleted, but the file has new content")
    if case.twin is not None:
        item_id, version = case.twin
        reason = "its item is gone, but another one carries our mark of this picture"
        return _acting(mirror, case, ActionKind.LINK, reason, item_id=item_id, version=version)
    if not case.settled:
        return LinkVerdict("its item is gone; waiting until nothing more vanishes")
    if case.consent is Consent.RESTORE and policy.pushes and not case.pulled:
        return _as_new(_acting(mirror, case, ActionKind.UPLOAD, "restored: its item was deleted"))
    removing = policy.pulls and policy.item_deleted is WhenDeleted.TRASH
    if not removing or case.consent in _KEEPING:
        return LinkVerdict("its item was deleted; the file is kept", parted=LinkState.ITEM_GONE)
    return _acting(mirror, case, ActionKind.TRASH_FILE, "its item was deleted on the board")


def _as_new(verdict: LinkVerdict) -> LinkVerdict:
    """Upload as an item of its own, in nobody's place."""
    assert verdict.action is not None  # noqa: S101
    return replace(verdict, action=replace(verdict.action, item_id=None, version=""))


def _acting(
    mirror: str, case: LinkCase, kind: ActionKind, reason: str, *, target: bytes | None = None,
    digest: str | None = None, item_id: str | None = None, version: str | None = None,
    claims: tuple[bytes, ...] | None = None,
) -> LinkVerdict:  # fmt: skip
    action = Action(
        kind=kind,
        mirror=mirror,
        reason=reason,
        path=case.path,
        digest=digest or case.digest,
        item_id=item_id or case.item_id,
        version=case.version if version is None else version,
        link=case.number,
        target=target,
    )
    return LinkVerdict(reason, action, claims=(case.path,) if claims is None else claims)
