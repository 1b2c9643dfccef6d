"""The table of cases: what one file, or one item, needs.

Additions and changed content. Each function looks at everything known of one subject and
answers with at most one action and its reason. Nothing here ever asks for a removal.
"""

from __future__ import annotations

from dataclasses import dataclass

from boardsync.model import Action, ActionKind, Category, LinkState, Mark
from boardsync.plan.links import Policy, WhenBothChanged, WhenChanged
from boardsync.plan.tokens import token_for

_DEFAULTS = Policy()
PARTED = frozenset({LinkState.ITEM_GONE, LinkState.UNDONE})
"""Links whose missing side is never made again."""
AWAITED = "an item that comes down may be what it is"


@dataclass(frozen=True, slots=True)
class KnownLink:
    """A link as the planner needs it.

    now_version: of what the last listing showed under the item's id, None for nothing. shared:
    another file is that item, too.
    """

    path: bytes
    digest: str
    board: int
    item_id: str
    version: str
    state: LinkState
    now_version: str | None
    shared: bool = False

    @property
    def item_there(self) -> bool:
        """Whether the item is there as it was linked: another version is another picture."""
        return self.now_version == self.version


@dataclass(frozen=True, slots=True)
class OwnItem:
    """An unlinked item on the target board whose mark names this mirror and this picture."""

    item_id: str
    version: str


@dataclass(frozen=True, slots=True)
class FileCase:
    """A file to push, whole and hashed, with everything that is known of its picture.

    of_path: links of this path. of_digest: links of other paths with the same digest on the
    same board; elsewhere: agreed ones on other boards. own: items found by their mark, oldest
    first. trashed: where the item of this very content lies in the trash, which newer content
    had replaced. origin: an unlinked item on the board that these very bytes were once pulled
    from. origin_changed: that item may have changed since. pulled: it lies where pulled files
    go, and is not to be sent. awaited: by its time it may be what an item was pulled to that
    nothing is linked to and that comes down: its bytes will tell.
    """

    path: bytes
    digest: str
    of_path: tuple[KnownLink, ...] = ()
    of_digest: tuple[KnownLink, ...] = ()
    elsewhere: tuple[KnownLink, ...] = ()
    own: tuple[OwnItem, ...] = ()
    trashed: str | None = None
    origin: OwnItem | None = None
    origin_changed: bool = False
    pulled: bool = False
    awaited: bool = False


@dataclass(frozen=True, slots=True)
class ItemCase:
    """An item on a board. marked: whose mark it carries, None for an unmarked one."""

    item_id: str
    version: str
    mark: Mark | None = None
    of_item: tuple[KnownLink, ...] = ()
    category: str | None = None
    intermediate: bool = False
    starred: bool = False
    created_ms: int | None = None
    matches: bool = True


@dataclass(frozen=True, slots=True)
class PullPolicy:
    """Which items come down. categories: None where the server has none."""

    categories: frozenset[Category] | None = frozenset({Category.GENERAL})
    marked: bool = False
    starred_only: bool = False
    since_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """An action, or in words why there is none."""

    action: Action | None
    reason: str


def decide_file(mirror: str, case: FileCase, policy: Policy = _DEFAULTS) -> Verdict:
    """Decide what a file needs: nothing, a record, or an upload."""
    same = [known for known in case.of_path if known.digest == case.digest]
    for known in same:
        if known.state is LinkState.AGREED:
            return Verdict(None, "agreed: the same picture is on the board")
        if _is_parted(known):
            return Verdict(None, _parted_words(known))
    for known in same:
        if known.item_there:
            return _act(mirror, case, ActionKind.RELINK, known, "an earlier version came back")
    if case.trashed is not None and not policy.names_kept:
        reason = "an earlier version came back; its item lies in the trash"
        return _act(mirror, case, ActionKind.RESTORE_ITEM, OwnItem(case.trashed, ""), reason)
    return _decide_by_picture(mirror, case, policy)


def _is_parted(known: KnownLink) -> bool:
    """Tell whether a link's missing side stays missing. An item that is back is not missing."""
    back = known.state is LinkState.ITEM_GONE and known.item_there
    return known.state in PARTED and not back


def _decide_by_picture(mirror: str, case: FileCase, policy: Policy) -> Verdict:
    """The path tells nothing; the picture may be known by its origin, its digest or a mark."""
    # First: what is linked to another item leaves its own to be pulled once more.
    if case.origin is not None and not case.origin_changed:
        reason = "pulled from the board once: its item is still there"
        return _act(mirror, case, ActionKind.LINK, case.origin, reason)
    same = _decide_by_digest(mirror, case, policy)
    if same is not None:
        return same
    if case.own:
        own = case.own[0]
        reason = "already on the board: an item carries this mirror's mark of this picture"
        return _act(mirror, case, ActionKind.LINK, own, reason)
    if case.origin is not None and case.origin_changed and policy.pulls:
        reason = "pulled from the board once: its item has changed since"
        return _act(mirror, case, ActionKind.DOWNLOAD, case.origin, reason)
    if case.pulled:
        return Verdict(None, "lies where pulled pictures go: not sent")
    before = next((known for known in case.of_path if known.state is LinkState.AGREED), None)
    if before is None:
        return _act(mirror, case, ActionKind.UPLOAD, None, "new in the folder")
    conflict = before.now_version not in (None, before.version)
    if conflict and policy.pulls and policy.both_changed is not WhenBothChanged.LOCAL:
        return Verdict(None, "changed on both sides: its link decides")
    replacing = (
        policy.names_kept and policy.trashes and policy.content_changed is WhenChanged.REPLACE
    )
    old = None
    if replacing and before.now_version is not None and not before.shared:
        old = OwnItem(before.item_id, before.now_version)
    return _act(mirror, case, ActionKind.UPLOAD, old, "its content changed")


def _decide_by_digest(mirror: str, case: FileCase, policy: Policy) -> Verdict | None:
    """The same picture may be linked at another path of the board. None: it is not."""
    for known in case.of_digest:
        if policy.one_item and known.item_there and not _is_parted(known):
            if case.awaited:
                return Verdict(None, AWAITED)
            where = f"the same picture as {_show(known.path)}, which is on the board"
            return _act(mirror, case, ActionKind.LINK, known, where)
    for known in case.of_digest:
        if _is_parted(known):
            return Verdict(None, _parted_words(known))
    return None


def decide_item(mirror: str, case: ItemCase, policy: PullPolicy) -> Verdict:
    """Decide what an item needs: nothing, or a download."""
    if any(known.version == case.version for known in case.of_item):
        return Verdict(None, "linked: this item is known")
    if any(known.state is LinkState.AGREED for known in case.of_item):
        return Verdict(None, "linked: its link decides about the new version")
    refusal = _why_not_pulled(mirror, case, policy)
    if refusal is not None:
        return Verdict(None, refusal)
    reason = "changed on the board" if case.of_item else "new on the board"
    return Verdict(
        Action(
            kind=ActionKind.DOWNLOAD,
            mirror=mirror,
            reason=reason,
            item_id=case.item_id,
            version=case.version,
        ),
        reason,
    )


def _why_not_pulled(mirror: str, case: ItemCase, policy: PullPolicy) -> str | None:
    if case.mark is not None and case.mark.mirror == mirror:
        return "not pulled: this mirror uploaded it"
    if case.mark is not None and not policy.marked:
        return f"not pulled: uploaded by boardsync for mirror {case.mark.mirror!r}"
    if case.intermediate:
        return "not pulled: an intermediate image"
    if policy.categories is not None and case.category not in policy.categories:
        wanted = ", ".join(sorted(policy.categories))
        return f"not pulled: its category is {case.category}, wanted: {wanted}"
    if policy.starred_only and not case.starred:
        return "not pulled: not starred"
    if policy.since_ms is not None and (case.created_ms or 0) < policy.since_ms:
        return "not pulled: older than `since`"
    if not case.matches:
        return "not pulled: does not match `search`"
    return None


def _act(
    mirror: str, case: FileCase, kind: ActionKind, side: KnownLink | OwnItem | None, reason: str
) -> Verdict:
    action = Action(
        kind=kind,
        mirror=mirror,
        reason=reason,
        path=case.path,
        digest=case.digest,
        token=token_for(mirror, case.digest),
        item_id=side.item_id if side else None,
        version=side.version if side else "",
    )
    return Verdict(action, reason)


def _parted_words(known: KnownLink) -> str:
    if known.state is LinkState.UNDONE:
        return "left alone: an undo took it back; `boardsync again` sends it anew"
    return "left alone: its item was deleted on the board; `boardsync again` sends it anew"


def _show(path: bytes) -> str:
    return path.decode(errors="backslashreplace")
